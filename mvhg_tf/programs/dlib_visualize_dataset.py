"""`dlib_visualize_dataset`."""

import sys

from mvhg_tf.programs.absl_program import Program


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Draws what each factor of a data set does.",
        "mvhg_tf.disentanglement.steps.visualize",
        _visualize,
    )
    program.define_string(
        "name", "Name of the data set, such as 'arm3d'.", default="dsprites_full"
    )
    program.define_string(
        "path",
        "Folder for the pictures, which go to a folder of the data set's name there.",
        default="dataset_visualizations",
    )
    program.define_gin()
    program.run(sys.argv[1:])


def _visualize(visualize, flags) -> None:
    visualize.visualize_dataset_with_gin(
        flags.name,
        flags.path,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
