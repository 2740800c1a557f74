"""Benchmarks: `benchmark distribution` and its like, one module a subject.

    bin/benchmark distribution --help

Each subject measures what it compares in one run, in turns, and writes medians and
ratios as Markdown. Its module has a `main(argv)` that returns the exit code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

SUBJECTS = {
    "bags": "benchmarks.bags",
    "clusterers": "benchmarks.clusterers",
    "clustering": "benchmarks.clustering",
    "distribution": "benchmarks.distribution",
    "metrics": "benchmarks.metrics",
    "partition": "benchmarks.partition",
    "pipeline": "benchmarks.pipeline",
    "training": "benchmarks.training",
}
_USAGE = (
    "usage: benchmark SUBJECT [flags]\n\n"
    f"Subjects: {', '.join(SUBJECTS)}. benchmark SUBJECT --help lists its flags."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark of the subject `argv[0]` and returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv and argv[0] in ("-h", "--help"):
        print(_USAGE)
        return 0
    if argv and argv[0] in SUBJECTS:
        return importlib.import_module(SUBJECTS[argv[0]]).main(argv[1:])
    given = f"The subject {argv[0]!r} is unknown" if argv else "No subject was given"
    print(f"benchmark: {given}; give one of: {', '.join(SUBJECTS)}.", file=sys.stderr)
    return 2
