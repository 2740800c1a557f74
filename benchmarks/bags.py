"""Accuracy of learning from label proportions (docs/benchmark_bags.md).

bin/benchmark bags --data=FOLDER --output=docs/benchmark_bags.md
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import programs
from mvhg_tf.programs.flags.command_line import integer
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark on the flags `argv` and returns the exit code."""
    program = programs.make_program(
        "bags",
        "Measures the accuracy of LabelProportionsClassifier with the exact "
        "log-probability of the counts, and with the usual loss. A round is a seed.",
        _run,
        rounds=3,
    )
    program.add_text(
        "data",
        "as mvhg_cluster takes it: digits, mnist, a file or folder",
        str,
        "digits",
    )
    program.add_text("epochs", "passes over the bags", integer(1, 10_000), 40)
    return program.run(argv)


def _run(flags) -> None:
    with quiet_imports():
        from benchmarks import bag_accuracies
    text = bag_accuracies.run(flags.data, flags.rounds, flags.epochs)
    programs.write(text, flags.output)
