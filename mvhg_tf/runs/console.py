"""What lies between a program and its terminal: silent imports, and Ctrl-C."""

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Iterator

from mvhg_tf.runs.errors import UserError


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Keeps off the terminal what TensorFlow's C++ code prints when it is imported.

    TensorFlow 2.21 reports its CPU and GPU support before it reads
    TF_CPP_MIN_LOG_LEVEL. If the import fails, all that was printed is shown, but for a
    UserError, which says all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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


@contextlib.contextmanager
def sigint_as_keyboard_interrupt() -> Iterator[None]:
    """Turns every error of the block, once SIGINT came, into a KeyboardInterrupt.

    Python raises KeyboardInterrupt wherever the main thread is. Where TensorFlow's C++
    code has called a Python function, it may take the exception for the function's
    failure, and raise an AttributeError or the like instead.

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
