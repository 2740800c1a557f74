"""Seconds of the metrics with either kind of trees (docs/benchmark_metrics.md).

bin/benchmark metrics --output=docs/benchmark_metrics.md
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import programs
from mvhg_tf.programs.flags.command_line import integer
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "metrics",
        "Measures the seconds of each metric of the library's unsupervised study, as "
        "the library computes it and as it is here, and compares the scores of DCI "
        "over seeds. At full size it takes a quarter of an hour.",
        _run,
        rounds=1,
    )
    program.add_text(
        "points",
        "points to train on; half as many are tested on",
        # Fewer would hold too few of a factor's values for the library.
        integer(1000, 1_000_000),
        10_000,
    )
    program.add_text(
        "seeds", "seeds over which scores of DCI are compared", integer(2, 1000), 5
    )
    program.add_text(
        "seed_points",
        "points to train on for each of the seeds",
        integer(100, 1_000_000),
        2000,
    )
    return program.run(argv)


def _run(flags) -> None:
    with quiet_imports():
        from benchmarks import metric_timings
    text = metric_timings.run(
        flags.rounds, flags.points, flags.seeds, flags.seed_points
    )
    programs.write(text, flags.output)
