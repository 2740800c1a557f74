"""Runs of the programs, each in a process that may be killed.

TensorFlow takes seconds to import. So the processes are forked off a server that has
imported what the programs need, and has no thread yet: forking it is safe. In the
child, the program starts as its script starts it.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

_IMPORTS = (
    "mvhg_tf_programs",
    "mvhg_tf.clustering.train",
    "mvhg_tf.disentanglement.evaluate",
    "mvhg_tf.disentanglement.postprocess",
    "mvhg_tf.disentanglement.training",
    "mvhg_tf.experiments.cluster",
    "mvhg_tf.experiments.reproduce",
)
_EXPERIMENTS = {"mvhg_cluster": "cluster", "mvhg_reproduce": "reproduce"}
# What Python tells its audit hooks of before it changes a file.
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.utime")
_PATIENCE = 600.0  # seconds


class Run:
    """A program, or another function, at work in a process of its own.

    Args:
      body: what runs; it returns an exit code, or None for 0.
      arguments: of it.
      log: the file for what it says.
      folder: with `die_at`, the one whose changes count.
      die_at: the process kills itself before its n-th change of a file there, from 1.
        Of TensorFlow's own files, only Python's part is seen.
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
        self._process = _server().Process(
            target=_child,
            args=(
                body,
                arguments,
                str(log),
                str(folder or ""),
                die_at,
                environment or {},
            ),
        )
        self._process.start()

    def wait(self) -> int:
        """The exit code; minus the signal, if one ended it."""
        self._process.join(_PATIENCE)
        assert self._process.exitcode is not None, self.said()
        return self._process.exitcode

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

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def program(name: str, *flags: str) -> int | None:
    """Runs a program as its script does."""
    sys.argv = [name, *flags]
    if name in _EXPERIMENTS:
        module = __import__(
            f"mvhg_tf.experiments.{_EXPERIMENTS[name]}", fromlist=["main"]
        )
        return module.main()
    import mvhg_tf_programs

    return mvhg_tf_programs.main()


def _server() -> multiprocessing.context.ForkServerContext:
    """The context whose first process starts the server."""
    context = multiprocessing.get_context("forkserver")
    # OpenBLAS would start its threads when it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context.set_forkserver_preload([*_IMPORTS, __name__])
    return context


def _child(body, arguments, log, folder, die_at, environment) -> None:
    os.environ.update(environment)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    if die_at:
        die_at(die_at, folder)
    try:
        code = body(*arguments)
    except SystemExit as error:
        code = error.code
    sys.stdout.flush()
    # multiprocessing would wait for threads that a script does not wait for.
    os._exit(code or 0)


def die_at(number: int, folder: str) -> None:
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if _changes_a_file_of(folder, event, arguments):
            left -= 1
            if left == 0:
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
