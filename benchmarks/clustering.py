"""Seconds an epoch of VaDE with each prior (docs/benchmark_clustering.md).

bin/benchmark clustering --output=docs/benchmark_clustering.md
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import programs
from mvhg_tf.programs import command_line
from mvhg_tf.runs.console import quiet_imports


def _run(argv: Sequence[str] | None) -> None:
    parser = programs.make_parser(
        "clustering",
        "Measures the seconds of an epoch of VaDE with each prior, and of a plain "
        "Keras autoencoder of the same layers.",
    )
    parser.add_argument(
        "--samples",
        type=command_line.integer(128, 1_000_000),
        default=8000,
        help="samples of an epoch",
    )
    flags = programs.parse(parser, argv)
    with quiet_imports():
        from benchmarks import clustering_timings
    text = clustering_timings.run(flags.rounds, flags.samples)
    programs.write(text, flags.output)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    return command_line.run_program(_run, argv)
