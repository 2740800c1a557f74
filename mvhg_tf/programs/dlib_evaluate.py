"""`dlib_evaluate`: one metric, or one for each gin file that matches a pattern."""

import os
import types
from collections.abc import Sequence

from tqdm import tqdm

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end, sibling
from mvhg_tf.programs.flags.score_table import print_scores, results_path
from mvhg_tf.runs import gin_files
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.run_directory import AlreadyFinished

_EXAMPLE = """\
dlib_evaluate --input_dir=results/hgvae_mean --output_dir=results/hgvae_mig \\
  --gin_config=metrics/mig.gin"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_evaluate",
        "Scores a representation with one metric or several.",
        _evaluate,
        _EXAMPLE,
    )
    program.add_text(
        "input_dir",
        "folder of the representation, made by dlib_postprocess",
        required=True,
    )
    program.add_output_dir("folder for the scores", required=True)
    add_pattern(program)
    program.add_gin()
    return program.run(argv)


def _evaluate(flags: types.SimpleNamespace) -> None:
    folders = score(flags.input_dir, flags)
    is_many = flags.gin_evaluation_config_glob is not None
    for folder in folders:
        if is_many:
            print(f"{os.path.basename(folder)}:")
        print_scores(folder, "evaluation")
    parent = flags.output_dir if is_many else os.path.dirname(flags.output_dir)
    where = (
        f"{flags.output_dir}, in a folder for each metric"
        if is_many
        else results_path(flags.output_dir, "evaluation")
    )
    print_end(
        f"The scores are in {where}.",
        command(
            "dlib_aggregate_results",
            {
                "result_file_pattern": os.path.join(
                    parent, "*", "results", "aggregate", "evaluation.json"
                ),
                "output_path": sibling(flags.output_dir, ".json"),
            },
        ),
    )


def add_pattern(program: Program) -> None:
    """Adds the flag for the pattern of gin files, which `score` reads."""
    program.add_text(
        "gin_evaluation_config_glob",
        "pattern of gin files, such as 'metrics/*.gin'; each file is one evaluation, "
        "in a subfolder of that name",
    )


def score(model_dir: str | Sequence[str], flags: types.SimpleNamespace) -> list[str]:
    """Runs the evaluations that the flags ask for.

    Args:
      model_dir: as `evaluate_with_gin` takes it.
      flags: `output_dir`, `gin_evaluation_config_glob` and those of gin.

    Returns:
      The folders of the evaluations.
    """
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import evaluate
    if flags.gin_evaluation_config_glob is not None:
        return _score_all(evaluate, model_dir, flags)
    evaluate.evaluate_with_gin(
        model_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )
    return [flags.output_dir]


def _score_all(
    evaluate: types.ModuleType,
    model_dir: str | Sequence[str],
    flags: types.SimpleNamespace,
) -> list[str]:
    """Evaluates every metric, except those that are finished already."""
    files = gin_files.find_all(flags.gin_evaluation_config_glob)
    if not files:
        raise UserError(
            f"No file matches {flags.gin_evaluation_config_glob!r}: check "
            "--gin_evaluation_config_glob."
        )
    folders, finished = [], []
    progress = tqdm(files, desc="evaluation", unit="metric")
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
