"""The paper's minimal example: learn an urn's weights from draws (appendix B.5.1).

For ten urns of three classes with weights (1, omega_2, 1), omega_2 = 1 .. 10, the
weights are learned from 800 observations by stochastic gradient descent through
draws, with each gradient estimator, and by maximum likelihood.

    mvhg_minimal_example --output_dir=minimal_example

writes `training.csv` (losses and log-weights over the steps), `recovered.csv` (each
urn's weights, their error and the steps needed), `figure_7.png`, `figure_8.png`,
`recovery.png` and `summary.md`. docs/minimal_example.md says what they show.
"""

from __future__ import annotations

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags import experiment_flags
from mvhg_tf.programs.flags.command_line import Program, integer
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError

RESULTS = (
    "training.csv",
    "recovered.csv",
    "figure_7.png",
    "figure_8.png",
    "recovery.png",
    "summary.md",
)
TRAINING_SHARE = 0.8
RECORDS_PER_EPOCH = 8


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "mvhg_minimal_example",
        "Learns an urn's weights from draws (appendix B.5.1 of the paper).",
        _run,
        "mvhg_minimal_example --output_dir=minimal_example",
        experiment_flags.STOPPED,
    )
    experiment_flags.add_experiment_flags(program)
    for name, at_least, default, meaning in (
        (
            "num_samples",
            50,
            1000,
            "observations of each urn, 4/5 of them for training",
        ),
        ("num_epochs", 1, 10, "passes over the training observations"),
        ("batch_size", 1, 1, "observations for each step"),
    ):
        program.add_text(name, meaning, integer(at_least, 1_000_000), default)
    return program.run(argv)


def _run(flags: types.SimpleNamespace) -> None:
    num_training = int(flags.num_samples * TRAINING_SHARE)
    if flags.batch_size * RECORDS_PER_EPOCH > num_training:
        raise UserError(
            f"--batch_size is {flags.batch_size}, but an epoch of {num_training} "
            f"training observations needs at least {RECORDS_PER_EPOCH} steps; give a "
            f"--batch_size of at most {num_training // RECORDS_PER_EPOCH}, or a larger "
            "--num_samples."
        )
    experiment_flags.prepare_output_dir(flags.output_dir, RESULTS, flags.overwrite)
    with quiet_imports():
        from mvhg_tf.studies.minimal import minimal_report
    summary = minimal_report.run(
        flags.output_dir,
        flags.num_samples,
        num_training,
        flags.num_epochs,
        flags.batch_size,
        RECORDS_PER_EPOCH,
        flags.seed,
    )
    experiment_flags.print_results(summary, flags.output_dir, RESULTS)


if __name__ == "__main__":
    raise SystemExit(main())
