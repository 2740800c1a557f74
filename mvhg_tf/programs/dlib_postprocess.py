"""`dlib_postprocess`."""

import sys

from mvhg_tf.programs.absl_program import Program


def main(name: str) -> None:
    """Runs the program under the name of its script."""
    program = Program(
        name,
        "Extracts a representation from a trained model.",
        "mvhg_tf.disentanglement.steps.postprocess",
        _postprocess,
    )
    program.define_string("model_dir", "Folder of the trained model.", required=True)
    program.define_string("output_dir", "Folder for the representation.", required=True)
    program.define_gin()
    program.run(sys.argv[1:])


def _postprocess(postprocess, flags) -> None:
    postprocess.postprocess_with_gin(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        list(flags.gin_config),
        list(flags.gin_bindings),
    )
    print(f"The representation is in {flags.output_dir}.")
