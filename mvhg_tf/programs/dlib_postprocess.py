"""`dlib_postprocess`."""

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.runs.console import quiet_imports

_EXAMPLE = """\
dlib_postprocess --model_dir=results/hgvae --output_dir=results/hgvae_mean \\
  --gin_config=postprocess_mean.gin"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_postprocess",
        "Extracts a representation from a trained model.",
        _postprocess,
        _EXAMPLE,
    )
    program.add_text("model_dir", "folder of the trained model", required=True)
    program.add_output_dir("folder for the representation", required=True)
    program.add_gin()
    return program.run(argv)


def _postprocess(flags: types.SimpleNamespace) -> None:
    with quiet_imports():
        from mvhg_tf.disentanglement.steps import postprocess
    postprocess.postprocess_with_gin(
        flags.model_dir,
        flags.output_dir,
        flags.overwrite,
        flags.gin_config,
        flags.gin_bindings,
    )
    print(f"The representation is in {flags.output_dir}.")
