"""`dlib_visualize_dataset`."""

import os
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end
from mvhg_tf.runs.console import quiet_imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_visualize_dataset",
        "Draws pictures that show what each factor of a data set does.",
        _visualize,
        "dlib_visualize_dataset --name=arm3d --path=pictures",
    )
    program.add_text(
        "name", "name of the data set, such as arm3d", default="dsprites_full"
    )
    program.add_text(
        "path",
        "folder for the pictures, which go into a subfolder named after the data set",
        default="dataset_visualizations",
    )
    program.add_gin()
    return program.run(argv)


def _visualize(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import visualize
    visualize.visualize_dataset_with_gin(
        flags.name, flags.path, flags.overwrite, flags.gin_config, flags.gin_bindings
    )
    of_data = [text for text in flags.gin_bindings if text.startswith(f"{flags.name}.")]
    print_end(
        f"The pictures are in {os.path.join(flags.path, flags.name)}.",
        command(
            "dlib_train",
            {
                "model_dir": f"vae_{flags.name}",
                "gin_config": "vae_arm3d.gin",
                "gin_bindings": [f'dataset.name = "{flags.name}"', *of_data],
                "import": getattr(flags, "import"),
            },
        ),
    )
