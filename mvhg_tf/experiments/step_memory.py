"""The memory that one call needs for itself, in a process of its own.

It imports nothing but the standard library, so that a program in another Python
environment can use it too. Linux only.
"""

import ctypes
import os
import statistics
from collections.abc import Callable

# To be set before the process starts: what is freed goes back to the system at once,
# so that memory kept by earlier calls does not hide what the measured call needs.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
_STATUS, _RESET = "/proc/self/status", "/proc/self/clear_refs"


def available() -> bool:
    """Whether this system can reset and tell a process's peak memory."""
    return os.access(_RESET, os.W_OK)


def peak_of_call(call: Callable[[], object], repeats: int = 5) -> int:
    """The median of how many bytes the resident memory rises during a call.

    The call is made twice before, so that nothing is traced, compiled or loaded
    while it is measured.
    """
    call()
    call()
    rises = []
    for _ in range(repeats):
        ctypes.CDLL(None).malloc_trim(0)
        with open(_RESET, "w", encoding="ascii") as file:
            file.write("5")  # Sets the peak to the present size.
        before = _resident("VmRSS")
        call()
        rises.append(_resident("VmHWM") - before)
    return int(statistics.median(rises))


def _resident(field: str) -> int:
    with open(_STATUS, encoding="ascii") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}.")
