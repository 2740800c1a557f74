"""Pictures of what a weakly supervised model learned.

`write_figures` writes all; each other function returns a `matplotlib.figure.Figure`.
"""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.models.shared import reconstruction
from mvhg_tf.disentanglement.models.shared.reconstruction import Activation
from mvhg_tf.disentanglement.sources.any_pairs import AnyPairs, any_pairs
from mvhg_tf.disentanglement.sources.pairs import Dynamics, sample_pairs
from mvhg_tf.disentanglement.steps.saved_model import Representation

_CELL = 0.9  # inches an image
_NUM_LISTED = 8  # pairs shown of those that are given
_TRUTH_COLOR = "#d1495b"
_ESTIMATE_COLOR = "#30638e"


def write_figures(
    dataset: GroundTruthData, model: Representation, activation: Activation, folder: str
) -> list[str]:
    """Draws `pairs.png`, `traversals.png` and `counts.png`.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`; its factors need not be known.
      model: trained on pairs.
      activation: from logits to pixels, "logits" or "tanh".
      folder: gets the figures; it is made.

    Returns:
      The figures' paths.
    """
    if isinstance(dataset, ListedPairs):
        _, dataset = dataset.split()
    random_state = np.random.RandomState(0)
    figures = {
        "pairs": pairs_figure(dataset, model, random_state, activation),
        "traversals": traversals_figure(dataset, model, random_state, activation),
        "counts": counts_figure(dataset, model, random_state),
    }
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        figure.savefig(paths[-1], dpi=110)
    return paths


def pairs_figure(
    dataset: GroundTruthData,
    model: Representation,
    random_state: np.random.RandomState,
    activation: Activation,
) -> Figure:
    """Pairs: each image above its reconstruction, and the latents that differ.

    If pairs can be drawn, they differ in more and more factors; listed pairs are chosen
    at random. Above each pair are k, if it is known, and k_hat; below are the names of
    the factors that differ, and a row of cells: the latents, dark where they differ.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      model: trained on pairs.
      random_state: of the pairs.
      activation: from logits to pixels, "logits" or "tanh".
    """
    pairs = _some_pairs(dataset, random_state)
    outputs = model.pair(pairs.images_1, pairs.images_2, pairs.labels)
    rows = [
        ("view 1", pairs.images_1),
        ("reconstruction", _pixels(model.decode(outputs.mean_1), activation)),
        ("view 2", pairs.images_2),
        ("reconstruction", _pixels(model.decode(outputs.mean_2), activation)),
    ]
    names = _names_of_differing(dataset, pairs)
    num = len(pairs.labels)
    bottom = 0.3 + 0.13 * max(text.count("\n") + 1 for text in names)
    figure, axes = _image_grid(len(rows), num, left=1.4, top=0.95, bottom=bottom + 0.2)
    for row, (name, images) in zip(axes, rows, strict=True):
        _label_row(row[0], name)
        for axis, image in zip(row, images, strict=True):
            _show(axis, image)
    for column, axis in enumerate(axes[0]):
        truth = "" if pairs.k is None else f"k = {pairs.k[column]}\n"
        axis.set_title(f"{truth}$\\hat{{k}}$ = {outputs.k_hat[column]}")
        _mark_latents(axes[-1, column], ~outputs.shared[column])
        axes[-1, column].set_xlabel(names[column], fontsize=6.5, labelpad=14)
    axes[-1, 0].text(
        -0.1,
        -0.14,
        "latents that differ",
        transform=axes[-1, 0].transAxes,
        ha="right",
        va="center",
        fontsize=8,
    )
    figure.suptitle("Pairs: the model counts k̂ latents that differ")
    return figure


def _some_pairs(
    dataset: GroundTruthData, random_state: np.random.RandomState
) -> AnyPairs:
    """One pair for each k, or, of listed pairs, some."""
    if isinstance(dataset, ListedPairs):
        return next(any_pairs(dataset, _NUM_LISTED, random_state, _NUM_LISTED))
    parts = []
    for k in numbers_that_occur(dataset):
        drawn = sample_pairs(dataset, 1, random_state, Dynamics(k, "exact"))
        parts.append(
            AnyPairs(
                drawn.images_1, drawn.images_2, drawn.labels, drawn.k, ~drawn.shared
            )
        )
    return AnyPairs(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def numbers_that_occur(dataset: GroundTruthData) -> list[int]:
    """How many factors can differ in a pair of a data set whose factors are known."""
    varying = int(np.sum(np.asarray(dataset.factors_num_values) > 1))
    if not isinstance(dataset, ImageTable):
        return list(range(varying + 1))
    return [k for k in range(varying + 1) if dataset.has_pairs(k)]


def _names_of_differing(dataset: GroundTruthData, pairs: AnyPairs) -> list[str]:
    """The names of the factors that differ in each pair, a line each; "" if unknown."""
    if pairs.differing is None:
        return [""] * len(pairs.labels)
    names = factor_names(dataset)
    return [
        "\n".join(name for name, differs in zip(names, row, strict=True) if differs)
        for row in pairs.differing
    ]


def factor_names(dataset: GroundTruthData) -> list[str]:
    """The data's own, or "factor 0" and so on."""
    own = getattr(dataset, "factor_names", None)
    return list(own or [f"factor {i}" for i in range(dataset.num_factors)])


def _mark_latents(below: Axes, differs: np.ndarray) -> None:
    """Draws a row of cells under an image, dark where a latent differs."""
    axis = below.inset_axes((0, -0.2, 1, 0.13))
    axis.imshow(differs[None], "Greys", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(np.arange(len(differs) + 1) - 0.5, [])
    axis.set_yticks([])
    axis.grid(axis="x", color="#b0b0b0", linewidth=0.5)
    axis.tick_params(length=0)


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
    """Histograms of the estimated number of independent latents, for each known k.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      model: trained on pairs.
      random_state: of the pairs.
      num_pairs: for each k; of listed pairs, in all.
    """
    found = dict(_counts_by_k(dataset, model, random_state, num_pairs))
    figure = Figure(figsize=(max(2.2 * len(found), 3.5), 2.8), layout="constrained")
    axes = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axis, (k, (k_hat, num_latent)) in zip(axes, found.items(), strict=True):
        counts = np.arange(num_latent + 1)
        share = np.bincount(k_hat, minlength=len(counts)) / len(k_hat)
        axis.bar(counts, share, color=_ESTIMATE_COLOR)
        truth = f"{len(k_hat)} pairs"
        if k is not None:
            axis.axvline(k, color=_TRUTH_COLOR, linestyle="--")
            truth = f"k = {k}"
        axis.set_title(f"{truth}\nmean k̂ = {k_hat.mean():.1f}", fontsize=10)
        axis.set_xticks(counts[::2])
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of pairs")
    dashed = "" if None in found else " (dashed: the true k)"
    figure.supxlabel(f"k̂, estimated number of independent latents{dashed}")
    return figure


def _counts_by_k(
    dataset: GroundTruthData,
    model: Representation,
    random_state: np.random.RandomState,
    num_pairs: int,
) -> Iterator[tuple[int | None, tuple[np.ndarray, int]]]:
    """k_hat of pairs, int `[N]`, and the number of latents, for each k; None: unknown.

    Of data whose factors are known, k = 0 and k = F are left out if there are others.
    """
    if isinstance(dataset, ListedPairs):
        (pairs,) = any_pairs(dataset, num_pairs, random_state, num_pairs)
        outputs = model.pair(pairs.images_1, pairs.images_2, pairs.labels)
        num_latent = outputs.shared.shape[1]
        if pairs.k is None:
            yield None, (outputs.k_hat, num_latent)
            return
        for k in np.unique(pairs.k):
            yield int(k), (outputs.k_hat[pairs.k == k], num_latent)
        return
    numbers = numbers_that_occur(dataset)
    for k in [k for k in numbers if 0 < k < dataset.num_factors] or numbers:
        drawn = sample_pairs(dataset, num_pairs, random_state, Dynamics(k, "exact"))
        outputs = model.pair(drawn.images_1, drawn.images_2, drawn.labels)
        yield k, (outputs.k_hat, outputs.shared.shape[1])


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
