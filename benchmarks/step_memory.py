"""The memory that a process needs while it makes a call.

It imports nothing but the standard library, so that a program in another Python
environment can use it too. Linux only.
"""

import ctypes
import os
import statistics
from collections.abc import Callable

# To be set before the process starts: what is freed goes back to the system at once.
# It slows large allocations down, so no time may be taken in such a process.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
_STATUS, _RESET = "/proc/self/status", "/proc/self/clear_refs"


def available() -> bool:
    """Whether this system can reset and tell a process's peak memory."""
    return os.access(_RESET, os.W_OK)


def peak_during_call(call: Callable[[], object], repeats: int = 5) -> int:
    """The median of the process's peak resident bytes during a call.

    TensorFlow keeps what a call has freed, so the rise during a call says nothing.
    Compare the peaks of two fresh processes, of a large call and a tiny one. The call
    is made twice before, so that nothing is traced, compiled or loaded meanwhile.
    """
    call()
    call()
    peaks = []
    for _ in range(repeats):
        ctypes.CDLL(None).malloc_trim(0)
        with open(_RESET, "w", encoding="ascii") as file:
            file.write("5")  # Sets the peak to the present size.
        call()
        peaks.append(_resident("VmHWM"))
    return int(statistics.median(peaks))


def _resident(field: str) -> int:
    with open(_STATUS, encoding="ascii") as file:
        for line in file:
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}.")
