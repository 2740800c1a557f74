"""`dlib_evaluate`: one metric, or all that the files of a pattern configure."""

import glob
import os
import sys

from mvhg_tf.disentanglement.programs._run import Program
from mvhg_tf.errors import UserError
from mvhg_tf.progress import ProgressBar
from mvhg_tf.run_directory import AlreadyFinished


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Computes scores of a representation.",
        "mvhg_tf.disentanglement.evaluate",
        _evaluate,
    )
    program.define_string("input_dir", "Folder of the representation.", required=True)
    program.define_string("output_dir", "Folder for the scores.", required=True)
    program.define_string(
        "gin_evaluation_config_glob",
        "Pattern of gin files, such as 'metrics/*.gin': each is one evaluation, in a "
        "folder of its name.",
    )
    program.define_gin()
    program.run(sys.argv[1:])


def _evaluate(evaluate, flags) -> None:
    if flags.gin_evaluation_config_glob is not None:
        _evaluate_all(evaluate, flags)
        return
    evaluate.evaluate_with_gin(
        flags.input_dir,
        flags.output_dir,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
    scores = os.path.join(flags.output_dir, "results", "json")
    print(f"The scores are in {os.path.join(scores, 'evaluation_results.json')}.")


def _evaluate_all(evaluate, flags) -> None:
    """Evaluates every metric; those that are finished already count as done."""
    files = sorted(glob.glob(flags.gin_evaluation_config_glob))
    if not files:
        raise UserError(
            f"No file matches {flags.gin_evaluation_config_glob!r}: check "
            "--gin_evaluation_config_glob."
        )
    finished = []
    progress = ProgressBar(files, desc="evaluation", unit="metric")
    for path in progress:
        metric = os.path.basename(path).removesuffix(".gin")
        progress.set_postfix_str(metric)
        try:
            evaluate.evaluate_with_gin(
                flags.input_dir,
                os.path.join(flags.output_dir, metric),
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
