"""`dlib_visualize_model`."""

import sys

from mvhg_tf.programs.absl_program import Program


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Draws what a trained model has learned.",
        "mvhg_tf.disentanglement.steps.visualize",
        _visualize,
    )
    program.define_string("model_dir", "Folder of the trained model.", required=True)
    program.define_string("output_dir", "Folder for the pictures.", required=True)
    program.define_gin()
    program.run(sys.argv[1:])


def _visualize(visualize, flags) -> None:
    visualize.visualize_model_with_gin(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
