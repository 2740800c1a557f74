"""`dlib_train` and its kind, of weakly and semi-supervised models: the same program.

Which models these are is a matter of the gin configuration.
"""

import os
import sys

from mvhg_tf.programs.absl_program import Program
from mvhg_tf.runs import determinism
from mvhg_tf.runs.errors import UserError


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Trains a model as gin files and bindings say.",
        "mvhg_tf.disentanglement.steps.training",
        _train,
    )
    program.define_string("model_dir", "Folder for the trained model.", required=True)
    program.define_string("gin_model_dir", "Folder of the file --gin_file_name.")
    program.define_string("gin_file_name", "One more gin file, in --gin_model_dir.")
    program.define_gin()
    program.define_switch(
        "deterministic",
        "The same seed gives the same weights on this machine, bit for bit; slower on "
        "GPUs.",
    )
    program.run(sys.argv[1:])


def _train(training, flags) -> None:
    files = list(flags.gin_config)
    if (flags.gin_file_name is None) != (flags.gin_model_dir is None):
        raise UserError(
            "--gin_model_dir and --gin_file_name belong together: give both or none."
        )
    if flags.gin_file_name is not None:
        files.append(os.path.join(flags.gin_model_dir, flags.gin_file_name))
    if flags.deterministic:
        determinism.enable()
    training.train_with_gin(
        flags.model_dir, flags.overwrite, files, list(flags.gin_bindings)
    )
    print(f"The trained model is in {flags.model_dir}.")
