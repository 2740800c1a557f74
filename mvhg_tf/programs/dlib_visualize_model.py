"""`dlib_visualize_model`."""

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import list_folders, print_end
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_visualize_model",
        "Draws pictures that show what a trained model has learned.",
        _visualize,
        "dlib_visualize_model --model_dir=results/hgvae --output_dir=pictures",
    )
    program.add_text("model_dir", "folder of the trained model", required=True)
    program.add_output_dir("folder for the pictures", required=True)
    program.add_gin()
    return program.run(argv)


def _visualize(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import visualize
    visualize.visualize_model_with_gin(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )
    print(list_folders(flags.output_dir), end="\n\n")
    print_end(f"The pictures are in {flags.output_dir}.")
