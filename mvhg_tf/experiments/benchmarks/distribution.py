"""Speed, memory and graph size of the distribution (docs/benchmark_distribution.md).

    bin/benchmark distribution --output=docs/benchmark_distribution.md \\
        --authors_code=PATH --torch_python=PATH/bin/python

Without --authors_code nothing is compared with the authors' PyTorch code.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from mvhg_tf.experiments import command_line
from mvhg_tf.experiments.benchmarks import authors_code, step_memory
from mvhg_tf.terminal import quiet_imports


def _parse(argv: Sequence[str] | None):
    parser = command_line.Parser(
        prog="benchmark distribution",
        description="Measures the distribution's speed, memory and graph size.",
    )
    parser.add_argument(
        "--output", default="benchmark_distribution.md", help="the Markdown file"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier --output"
    )
    parser.add_argument(
        "--rounds",
        type=command_line.integer(1, 1000),
        default=21,
        help="measurements of each thing; their median counts",
    )
    parser.add_argument(
        "--authors_code",
        help="a checkout of the authors' PyTorch code, to be compared with",
    )
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        help="a Python that has PyTorch, for --authors_code",
    )
    return parser.parse_args(argv)


def _run(argv: Sequence[str] | None) -> None:
    flags = _parse(argv)
    command_line.check_output_file(flags.output, flags.overwrite)
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
            from mvhg_tf.experiments.benchmarks import distribution_timings
        text = distribution_timings.run(authors, _authors_memory(flags), flags.rounds)
    with open(flags.output, "w", encoding="utf-8") as file:
        file.write(text)
    print(text)


def _authors_memory(flags) -> int | None:
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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    return command_line.run_program(_run, argv)
