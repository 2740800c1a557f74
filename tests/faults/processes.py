"""Runs of the programs, each in a process that may be killed.

TensorFlow takes seconds to import. So the processes are forked off a server that has
imported what the programs need, and has no thread yet: forking it is safe. In the
child, the program starts as its script starts it.
"""

import importlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

_IMPORTS = (
    "mvhg_tf.clustering.train",
    "mvhg_tf.disentanglement.steps.evaluate",
    "mvhg_tf.disentanglement.steps.postprocess",
    "mvhg_tf.disentanglement.steps.training",
    "mvhg_tf.programs.__main__",
    "mvhg_tf.programs.mvhg_cluster",
    "mvhg_tf.programs.mvhg_reproduce",
)
# What Python tells its audit hooks of before it changes a file.
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime")
_PATIENCE = 600.0  # seconds


class Run:
    """A program, or another function, at work in a process of its own.

    Args:
      body: what runs; it returns an exit code, or None for 0.
      arguments: of it.
      log: the file for what it says.
      folder: in it, changes to the disk are counted: files opened for writing, moved
        or removed, by Python (not by TensorFlow's own code).
      die_at: the process kills itself before that change, counted from 1; 0 for never.
      environment: variables to set.
    """

    def __init__(
        self,
        body: Callable[..., int | None],
        arguments: tuple,
        log: Path,
        folder: Path | None = None,
        die_at: int = 0,
        environment: dict[str, str] | None = None,
    ):
        self.log = log
        self._changes = _server().Value("i", 0)
        counting = (str(folder), die_at, self._changes) if folder else ()
        self._process = _server().Process(
            target=_child,
            args=(body, arguments, str(log), counting, environment or {}),
        )
        self._process.start()

    def wait(self) -> int:
        """The exit code; minus the signal, if one ended it."""
        self._process.join(_PATIENCE)
        assert self._process.exitcode is not None, self.said()
        return self._process.exitcode

    @property
    def changes(self) -> int:
        """How many changes to `folder` were counted."""
        return self._changes.value

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for a moment of the run, or for its end."""
        started = time.monotonic()
        while self.is_alive() and not condition():
            assert time.monotonic() - started < _PATIENCE, self.said()
            time.sleep(0.0005)

    def kill_at(self, condition: Callable[[], bool], delay: float) -> int:
        """Kills it so many seconds after a condition holds; returns the exit code."""
        self.wait_until(condition)
        time.sleep(delay)
        self.send(signal.SIGKILL)
        return self.wait()

    def end(self) -> None:
        """Ends it, if it still runs."""
        self._process.kill()
        self._process.join()

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def program(name: str, *flags: str) -> int | None:
    """Runs a program as its script does."""
    sys.argv = ["mvhg_tf.programs", name, *flags]
    return importlib.import_module("mvhg_tf.programs.__main__").main()


def _server() -> multiprocessing.context.ForkServerContext:
    """The context whose first process starts the server."""
    context = multiprocessing.get_context("forkserver")
    # OpenBLAS would start its threads when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context.set_forkserver_preload([*_IMPORTS, __name__])
    return context


def _child(body, arguments, log, counting, environment) -> None:
    os.environ.update(environment)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    # Where the tests run in the background, the shell has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if counting:
        count_changes(*counting)
    try:
        code = body(*arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # multiprocessing would wait for threads that a script does not wait for.
    os._exit(code or 0)


def count_changes(folder: str, die_at: int, changes=None) -> None:
    """Counts this process's changes to a folder, and kills it before one of them.

    Args:
      folder: an absolute path.
      die_at: the change, counted from 1; 0 for none.
      changes: a `multiprocessing.Value` for the count, or None.
    """
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if _changes_a_file_of(folder, event, arguments):
            count += 1
            if changes is not None:
                changes.value = count
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _changes_a_file_of(folder: str, event: str, arguments: tuple) -> bool:
    if event == "open":
        path, mode, flags = arguments
        # Numbers are files that are open already.
        is_change = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        is_change |= isinstance(mode, str) and any(m in mode for m in "wax+")
    else:
        path, is_change = arguments[0] if arguments else None, event in _CHANGES
    if not is_change or not isinstance(path, str | bytes | os.PathLike):
        return False
    return os.path.abspath(os.fsdecode(path)).startswith(folder)
