r"""Speed of random partitions (docs/benchmark_partition.md).

    bin/benchmark partition --output=docs/benchmark_partition.md \\
        --authors_code=PATH --distribution_code=PATH --torch_python=PATH/bin/python

Without --authors_code nothing is compared with the authors' PyTorch code.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from benchmarks import authors_partition, programs
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "partition", "Measures the speed of random partitions.", _run
    )
    program.add_text(
        "authors_code",
        "a checkout of the authors' repository drpm, to be compared with",
    )
    program.add_text(
        "distribution_code",
        "a checkout of the authors' repository mvhg, which drpm needs",
    )
    program.add_text(
        "torch_python",
        "a Python that has PyTorch, for --authors_code (default: this one)",
    )
    return program.run(argv)


def _run(flags) -> None:
    if bool(flags.authors_code) != bool(flags.distribution_code):
        raise UserError(
            "--authors_code and --distribution_code belong together; give both or none."
        )
    with contextlib.ExitStack() as stack:
        authors = {}
        if flags.authors_code:
            for name, environment in (
                ("all threads", {}),
                ("one thread", {"OMP_NUM_THREADS": "1"}),
            ):
                authors[f"the authors' PyTorch code, {name}"] = stack.enter_context(
                    authors_partition.Worker(
                        flags.authors_code,
                        flags.distribution_code,
                        flags.torch_python or sys.executable,
                        environment,
                    )
                )
        with quiet_imports():
            from benchmarks import partition_timings
        text = partition_timings.run(authors, flags.rounds)
    programs.write(text, flags.output)
