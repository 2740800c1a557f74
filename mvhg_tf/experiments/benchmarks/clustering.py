"""Seconds an epoch of VaDE with each prior (docs/benchmark_clustering.md).

bin/benchmark clustering --output=docs/benchmark_clustering.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mvhg_tf.experiments import command_line
from mvhg_tf.terminal import quiet_imports


def _run(argv: Sequence[str] | None) -> None:
    parser = command_line.Parser(
        prog="benchmark clustering",
        description="Measures the seconds of an epoch of VaDE with each prior, and of "
        "a plain Keras autoencoder of the same layers.",
    )
    parser.add_argument(
        "--output", default="benchmark_clustering.md", help="the Markdown file"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier --output"
    )
    parser.add_argument(
        "--rounds",
        type=command_line.integer(1, 1000),
        default=9,
        help="measurements of each thing; their median counts",
    )
    parser.add_argument(
        "--samples",
        type=command_line.integer(128, 1_000_000),
        default=8000,
        help="samples of an epoch",
    )
    flags = parser.parse_args(argv)
    command_line.check_output_file(flags.output, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.experiments.benchmarks import clustering_timings
    text = clustering_timings.run(flags.rounds, flags.samples)
    Path(flags.output).write_text(text, encoding="utf-8")
    print(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    return command_line.run_program(_run, argv)
