"""`dlib_evaluate`: one metric, or all that the files of a pattern configure."""

import glob
import os
import sys
from collections.abc import Sequence

from mvhg_tf.programs.absl_program import Program
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.progress import ProgressBar
from mvhg_tf.runs.run_directory import AlreadyFinished


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Computes scores of a representation.",
        "mvhg_tf.disentanglement.steps.evaluate",
        lambda evaluate, flags: score(evaluate, flags.input_dir, flags),
    )
    program.define_string("input_dir", "Folder of the representation.", required=True)
    program.define_string("output_dir", "Folder for the scores.", required=True)
    define_pattern(program)
    program.define_gin()
    program.run(sys.argv[1:])


def define_pattern(program: Program) -> None:
    """Defines the flag that `score` takes a pattern of gin files from."""
    program.define_string(
        "gin_evaluation_config_glob",
        "Pattern of gin files, such as 'metrics/*.gin': each is one evaluation, in a "
        "folder of its name.",
    )


def score(evaluate, model_dir: str | Sequence[str], flags) -> list[str]:
    """Does what the flags ask for, and says where the scores are.

    Args:
      evaluate: the module `mvhg_tf.disentanglement.steps.evaluate`.
      model_dir: as its `evaluate_with_gin` takes it.
      flags: `output_dir`, `gin_evaluation_config_glob` and those of gin.

    Returns:
      The folders of the evaluations.
    """
    if flags.gin_evaluation_config_glob is not None:
        return _score_all(evaluate, model_dir, flags)
    evaluate.evaluate_with_gin(
        model_dir,
        flags.output_dir,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
    scores = os.path.join(flags.output_dir, "results", "json")
    print(f"The scores are in {os.path.join(scores, 'evaluation_results.json')}.")
    return [flags.output_dir]


def _score_all(evaluate, model_dir: str | Sequence[str], flags) -> list[str]:
    """Evaluates every metric; those that are finished already count as done."""
    files = sorted(glob.glob(flags.gin_evaluation_config_glob))
    if not files:
        raise UserError(
            f"No file matches {flags.gin_evaluation_config_glob!r}: check "
            "--gin_evaluation_config_glob."
        )
    folders, finished = [], []
    progress = ProgressBar(files, desc="evaluation", unit="metric")
    for path in progress:
        metric = os.path.basename(path).removesuffix(".gin")
        progress.set_postfix_str(metric)
        folders.append(os.path.join(flags.output_dir, metric))
        try:
            evaluate.evaluate_with_gin(
                model_dir,
                folders[-1],
                flags.overwrite,
                [*flags.gin_config, path],
                [f"evaluation.name = {metric!r}", *flags.gin_bindings],
            )
        except AlreadyFinished as error:
            finished.append(error)
    if len(finished) == len(files):
        raise UserError(
            f"All {len(files)} evaluations in {flags.output_dir} are finished: use "
            "--overwrite to replace them, or choose another folder."
        )
    return folders
