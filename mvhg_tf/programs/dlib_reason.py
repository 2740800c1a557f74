"""`dlib_reason`."""

import json
import os
import sys

from mvhg_tf.programs.absl_program import Program


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Trains a network to solve matrices of images, and scores it.",
        "mvhg_tf.disentanglement.reasoning.reason",
        _reason,
    )
    program.define_string("input_dir", "Folder of the representation, if it needs one.")
    program.define_string("output_dir", "Folder for the scores.", required=True)
    program.define_gin()
    program.run(sys.argv[1:])


def _reason(reason, flags) -> None:
    reason.reason_with_gin(
        flags.input_dir or None,
        flags.output_dir,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
    path = os.path.join(
        flags.output_dir, "results", "json", "abstract_reasoning_results.json"
    )
    with open(path, encoding="utf-8") as file:
        scores = json.load(file)
    print(
        f"The test accuracy is {scores['best.test.accuracy']:.3f} after "
        f"{scores['best.test.global_step']} steps, the best of validation (chance: "
        f"0.167); all scores are in {path}."
    )
