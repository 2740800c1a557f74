"""`dlib_udr`: ranks trained models by how well they agree, without labels."""

import glob
import json
import os
import types
from collections.abc import Sequence

from mvhg_tf.programs.dlib_evaluate import add_pattern, score
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end, sibling
from mvhg_tf.programs.flags.score_table import results_path

_EXAMPLE = """\
dlib_udr --model_dirs='output/*/model' --output_dir=ranking \\
  --gin_bindings='dataset.name = "auto"' \\
  --gin_bindings='evaluation.evaluation_fn = @udr_sklearn' \\
  --gin_bindings='evaluation.random_seed = 0' \\
  --gin_bindings='udr_sklearn.batch_size = 100' \\
  --gin_bindings='udr_sklearn.num_data_points = 10000'"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_udr",
        "Ranks trained models by how well each agrees with the others; needs no "
        "labels.",
        _rank,
        _EXAMPLE,
    )
    program.add_list(
        "model_dirs",
        "folders of the trained models, or patterns, separated by commas",
        str,
        required=True,
    )
    program.add_output_dir("folder for the scores", required=True)
    add_pattern(program)
    program.add_gin()
    return program.run(argv)


def _rank(flags: types.SimpleNamespace) -> None:
    given = [path for paths in flags.model_dirs for path in paths.split(",") if path]
    model_dirs = []
    for path in map(os.path.expanduser, given):
        model_dirs += sorted(glob.glob(path)) or [path]
    best = [_print_ranking(folder) for folder in score(model_dirs, flags)]
    print_end(
        f"The scores are in {flags.output_dir}.",
        *(
            command(
                "dlib_visualize_model",
                {
                    "model_dir": model_dir,
                    "output_dir": sibling(model_dir, "_pictures"),
                    "import": getattr(flags, "import"),
                },
            )
            for model_dir in dict.fromkeys(best)
            if model_dir is not None
        ),
    )


def _print_ranking(folder: str) -> str | None:
    """Prints what an evaluation found, and returns the folder of the best model."""
    path = results_path(folder, "evaluation")
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    if "model_scores" not in results:
        print(f"The metric of {folder} ranks no models; its results are in {path}.\n")
        return None
    ranking = sorted(
        zip(results["model_scores"], results["model_dirs"], strict=True),
        key=lambda item: -item[0],
    )
    for model_score, model_dir in ranking:
        print(f"{model_score:.4f}  {model_dir}")
    print()
    return ranking[0][1]
