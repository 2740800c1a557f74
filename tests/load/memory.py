"""The memory of this process."""

import os
from pathlib import Path


def resident_bytes() -> int:
    """How much of it is in the machine's memory now."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
