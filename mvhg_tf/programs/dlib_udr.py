"""`dlib_udr`: ranks trained models by one another, without labels."""

import glob
import json
import os
import types
from collections.abc import Sequence

from mvhg_tf.programs.dlib_evaluate import add_pattern, score
from mvhg_tf.programs.flags.command_line import Program

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
        "Ranks trained models, without labels, by how far each agrees with the others.",
        _rank,
        _EXAMPLE,
    )
    program.add_list(
        "model_dirs",
        "folders of the trained models, or patterns of them, with commas between",
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
    for folder in score(model_dirs, flags):
        _print_ranking(folder)


def _print_ranking(folder: str) -> None:
    path = os.path.join(folder, "results", "json", "evaluation_results.json")
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    if "model_scores" not in results:
        print(f"The metric of {folder} ranks no models; what it gave is in {path}.")
        return
    ranking = zip(results["model_scores"], results["model_dirs"], strict=True)
    for model_score, model_dir in sorted(ranking, key=lambda item: -item[0]):
        print(f"{model_score:.4f}  {model_dir}")
    print(f"The scores are in {path}.")
