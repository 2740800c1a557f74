"""`dlib_postprocess`."""

import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end, sibling
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError

_EXAMPLE = """\
dlib_postprocess --model_dir=results/hgvae --output_dir=results/hgvae_mean \\
  --gin_config=postprocess_mean.gin"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_postprocess",
        "Extracts the representation from a trained model.",
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
    print_end(
        f"The representation is in {flags.output_dir}.",
        command(
            "dlib_evaluate",
            {
                "input_dir": flags.output_dir,
                "output_dir": sibling(flags.output_dir, "_scores"),
                "gin_evaluation_config_glob": _metrics_for(flags.output_dir),
                "import": getattr(flags, "import"),
            },
        ),
    )


def _metrics_for(representation_dir: str) -> str:
    """A pattern that matches our gin files for metrics of such data and models."""
    from mvhg_tf.disentanglement.steps.saved_model import bound_value

    name = bound_value(representation_dir, "postprocess", "dataset.name")
    if name == "pairs":  # whose factors are not known
        return "metrics_without_factors/*.gin"
    try:
        bound_value(representation_dir, "train", "dynamics.k")
    except UserError:  # it was not trained on pairs
        return "metrics_quick/[dm]*.gin"
    return "metrics_quick/*.gin"
