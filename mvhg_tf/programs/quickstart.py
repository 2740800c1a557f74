"""The last step of `bin/quickstart`: figures and a table of the scores."""

import json
import os
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.programs.flags.ending import command, print_end
from mvhg_tf.runs.console import quiet_imports

# (metric, key in its results, name, meaning)
_SCORES = [
    ("mig", "discrete_mig", "MIG", "0 to 1, higher is better"),
    ("dci", "disentanglement", "DCI disentanglement", "0 to 1, higher is better"),
    ("dci", "completeness", "DCI completeness", "0 to 1, higher is better"),
    ("dci", "informativeness_test", "DCI informativeness", "test accuracy"),
    (
        "shared_independent_downstream",
        "shared_accuracy",
        "shared factors known",
        "from shared latents; 0 is chance, 1 perfect",
    ),
    (
        "shared_independent_downstream",
        "independent_accuracy",
        "independent factors known",
        "from independent latents; 0 is chance, 1 perfect",
    ),
    ("shared_independent_downstream", "k", "factors that differ", "mean true k"),
    (
        "shared_independent_downstream",
        "k_hat",
        "independent latents",
        "mean estimated k",
    ),
    (
        "shared_independent_downstream",
        "mse_latent_space",
        "MSE of their number",
        "lower is better",
    ),
    (
        "shared_independent_downstream",
        "active_latents",
        "latents in use",
        "that carry information about the images",
    ),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Draws the figures into `<output_dir>/figures`, and prints the scores."""
    program = Program(
        "quickstart",
        "Draws and prints what the model of bin/quickstart has learned.",
        lambda flags: _show(flags.output_dir),
        "python -m mvhg_tf.programs.quickstart --output_dir=quickstart_results",
    )
    program.add_output_dir("folder of `representation` and `scores`", required=True)
    return program.run(argv)


def _show(directory: str) -> None:
    paths = draw_figures(directory)
    print(f"\n{score_table(os.path.join(directory, 'scores'))}\n\nFigures:")
    for path in paths:
        print(f"  {path}")
    print()
    model = os.path.join(directory, "model")
    print_end(
        f"The trained model is in {model}.",
        command(
            "dlib_visualize_model",
            {"model_dir": model, "output_dir": os.path.join(directory, "pictures")},
        ),
        command("dlib_train", {"model_dir": "hgvae", "gin_config": "hgvae_arm3d.gin"}),
    )


def score_table(scores_dir: str) -> str:
    """A line for each score, from the folders that `dlib_evaluate` made."""
    lines = []
    for metric, key, name, meaning in _SCORES:
        path = os.path.join(
            scores_dir, metric, "results", "json", "evaluation_results.json"
        )
        with open(path, encoding="utf-8") as file:
            value = json.load(file)[key]
        number = f"{value:d}" if isinstance(value, int) else f"{value:.3f}"
        lines.append(f"  {name:28}{number:>8}   {meaning}")
    return "\n".join(lines)


def draw_figures(directory: str) -> list[str]:
    """Draws the figures, and returns their paths."""
    with quiet_imports():
        from mvhg_tf.disentanglement.data import named_data
        from mvhg_tf.disentanglement.steps import pair_figures
        from mvhg_tf.disentanglement.steps.saved_model import (
            Representation,
            bound_value,
        )

    folder = os.path.join(directory, "representation")
    return pair_figures.write_figures(
        named_data.get_named_ground_truth_data(
            bound_value(folder, "train", "dataset.name")
        ),
        Representation(folder),
        bound_value(folder, "train", "reconstruction_loss.activation"),
        os.path.join(directory, "figures"),
    )


if __name__ == "__main__":
    raise SystemExit(main())
