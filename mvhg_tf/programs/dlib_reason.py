"""`dlib_reason`."""

import json
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import print_end
from mvhg_tf.programs.flags.score_table import results_path, score_table
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_reason",
        "Trains a network to solve matrices of images (abstract visual reasoning), and "
        "scores it.",
        _reason,
        "dlib_reason --output_dir=reasoning --gin_config=reasoning.gin",
    )
    program.add_text(
        "input_dir", "folder of the representation, if the network uses one"
    )
    program.add_output_dir("folder for the scores", required=True)
    program.add_gin()
    return program.run(argv)


def _reason(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.reasoning import reason
    reason.reason_with_gin(
        flags.input_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )
    path = results_path(flags.output_dir, "abstract_reasoning")
    with open(path, encoding="utf-8") as file:
        scores = json.load(file)
    print(
        score_table(
            {
                "test accuracy": scores["best.test.accuracy"],
                "validation accuracy": scores["best.val.accuracy"],
                "chance": 1 / 6,
                "steps, at the best validation": scores["best.test.global_step"],
            }
        ),
        end="\n\n",
    )
    print_end(f"All scores are in {path}.")
