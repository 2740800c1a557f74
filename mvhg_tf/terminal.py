"""What a program keeps from its user's terminal."""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Keeps from the terminal what TensorFlow's C++ code says when it is imported.

    TensorFlow 2.21 tells of its CPU and GPU support before it looks at
    TF_CPP_MIN_LOG_LEVEL. If the import fails, all that was said is shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
