"""Pictures of what a VaDE found.

Each function returns a `matplotlib.figure.Figure`; nothing is shown or written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mvhg_tf.clustering.evaluation import Evaluation, in_class_order

_TRUE_COLOR = "#4477aa"
_LEARNED_COLOR = "#ee7733"
_CELL = 0.6  # inches a sample


def confusion_figure(evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """Classes against clusters, in the order of the classes they are named after."""
    order = in_class_order(evaluation.class_of_cluster)
    counts = evaluation.confusion[:, order]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    width = 2.0 + 0.5 * counts.shape[1]
    figure = Figure(figsize=(width, 1.5 + 0.45 * len(classes)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, label="share of the class")
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            color = "white" if shares[row, column] > 0.6 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color, size=8)
    axes.set_xticks(range(len(order)), order)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("cluster")
    axes.set_ylabel("true class")
    axes.set_title(f"Test part: accuracy {100 * evaluation.scores['accuracy']:.1f} %")
    return figure


def proportions_figure(evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """Learned proportions beside the true ones of each class (paper, figure 3).

    Without classes, beside the assigned shares of each cluster.
    """
    count = len(classes) or len(evaluation.learned_proportions)
    figure = Figure(figsize=(2.0 + 0.6 * count, 3.6), layout="constrained")
    axes = figure.subplots()
    if not classes:
        assigned, learned = (
            evaluation.assigned_proportions,
            (evaluation.learned_proportions),
        )
        draw_proportions(
            axes, assigned, learned, [str(k) for k in range(count)], name="assigned"
        )
        axes.set_xlabel("cluster")
        return figure
    draw_proportions(
        axes,
        evaluation.class_proportions,
        evaluation.by_class(evaluation.learned_proportions),
        classes,
    )
    axes.set_title(f"Total variation {evaluation.total_variation:.3f}")
    return figure


def draw_proportions(
    axes: matplotlib.axes.Axes,
    true: np.ndarray,
    learned: np.ndarray,
    classes: Sequence[str],
    spread: np.ndarray | float = 0.0,
    name: str = "true",
) -> None:
    """Two bars for each class.

    Args:
      axes: to draw into.
      true: proportions of the classes, `[classes]`.
      learned: proportions of the clusters named after them, `[classes]`.
      classes: their names.
      spread: of the learned ones, drawn as error bars, `[classes]`; 0 for none.
      name: of the proportions that the learned ones stand beside.
    """
    places = np.arange(len(classes))
    axes.bar(places - 0.2, true, 0.4, color=_TRUE_COLOR, label=name)
    axes.bar(places + 0.2, learned, 0.4, color=_LEARNED_COLOR, label="learned")
    if np.any(spread):
        axes.errorbar(places + 0.2, learned, spread, fmt="none", color="black")
    axes.set_xticks(places, classes)
    axes.set_xlabel("class")
    axes.set_ylabel("proportion")
    axes.set_ylim(0, 1.25 * max(np.max(true), np.max(learned + spread)))
    axes.legend(loc="upper right", ncols=2, frameon=False)


def samples_figure(
    samples: np.ndarray, class_of_cluster: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Samples of each cluster in a row.

    Args:
      samples: `[K, n, ...]`; `[h, w]` and `[h, w, 3]` are drawn as images, others as
        one line of their features.
      class_of_cluster: `[K]`, as of `Evaluation`.
      classes: their names.
    """
    images = np.clip(_as_images(samples), 0.0, 1.0)
    order = in_class_order(class_of_cluster)
    size = (_CELL * images.shape[1] + 1.4, _CELL * images.shape[0] + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(*images.shape[:2], squeeze=False)
    for row, cluster in zip(axes, order, strict=True):
        label = class_of_cluster[cluster]
        name = classes[label] if label >= 0 else "none"
        row[0].set_ylabel(
            f"{cluster} ({name})", rotation=0, ha="right", va="center", size=9
        )
        for axis, image in zip(row, images[cluster], strict=True):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=1, aspect="auto")
            axis.set_xticks([])
            axis.set_yticks([])
    figure.suptitle("Samples of each cluster (and the class it is named after)", size=9)
    return figure


def embedding_figure(
    points: np.ndarray,
    labels: np.ndarray | None,
    clusters: np.ndarray,
    class_of_cluster: np.ndarray,
    classes: Sequence[str],
    method: str,
) -> Figure:
    """The embeddings in the plane, coloured by their true class and by their cluster.

    Without labels, by their cluster alone.

    Args:
      points: `[n, 2]`.
      labels: `[n]`, or None.
      clusters: `[n]`.
      class_of_cluster: `[K]`; a cluster has the colour of its class.
      classes: their names.
      method: how the points were found, for the title.
    """
    if labels is None:
        panels = [("cluster", clusters)]
        classes = [str(cluster) for cluster in range(len(class_of_cluster))]
    else:
        named = class_of_cluster[clusters]
        panels = [
            ("true class", labels),
            ("cluster, in the colour of its class", named),
        ]
    width = 1 + 5 * len(panels)
    figure = Figure(figsize=(width, 5), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    figure.suptitle(f"Embeddings of the test part, {method}")
    colors = matplotlib.colormaps["tab10" if len(classes) <= 10 else "turbo"]
    scale = 1 if len(classes) <= 10 else 1 / (len(classes) - 1)
    for axis, (title, values) in zip(axes, panels, strict=True):
        for label in (-1, *range(len(classes))):
            chosen = points[values == label]
            color = "lightgray" if label < 0 else colors(label * scale)
            name = "none" if label < 0 else classes[label]
            if len(chosen):
                axis.scatter(*chosen.T, s=5, color=color, label=name, linewidths=0)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    handles, names = axes[0].get_legend_handles_labels()
    columns = math.ceil(len(names) / 20)
    figure.legend(
        handles, names, loc="outside right", markerscale=3, frameon=False, ncols=columns
    )
    return figure


def _as_images(samples: np.ndarray) -> np.ndarray:
    shape = samples.shape[2:]
    if len(shape) == 3 and shape[-1] == 1:
        return samples[..., 0]
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] == 3):
        return samples
    return samples.reshape(*samples.shape[:2], 1, -1)
