"""The paper's first experiment: are our draws Fisher's distribution? (Section 5.1)

Draws from three classes are compared with Kolmogorov-Smirnov tests, over the weight
of class 2 (the paper's Figures 1 and 4), over the number of draws n (Figure 9) and
over the size of class 2 (Figure 10).

    mvhg_ks_test --output_dir=ks_test

writes `ks_test.csv` (every test), `figure_1.png`, `figure_4.png`, `figure_9.png`,
`figure_10.png` and `summary.md`. docs/ks_test.md tells what they show.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvhg_tf.programs import command_line
from mvhg_tf.runs.console import quiet_imports

RESULTS = (
    "ks_test.csv",
    "figure_1.png",
    "figure_4.png",
    "figure_9.png",
    "figure_10.png",
    "summary.md",
)


def _parse(argv: Sequence[str] | None):
    parser = command_line.Parser(
        prog="mvhg_ks_test", description=__doc__.split("\n")[0]
    )
    command_line.add_output_flags(parser, "mvhg_ks_test")
    parser.add_argument(
        "--num_draws",
        type=command_line.integer(100, 10_000_000),
        default=50_000,
        help="draws of each urn and sampler",
    )
    return parser.parse_args(argv)


def _run(argv: Sequence[str] | None) -> None:
    flags = _parse(argv)
    command_line.prepare_output_dir(flags.output_dir, RESULTS, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.studies.ks import ks_report
    print(ks_report.run(flags.output_dir, flags.num_draws, flags.seed))
    print(f"The figures and ks_test.csv are in {flags.output_dir}.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the flags `argv` and returns its exit code."""
    return command_line.run_program(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
