"""What lies between a program and its terminal: silent imports, Ctrl-C, SIGTERM."""

import contextlib
import functools
import logging
import os
import signal
import tempfile
import threading
import types
from collections.abc import Callable, Iterator

from mvhg_tf.runs.errors import Terminated, UserError


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Hides what TensorFlow prints when it is imported, and its warnings.

    TensorFlow 2.21 reports its CPU and GPU support before it reads
    TF_CPP_MIN_LOG_LEVEL. If the import fails, the hidden text is shown, unless the
    error is a UserError, which says enough. If the user has set TF_CPP_MIN_LOG_LEVEL to
    less than 3, nothing is hidden.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") < "3":
        yield
        return
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, UserError):
                said.seek(0)
                os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def _terminate(number: int, frame: object) -> None:
    raise Terminated


@contextlib.contextmanager
def signals_as_keyboard_interrupt() -> Iterator[None]:
    """Turns errors that follow a signal in the block into a KeyboardInterrupt.

    Python raises KeyboardInterrupt wherever the main thread is. Where TensorFlow's C++
    code has called a Python function, it may take the exception for the function's
    failure, and raise an AttributeError or the like instead. SIGTERM, which would end
    the process at once, raises `Terminated` in the same way.

    The previous handler is called each time, so a second signal interrupts the block
    again. Blocks may be nested. Outside of the main thread, or if a signal is ignored,
    the block runs unchanged.

    Raises:
      KeyboardInterrupt: instead of an error that followed a signal.
    """
    came: list[int] = []
    with _signals_noted(came.append):
        try:
            yield
        except Exception as error:
            if came:
                raise _interrupt_of(came[-1]) from error
            raise


class DeferredSignal:
    """What `deferred_signal` yields.

    Attributes:
      interrupt: what the signal would have raised; None until it arrives.
    """

    interrupt: KeyboardInterrupt | None = None


@contextlib.contextmanager
def deferred_signal() -> Iterator[DeferredSignal]:
    """Lets the block handle the first SIGINT or SIGTERM; a second one interrupts it."""
    state = DeferredSignal()

    def defer(number: int) -> bool:
        is_first = state.interrupt is None
        state.interrupt = _interrupt_of(number)
        return is_first

    with _signals_noted(defer):
        yield state


def _interrupt_of(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


@contextlib.contextmanager
def _signals_noted(note: Callable[[int], bool | None]) -> Iterator[None]:
    """On a signal, calls `note` and then, unless that returns True, the handler."""
    is_main = threading.current_thread() is threading.main_thread()
    earlier = {}
    for number in (signal.SIGINT, signal.SIGTERM) if is_main else ():
        handler = signal.getsignal(number)
        earlier[number] = handler
        if (number, handler) == (signal.SIGTERM, signal.SIG_DFL):
            handler = _terminate
        if callable(handler):
            signal.signal(number, functools.partial(_handle, note, handler))
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _handle(
    note: Callable[[int], bool | None],
    handler: Callable[[int, types.FrameType | None], object],
    number: int,
    frame: types.FrameType | None,
) -> None:
    if not note(number):
        handler(number, frame)
