"""Legends that stand beside the panels, so that they are whole and hide nothing."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def legend_below(figure: Figure, axis: Axes, title: str = "") -> None:
    """Names the lines of a panel under all panels, in as many columns as fit.

    Args:
      figure: of the constrained layout.
      axis: the panel.
      title: of the legend.
    """
    handles, labels = axis.get_legend_handles_labels()
    if not labels:
        return
    entry = 0.6 + 0.09 * max(map(len, labels))  # inches, with the line and a gap
    columns = max(1, min(len(labels), int(figure.get_figwidth() / entry)))
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        title=title or None,
        fontsize=9,
    )
