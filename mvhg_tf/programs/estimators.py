"""Bias and variance of the gradient estimators, compared with exact gradients.

Two urns are small enough to enumerate: three groups of 20, 18 of them drawn, with
four losses; and ten groups of one element, five of them drawn, the setting of
SIMPLE's own figure (Ahmed et al., ICLR 2023), with ten random weights and targets.

    python -m mvhg_tf.programs.estimators --output_dir=estimators

writes `estimators.csv`, `estimators.png` and `summary.md`. The figure stands in
docs/distribution.md.
"""

from __future__ import annotations

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags import experiment_flags
from mvhg_tf.programs.flags.command_line import Program, integer
from mvhg_tf.runs.console import quiet_imports

RESULTS = ("estimators.csv", "estimators.png", "summary.md")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "estimators",
        "Measures the bias and variance of the gradient estimators.",
        _run,
        "python -m mvhg_tf.programs.estimators --output_dir=estimators",
        experiment_flags.STOPPED,
    )
    experiment_flags.add_experiment_flags(program)
    program.add_text(
        "num_draws",
        "draws for each setting and estimator",
        integer(100, 1_000_000),
        40_000,
    )
    return program.run(argv)


def _run(flags: types.SimpleNamespace) -> None:
    experiment_flags.prepare_output_dir(flags.output_dir, RESULTS, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.studies.estimators import estimators_report
    summary = estimators_report.run(flags.output_dir, flags.num_draws, flags.seed)
    experiment_flags.print_results(summary, flags.output_dir, RESULTS)


if __name__ == "__main__":
    raise SystemExit(main())
