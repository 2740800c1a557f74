"""What machine this is."""

import os
import platform


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def processor_and_cores() -> str:
    """The processor's name and the number of its cores."""
    return f"{processor()}, {os.cpu_count()} cores"
