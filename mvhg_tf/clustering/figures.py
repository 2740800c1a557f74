"""Pictures of what a VaDE found.

Each function returns a `matplotlib.figure.Figure`; nothing is shown or written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mvhg_tf.clustering.evaluation import Evaluation, in_class_order

_COLORS = {"true": "#4477aa", "learned": "#ee7733", "assigned": "#bbbbbb"}
_CELL = 0.6  # inches a sample


def confusion_figure(evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """Classes against clusters, in the order of the matching classes."""
    order = in_class_order(evaluation.class_of_cluster)
    counts = evaluation.confusion[:, order]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    width = max(4.0, 2.0 + 0.5 * counts.shape[1])  # the title's, at least
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
    """True, learned and assigned proportions of each class (paper, figure 3).

    Without classes, the learned and the assigned ones of each cluster.
    """
    learned, assigned = evaluation.learned_proportions, evaluation.assigned_proportions
    bars = {"learned": learned, "assigned": assigned}
    if classes:
        bars = {name: evaluation.by_class(values) for name, values in bars.items()}
        bars = {"true": evaluation.class_proportions, **bars}
    names = classes or [str(cluster) for cluster in range(len(learned))]
    figure = Figure(figsize=(2.6 + 0.6 * len(names), 3.6), layout="constrained")
    axes = figure.subplots()
    draw_proportions(axes, bars, names)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    axes.set_xlabel("class" if classes else "cluster")
    if classes:
        axes.set_title(f"Total variation {evaluation.total_variation:.3f}")
    return figure


def draw_proportions(
    axes: matplotlib.axes.Axes,
    bars: Mapping[str, np.ndarray],
    names: Sequence[str],
    spreads: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Bars side by side for each class, or cluster.

    Args:
      axes: to draw into; a legend is left to the caller.
      bars: proportions `[N]`; "true", "learned" by the prior, or "assigned".
      names: of the N classes or clusters.
      spreads: for some of the bars, drawn as error bars, `[N]`.
    """
    places = np.arange(len(names))
    width = 0.8 / len(bars)
    for index, (name, values) in enumerate(bars.items()):
        axes.bar(
            places + width * (index + 0.5 - len(bars) / 2),
            values,
            width,
            yerr=(spreads or {}).get(name),
            color=_COLORS[name],
            label=name,
        )
    axes.set_xticks(places, names)
    axes.set_ylabel("proportion")
    axes.set_ylim(bottom=0)


def are_pictures(sample_shape: tuple[int, ...]) -> bool:
    """Whether samples can be drawn: `[h, w]`, or `[h, w, C]` of 1 or 3 channels."""
    return len(sample_shape) == 2 or (
        len(sample_shape) == 3 and sample_shape[2] in (1, 3)
    )


def samples_figure(
    samples: np.ndarray, class_of_cluster: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Samples of each cluster in a row.

    Args:
      samples: pictures, of a shape that `are_pictures` takes, `[K, n, ...]`.
      class_of_cluster: `[K]`, as in `Evaluation`.
      classes: their names.
    """
    images = np.clip(samples, 0.0, 1.0)
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
    figure.suptitle("Samples of each cluster (and the class that it matches)", size=9)
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
    area = float(np.clip(4000 / len(points), 5, 30))  # of a point; few are larger
    for axis, (title, values) in zip(axes, panels, strict=True):
        for label in (-1, *range(len(classes))):
            chosen = points[values == label]
            color = "lightgray" if label < 0 else colors(label * scale)
            name = "none" if label < 0 else classes[label]
            if len(chosen):
                axis.scatter(*chosen.T, s=area, color=color, label=name, linewidths=0)
        axis.set_title(title)
        axis.set_xticks([])
        axis.set_yticks([])
    named = {}
    for axis in axes:
        handles, labels_of_panel = axis.get_legend_handles_labels()
        named |= dict(zip(labels_of_panel, handles, strict=True))
    figure.legend(
        named.values(),
        named,
        loc="outside right",
        markerscale=2,
        frameon=False,
        ncols=math.ceil(len(named) / 20),
    )
    return figure
