"""The paper's first experiment: are our draws Fisher's distribution? (Section 5.1).

Draws from three classes are compared with Kolmogorov-Smirnov tests, over the weight
of class 2 (the paper's Figures 1 and 4), over the number of draws n (Figure 9) and
over the size of class 2 (Figure 10).

    mvhg_ks_test --output_dir=ks_test

writes `ks_test.csv` (every test), `figure_1.png`, `figure_4.png`, `figure_9.png`,
`figure_10.png` and `summary.md`. docs/ks_test.md says what they show.
"""

from __future__ import annotations

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags import experiment_flags
from mvhg_tf.programs.flags.command_line import Program, integer
from mvhg_tf.runs.console import quiet_imports

RESULTS = (
    "ks_test.csv",
    "figure_1.png",
    "figure_4.png",
    "figure_9.png",
    "figure_10.png",
    "summary.md",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "mvhg_ks_test",
        "Tests our draws against Fisher's distribution (section 5.1 of the paper).",
        _run,
        "mvhg_ks_test --output_dir=ks_test",
        experiment_flags.STOPPED,
    )
    experiment_flags.add_experiment_flags(program)
    program.add_text(
        "num_draws", "draws for each urn and sampler", integer(100, 10_000_000), 50_000
    )
    return program.run(argv)


def _run(flags: types.SimpleNamespace) -> None:
    experiment_flags.prepare_output_dir(flags.output_dir, RESULTS, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.studies.ks import ks_report
    summary = ks_report.run(flags.output_dir, flags.num_draws, flags.seed)
    experiment_flags.print_results(summary, flags.output_dir, RESULTS)


if __name__ == "__main__":
    raise SystemExit(main())
