"""Ctrl-C (SIGINT), told from the errors that libraries make of it."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def told_from_errors() -> Iterator[None]:
    """Makes every error of the block, once SIGINT came, a KeyboardInterrupt.

    Python raises KeyboardInterrupt wherever the main thread is. Where TensorFlow's C++
    code has called a Python function, it may take that for the function's failure, and
    what comes out is an AttributeError or the like.

    The handler that was there is called each time, so a second SIGINT interrupts the
    block again. Blocks may be nested. Outside of the main thread, and where SIGINT is
    ignored, the block runs as it is.

    Raises:
      KeyboardInterrupt: in place of an error after SIGINT came.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(handler)):
        yield
        return
    came = False

    def note(number: int, frame: object) -> None:
        nonlocal came
        came = True
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    except Exception as error:
        if came:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
