"""What machine this is, and what runs on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform


def processor_and_cores() -> str:
    """The processor's name and the number of its cores."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    """The processor's name, as far as the system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def description() -> str:
    """Processor, cores, how busy it is, and versions, in one sentence."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "tensorflow-probability", "numpy", "scipy")
    )
    return (
        f"{processor_and_cores()}, load average "
        f"{os.getloadavg()[1]:.1f} over 5 minutes; Python "
        f"{platform.python_version()}, {versions}."
    )
