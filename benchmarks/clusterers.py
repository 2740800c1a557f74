"""Accuracy of clusterers with their defaults (docs/benchmark_clusterers.md).

bin/benchmark clusterers --data=FOLDER --output=docs/benchmark_clusterers.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import programs
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "clusterers",
        "Measures the accuracy of VaDEClusterer, k-means and Gaussian mixtures with "
        "their defaults. A round is a seed.",
        _run,
        rounds=5,
        stopped="stopped; --output holds what was measured.",
    )
    program.add_text(
        "data", "MNIST, as mvhg_cluster takes it, of which three versions are clustered"
    )
    program.add_text(
        "clustpy_python", "a Python that has ClustPy, to run its VaDE, DEC, DipEncoder"
    )
    return program.run(argv)


def _run(flags) -> None:
    with quiet_imports():
        from benchmarks import clusterer_accuracies
    for text in clusterer_accuracies.measure(
        flags.data, flags.clustpy_python, flags.rounds
    ):
        Path(flags.output).write_text(text, encoding="utf-8")
    print(text)
