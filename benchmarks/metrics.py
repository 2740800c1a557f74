"""Seconds of the metrics with either kind of trees (docs/benchmark_metrics.md).

bin/benchmark metrics --output=docs/benchmark_metrics.md
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import programs
from mvhg_tf.programs import command_line
from mvhg_tf.runs.console import quiet_imports


def _run(argv: Sequence[str] | None) -> None:
    parser = programs.make_parser(
        "metrics",
        "Measures the seconds of each metric of the library's unsupervised study, as "
        "the library computes it and as it is here, and compares the scores of DCI "
        "over seeds. At full size it takes a quarter of an hour.",
        rounds=1,
    )
    parser.add_argument(
        "--points",
        # Fewer would hold too few of a factor's values for the library.
        type=command_line.integer(1000, 1_000_000),
        default=10_000,
        help="points to train on; half as many are tested on",
    )
    parser.add_argument(
        "--seeds",
        type=command_line.integer(2, 1000),
        default=5,
        help="seeds over which scores of DCI are compared",
    )
    parser.add_argument(
        "--seed_points",
        type=command_line.integer(100, 1_000_000),
        default=2000,
        help="points to train on for each of the seeds",
    )
    flags = programs.parse(parser, argv)
    with quiet_imports():
        from benchmarks import metric_timings
    text = metric_timings.run(
        flags.rounds, flags.points, flags.seeds, flags.seed_points
    )
    programs.write(text, flags.output)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    return command_line.run_program(_run, argv)
