"""`dlib_udr`: ranks trained models by one another, without labels."""

import glob
import json
import os
import sys

from mvhg_tf.programs.absl_program import Program
from mvhg_tf.programs.dlib_evaluate import define_pattern, score


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Ranks trained models, without labels, by how far each agrees with the others.",
        "mvhg_tf.disentanglement.steps.evaluate",
        _rank,
    )
    program.define_string(
        "model_dirs",
        "Folders of the trained models, or patterns of them, with commas between.",
        required=True,
    )
    program.define_string("output_dir", "Folder for the scores.", required=True)
    define_pattern(program)
    program.define_gin()
    program.run(sys.argv[1:])


def _rank(evaluate, flags) -> None:
    given = [path for path in flags.model_dirs.split(",") if path]
    model_dirs = [m for path in given for m in sorted(glob.glob(path)) or [path]]
    for folder in score(evaluate, model_dirs, flags):
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
