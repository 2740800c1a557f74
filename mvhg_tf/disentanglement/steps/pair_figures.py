"""Pictures of what a weakly supervised model learned.

Each function returns a `matplotlib.figure.Figure`; nothing is shown or written.
"""

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.models.shared import reconstruction
from mvhg_tf.disentanglement.models.shared.reconstruction import Activation
from mvhg_tf.disentanglement.sources.pairs import Dynamics, ImagePairs, sample_pairs
from mvhg_tf.disentanglement.steps.saved_model import Representation

_CELL = 0.9  # inches an image
_TRUTH_COLOR = "#d1495b"
_ESTIMATE_COLOR = "#30638e"


def pairs_figure(
    dataset: GroundTruthData,
    model: Representation,
    random_state: np.random.RandomState,
    activation: Activation,
) -> Figure:
    """Pairs that differ in ever more factors, each image above its reconstruction.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      model: trained on pairs.
      random_state: of the pairs.
      activation: from logits to pixels, "logits" or "tanh".
    """
    num_factors = dataset.num_factors
    drawn = [
        sample_pairs(dataset, 1, random_state, Dynamics(k, "exact"))
        for k in range(num_factors + 1)
    ]
    pairs = ImagePairs(*(np.concatenate(field) for field in zip(*drawn, strict=True)))
    outputs = model.pair(pairs.images_1, pairs.images_2, pairs.labels)
    rows = [
        ("view 1", pairs.images_1),
        ("reconstruction", _pixels(model.decode(outputs.mean_1), activation)),
        ("view 2", pairs.images_2),
        ("reconstruction", _pixels(model.decode(outputs.mean_2), activation)),
    ]
    figure, axes = _image_grid(len(rows), num_factors + 1, left=1.4, top=0.95)
    for row, (name, images) in zip(axes, rows, strict=True):
        _label_row(row[0], name)
        for axis, image in zip(row, images, strict=True):
            _show(axis, image)
    for column, axis in enumerate(axes[0]):
        axis.set_title(f"k = {pairs.k[column]}\n$\\hat{{k}}$ = {outputs.k_hat[column]}")
    figure.suptitle("Pairs: k factors differ, the model counts k̂ independent latents")
    return figure


def traversals_figure(
    dataset: GroundTruthData,
    model: Representation,
    random_state: np.random.RandomState,
    activation: Activation,
    num_values: int = 9,
) -> Figure:
    """What each latent does: one image, one latent changed along each row.

    The rows are in the order of how much the latent varies over the images, from
    most to least; a latent that does not vary does nothing.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      model: any trained model.
      random_state: of the image.
      activation: from logits to pixels, "logits" or "tanh".
      num_values: images a row.
    """
    means, _ = model.encode(dataset.sample_observations(256, random_state))
    spread = means.std(axis=0)
    order = np.argsort(-spread)
    values = np.linspace(-2, 2, num_values)
    figure, axes = _image_grid(len(order), num_values, left=1.6, top=0.6, bottom=0.35)
    for row, latent in zip(axes, order, strict=True):
        latents = np.repeat(means[:1], num_values, axis=0)
        latents[:, latent] = values
        _label_row(row[0], f"latent {latent}\nspread {spread[latent]:.2f}")
        images = _pixels(model.decode(latents), activation)
        for axis, image in zip(row, images, strict=True):
            _show(axis, image)
    for axis, value in zip(axes[-1], values, strict=True):
        axis.set_xlabel(f"{value:+.1f}")
    figure.suptitle("Traversals: one latent set to the value below, the others kept")
    return figure


def counts_figure(
    dataset: GroundTruthData,
    model: Representation,
    random_state: np.random.RandomState,
    num_pairs: int = 256,
) -> Figure:
    """Histograms of the estimated number of independent latents, for each true k.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      model: trained on pairs.
      random_state: of the pairs.
      num_pairs: for each k.
    """
    true_counts = range(1, dataset.num_factors)
    figure = Figure(figsize=(2.2 * len(true_counts), 2.8), layout="constrained")
    axes = figure.subplots(1, len(true_counts), sharey=True)
    for axis, k in zip(axes, true_counts, strict=True):
        pairs = sample_pairs(dataset, num_pairs, random_state, Dynamics(k, "exact"))
        outputs = model.pair(pairs.images_1, pairs.images_2, pairs.labels)
        counts = np.arange(outputs.shared.shape[-1] + 1)
        share = np.bincount(outputs.k_hat, minlength=len(counts)) / num_pairs
        axis.bar(counts, share, color=_ESTIMATE_COLOR)
        axis.axvline(k, color=_TRUTH_COLOR, linestyle="--")
        axis.set_title(f"k = {k}\nmean k̂ = {outputs.k_hat.mean():.1f}", fontsize=10)
        axis.set_xticks(counts[::2])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of pairs")
    figure.supxlabel("k̂, estimated number of independent latents (dashed: the true k)")
    return figure


def _pixels(logits: np.ndarray, activation: Activation) -> np.ndarray:
    return reconstruction.to_pixels(tf.convert_to_tensor(logits), activation).numpy()


def _image_grid(
    num_rows: int,
    num_columns: int,
    left: float = 0.1,
    top: float = 0.1,
    bottom: float = 0.1,
) -> tuple[Figure, np.ndarray]:
    """A figure of square cells without gaps, and margins in inches."""
    width = left + num_columns * _CELL + 0.1
    height = bottom + num_rows * _CELL + top
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        num_rows,
        num_columns,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - 0.1 / width,
            "bottom": bottom / height,
            "top": 1 - top / height,
            "wspace": 0.05,
            "hspace": 0.05,
        },
    )
    return figure, axes


def _label_row(axis: Axes, text: str) -> None:
    axis.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6)


def _show(axis: Axes, image: np.ndarray) -> None:
    """Draws an image `[H, W, C]`; one channel is grey."""
    axis.imshow(
        image.squeeze(-1) if image.shape[-1] == 1 else image, "gray", vmin=0, vmax=1
    )
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
