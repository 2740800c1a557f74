r"""Speed, memory and graph size of the distribution (docs/benchmark_distribution.md).

    bin/benchmark distribution --output=docs/benchmark_distribution.md \\
        --authors_code=PATH --torch_python=PATH/bin/python

Without --authors_code nothing is compared with the authors' PyTorch code.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Sequence

from benchmarks import authors_code, programs, step_memory
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "distribution",
        "Measures the distribution's speed, memory and graph size.",
        _run,
        rounds=21,
    )
    program.add_text(
        "authors_code", "a checkout of the authors' PyTorch code, to be compared with"
    )
    program.add_text(
        "torch_python",
        "a Python that has PyTorch, for --authors_code (default: this one)",
    )
    return program.run(argv)


def _run(flags) -> None:
    flags.torch_python = flags.torch_python or sys.executable
    with contextlib.ExitStack() as stack:
        authors = {}
        if flags.authors_code:
            # On a busy machine PyTorch's threads wait for each other: one is faster.
            for name, environment in (
                ("all threads", {}),
                ("one thread", {"OMP_NUM_THREADS": "1"}),
            ):
                authors[f"the authors' PyTorch code, {name}"] = stack.enter_context(
                    authors_code.Worker(
                        flags.authors_code,
                        flags.torch_python,
                        authors_code.STEP_BATCH,
                        environment,
                    )
                )
        with quiet_imports():
            from benchmarks import distribution_timings
        text = distribution_timings.run(authors, _authors_memory(flags), flags.rounds)
    programs.write(text, flags.output)


def _authors_memory(flags: types.SimpleNamespace) -> int | None:
    if not flags.authors_code or not step_memory.available():
        return None
    peaks = []
    for batch_size in (1, authors_code.MEMORY_BATCH):
        with authors_code.Worker(
            flags.authors_code,
            flags.torch_python,
            batch_size,
            environment=step_memory.ENVIRONMENT,
        ) as worker:
            peaks.append(worker.peak_memory())
    return peaks[1] - peaks[0]
