"""Ctrl-C (SIGINT) where a library takes the KeyboardInterrupt for another error."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from mvhg_tf.runs import console
from mvhg_tf.runs.errors import RunInterrupted
from mvhg_tf.runs.run_directory import open_run

# What TensorFlow's C++ code does to an interrupt of a function that it calls.
LIBRARY = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)

def call_library():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        raise AttributeError("'NoneType' object has no attribute 'shape'") from None
"""
PROGRAM = """
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.runs.run_directory import open_run

def body(flags):
    {body}

program = Program("dlib_train", "Trains.", body, "dlib_train"{stopped})
program.add_gin()
sys.exit(program.run([]))
"""
IN_A_RUN = """with open_run("model", "train"):
        os.mkdir("model/checkpoints")
        call_library()
"""
AGAIN = """try:
        call_library()
    finally:
        call_library()
"""
NOTHING = "dlib_train: stopped; nothing was left half-done.\n"
GOES_ON = "dlib_train: stopped; the same command continues from here.\n"


@pytest.fixture
def default_handler():
    """Python's own handler: a shell has background processes ignore SIGINT."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, handler)


def turn_into(error):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise error from None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (PROGRAM.format(body="call_library()", stopped=""), NOTHING),
        (PROGRAM.format(body=IN_A_RUN, stopped=""), GOES_ON),
        (PROGRAM.format(body=AGAIN, stopped=""), NOTHING),
        (
            PROGRAM.format(body="call_library()", stopped=", stopped='stopped; go.'"),
            "dlib_train: stopped; go.\n",
        ),
    ],
    ids=["no run", "run", "twice", "own sentence"],
)
def test_a_program_stops_with_its_sentence(tmp_path, program, said):
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY + program],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", said)
    assert time.monotonic() - started < 50  # not all of a sleep


def test_an_error_after_the_signal_is_the_interrupt(default_handler):
    error = AttributeError("of the library")
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        console.signals_as_keyboard_interrupt(),
    ):
        turn_into(error)
    assert caught.value.__cause__ is error
    assert signal.getsignal(signal.SIGINT) is default_handler


def test_an_error_without_a_signal_stays(default_handler):
    with pytest.raises(AttributeError), console.signals_as_keyboard_interrupt():
        raise AttributeError("a bug")
    assert signal.getsignal(signal.SIGINT) is default_handler


def test_an_inner_blocks_signal_is_known_to_the_outer(default_handler):
    with pytest.raises(KeyboardInterrupt), console.signals_as_keyboard_interrupt():
        try:
            with console.signals_as_keyboard_interrupt():
                turn_into(AttributeError())
        except KeyboardInterrupt:
            raise ValueError from None


def test_a_run_can_be_gone_on_with(default_handler, tmp_path):
    with pytest.raises(RunInterrupted), open_run(str(tmp_path / "run"), "train"):
        (tmp_path / "run" / "checkpoints").mkdir()
        turn_into(AttributeError())


def test_an_ignored_signal_stays_ignored(default_handler):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(AttributeError), console.signals_as_keyboard_interrupt():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
        raise AttributeError("a bug")


def test_another_thread_leaves_the_handler_alone(default_handler):
    seen = []

    def run():
        with console.signals_as_keyboard_interrupt():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [default_handler]
