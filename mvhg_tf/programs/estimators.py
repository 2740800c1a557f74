"""Bias and variance of the gradient estimators, against exact gradients.

Two urns are small enough to enumerate: three groups of 20, 18 of them drawn, with
four losses; and ten groups of one element, five of them drawn, the setting of
SIMPLE's own figure (Ahmed et al., ICLR 2023), with ten random weights and targets.

    python -m mvhg_tf.programs.estimators --output_dir=estimators

writes `estimators.csv`, `estimators.png` and `summary.md`. The figure stands in
docs/distribution.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvhg_tf.programs import command_line
from mvhg_tf.runs.console import quiet_imports

RESULTS = ("estimators.csv", "estimators.png", "summary.md")


def _run(argv: Sequence[str] | None) -> None:
    parser = command_line.Parser(
        prog="estimators",
        description="Bias and variance of the gradient estimators.",
    )
    command_line.add_output_flags(parser, "estimators")
    parser.add_argument(
        "--num_draws",
        type=command_line.integer(100, 1_000_000),
        default=10_000,
        help="draws of each setting and estimator",
    )
    flags = parser.parse_args(argv)
    command_line.prepare_output_dir(flags.output_dir, RESULTS, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.studies.estimators import estimators_report
    print(estimators_report.run(flags.output_dir, flags.num_draws, flags.seed))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the flags `argv` and returns its exit code."""
    return command_line.run_program(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
