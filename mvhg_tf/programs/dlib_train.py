"""`dlib_train`, also under its names for weakly and semi-supervised models.

The gin configuration decides which model is trained.
"""

import os
import sys
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end, sibling
from mvhg_tf.programs.flags.score_table import print_scores
from mvhg_tf.runs import determinism
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError

_OF_PAIRS = """\
NAME --model_dir=hgvae --gin_config=hgvae_arm3d.gin \\
  --gin_bindings='dynamics.k = 4'"""
_EXAMPLES = {
    "dlib_train": _OF_PAIRS,
    "dlib_train_semi_supervised": "NAME --model_dir=s2 --gin_config=s2_vae_arm3d.gin",
    "dlib_train_weakly_supervised": _OF_PAIRS,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    script = os.path.basename(sys.argv[0])
    name = script if script in _EXAMPLES else "dlib_train"
    program = Program(
        name,
        "Trains the model that gin files and bindings describe. The same command "
        "resumes an unfinished training.",
        _train,
        _EXAMPLES[name].replace("NAME", name),
    )
    program.add_text("model_dir", "folder for the trained model", required=True)
    program.add_gin()
    program.add_text("gin_model_dir", "folder of the file --gin_file_name")
    program.add_text("gin_file_name", "name of another gin file, in --gin_model_dir")
    program.add_switch(
        "deterministic",
        "make the weights reproducible bit for bit from the seed, on this machine; "
        "slower on GPUs",
    )
    return program.run(argv)


def _train(flags: types.SimpleNamespace) -> None:
    files = list(flags.gin_config)
    if (flags.gin_file_name is None) != (flags.gin_model_dir is None):
        raise UserError(
            "--gin_model_dir and --gin_file_name belong together: give both or neither."
        )
    if flags.gin_file_name is not None:
        files.append(os.path.join(flags.gin_model_dir, flags.gin_file_name))
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import training
    if flags.deterministic:
        determinism.enable()
    training.train_with_gin(flags.model_dir, flags.overwrite, files, flags.gin_bindings)
    print_scores(flags.model_dir, "train")
    print_end(
        f"The trained model is in {flags.model_dir}.",
        *(
            command(
                program,
                {
                    "model_dir": flags.model_dir,
                    "output_dir": sibling(flags.model_dir, suffix),
                    "gin_config": files,
                    "import": getattr(flags, "import"),
                },
            )
            for program, suffix, files in (
                ("dlib_visualize_model", "_pictures", []),
                ("dlib_postprocess", "_mean", ["postprocess_mean.gin"]),
            )
        ),
    )
