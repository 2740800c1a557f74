"""Seconds an epoch of VaDE with each prior (docs/benchmark_clustering.md).

bin/benchmark clustering --output=docs/benchmark_clustering.md
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import programs
from mvhg_tf.programs.flags.command_line import integer
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "clustering",
        "Measures the seconds of an epoch of VaDE with each prior, and of a plain "
        "Keras autoencoder of the same layers.",
        _run,
    )
    program.add_text("samples", "samples of an epoch", integer(128, 1_000_000), 8000)
    return program.run(argv)


def _run(flags) -> None:
    with quiet_imports():
        from benchmarks import clustering_timings
    text = clustering_timings.run(flags.rounds, flags.samples)
    programs.write(text, flags.output)
