"""The figures of the minimal example (the paper's 7 and 8), and the errors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mvhg_tf.studies.legends import legend_below
from mvhg_tf.studies.minimal.weight_learning import OMEGA_2, Learner, true_log_weights

_COLORS = matplotlib.colormaps["viridis"](np.linspace(0, 0.95, len(OMEGA_2)))
_LEGEND = {"title": r"$\omega_2$", "ncols": 5, "fontsize": 7}


def write_figures(
    output_dir: str,
    learners: Sequence[Learner],
    records: Mapping[str, np.ndarray],
    errors: Mapping[str, Sequence[float]],
) -> None:
    """Writes figure_7.png, figure_8.png and recovery.png.

    Args:
      output_dir: the folder.
      learners: the L learners.
      records: of `weight_learning.WeightLearning.train`.
      errors: the error of the recovered log-weights `[10]` for each way of learning.
    """
    for name, figure in (
        ("figure_7", _loss_figure(learners, records)),
        ("figure_8", _weights_figure(learners, records)),
        ("recovery", _recovery_figure(errors)),
    ):
        figure.savefig(os.path.join(output_dir, f"{name}.png"), dpi=110)


def _loss_figure(
    learners: Sequence[Learner], records: Mapping[str, np.ndarray]
) -> Figure:
    figure = Figure(figsize=(10, 3 * len(learners)), layout="constrained")
    axes = figure.subplots(len(learners), 2, sharex=True, sharey=True)
    for index, (row, learner) in enumerate(zip(axes, learners, strict=True)):
        for axis, part in zip(row, ("training", "validation"), strict=True):
            for urn, color in enumerate(_COLORS):
                losses = records[f"{part}_loss"][:, index, urn]
                label = OMEGA_2[urn]
                axis.plot(records["step"], losses, color=color, lw=1, label=label)
            axis.set(title=f"{learner}: {part} loss", xlabel="step", yscale="log")
    axes[0, 0].legend(**_LEGEND)
    return figure


def _weights_figure(
    learners: Sequence[Learner], records: Mapping[str, np.ndarray]
) -> Figure:
    """As learned (solid), and the truth with the same mean (dotted)."""
    figure = Figure(figsize=(13, 3.2 * len(learners)), layout="constrained")
    axes = figure.subplots(len(learners), 3, sharex=True, sharey=True)
    truth = true_log_weights()
    for index, (row, learner) in enumerate(zip(axes, learners, strict=True)):
        log_weights = records["log_weights"][:, index]
        offset = log_weights[-1].mean(-1) - truth.mean(-1)
        for group, axis in enumerate(row):
            for urn, color in enumerate(_COLORS):
                path = log_weights[:, urn, group]
                label = OMEGA_2[urn]
                axis.plot(records["step"], path, color=color, lw=1, label=label)
                level = truth[urn, group] + offset[urn]
                axis.axhline(level, color=color, lw=0.8, ls=":")
            axis.set(
                title=f"{learner}: class {group + 1}",
                xlabel="step",
                ylabel=rf"$\log\,\omega_{group + 1}$",
            )
    axes[0, 1].legend(
        **_LEGEND | {"title": r"$\omega_2$ (dotted: the truth)"}, loc="lower right"
    )
    return figure


def _recovery_figure(errors: Mapping[str, Sequence[float]]) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.subplots()
    for (name, values), marker in zip(errors.items(), "osD^v", strict=False):
        axis.plot(OMEGA_2, values, marker=marker, lw=1, label=name)
    axis.set(
        yscale="log",
        xlabel=r"$\omega_2$",
        ylabel="largest error of the centred log-weights",
        xticks=OMEGA_2,
    )
    legend_below(figure, axis)
    return figure
