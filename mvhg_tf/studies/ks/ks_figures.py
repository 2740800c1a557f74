"""The figures of the Kolmogorov-Smirnov experiment (the paper's 1, 4, 9 and 10)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvhg_tf.studies.ks.ks_experiment import Comparison, Sweep, select
from mvhg_tf.studies.legends import legend_below

# One row of each figure; a comparison with the exact cdf has no draws to show.
_SHOWN = (
    Comparison("exact", "exact draws"),
    Comparison("merged", "exact draws"),
    Comparison("merged", "merged draws"),
)
_CLASS_STYLES = (("#4477aa", "o"), ("#cc6677", "s"), ("#228833", "^"))
# An axis of probabilities, linear and including 0, hides nothing that matters here;
# distances span from 0.003 to 0.6.
_DISTANCE_LIMITS = (1e-3, 1.0)
_LABELS = {"omega_2": r"$\omega_2$", "n": "$n$", "m_2": "$m_2$"}


def write_figures(
    output_dir: str,
    sweep: Sweep,
    rows: Sequence[dict],
    draws: Mapping[str, np.ndarray],
) -> None:
    """Writes the figures of one sweep: figure_<number>.png.

    Args:
      output_dir: the folder.
      sweep: the urns.
      rows: the tests, as of `experiment.run_sweep`.
      draws: the draws, as of `experiment.run_sweep`.
    """
    if sweep.parameter == "omega_2":
        figures = {1: _figure_1(sweep, rows, draws), 4: _figure_4(sweep, draws)}
    else:
        figures = {sweep.figure: _ablation_figure(sweep, rows)}
    for number, figure in figures.items():
        figure.savefig(os.path.join(output_dir, f"figure_{number}.png"), dpi=110)


def _figure_1(
    sweep: Sweep, rows: Sequence[dict], draws: Mapping[str, np.ndarray]
) -> Figure:
    figure = Figure(figsize=(13, 10), layout="constrained")
    axes = figure.subplots(len(_SHOWN), 3, width_ratios=(1.3, 1, 1))
    for row, comparison in zip(axes, _SHOWN, strict=True):
        _plot_histograms(row[0], sweep, draws, comparison, group=1)
        row[0].set_title(f"class 2, {comparison}")
        _plot_tests(row[1:], sweep, select(rows, comparison))
    axes[0, 0].legend(title=_LABELS[sweep.parameter], ncols=2, fontsize=8)
    legend_below(figure, axes[0, 2])
    return figure


def _figure_4(sweep: Sweep, draws: Mapping[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(13, 10), layout="constrained")
    axes = figure.subplots(len(_SHOWN), 3)
    for row, comparison in zip(axes, _SHOWN, strict=True):
        for group, axis in enumerate(row):
            _plot_histograms(axis, sweep, draws, comparison, group)
            axis.set_title(f"class {group + 1}, {comparison}", fontsize=10)
    axes[0, 1].legend(title=_LABELS[sweep.parameter], ncols=2, fontsize=8)
    return figure


def _ablation_figure(sweep: Sweep, rows: Sequence[dict]) -> Figure:
    figure = Figure(figsize=(10, 9), layout="constrained")
    axes = figure.subplots(len(_SHOWN), 2)
    for row, comparison in zip(axes, _SHOWN, strict=True):
        _plot_tests(row, sweep, select(rows, comparison))
        row[0].set_title(str(comparison), loc="left")
    legend_below(figure, axes[0, 1])
    return figure


def _plot_histograms(
    axis: Axes,
    sweep: Sweep,
    draws: Mapping[str, np.ndarray],
    comparison: Comparison,
    group: int,
) -> None:
    """Filled steps of our draws, and the reference's as a black line."""
    colors = matplotlib.colormaps["viridis"](np.linspace(0, 0.95, len(sweep.values)))
    for index, value in enumerate(sweep.values):
        ours = draws[comparison.method][index, :, group]
        reference = draws[comparison.reference][index, :, group]
        counts = np.arange(max(ours.max(), reference.max()) + 1)
        shares, reference_shares = (
            np.bincount(x, minlength=len(counts)) / len(x) for x in (ours, reference)
        )
        edges = np.append(counts, len(counts)) - 0.5
        axis.stairs(
            shares, edges, fill=True, color=colors[index], alpha=0.6, label=value
        )
        axis.stairs(reference_shares, edges, color="black", lw=0.5)
    axis.set(xlabel=f"elements of class {group + 1} (black: reference)", ylabel="share")
    axis.margins(x=0)
    axis.set_xlim(left=0)


def _plot_tests(axes: Sequence[Axes], sweep: Sweep, rows: Sequence[dict]) -> None:
    """Distances and corrected p-values of the three classes."""
    for group, (color, marker) in enumerate(_CLASS_STYLES, start=1):
        chosen = [row for row in rows if row["class"] == group]
        for axis, key in zip(
            axes, ("distance", "p_corrected_over_figure"), strict=True
        ):
            axis.plot(
                sweep.values,
                [row[key] for row in chosen],
                color=color,
                marker=marker,
                lw=1,
                label=f"class {group}",
            )
    axes[0].set(yscale="log", ylim=_DISTANCE_LIMITS, ylabel="KS distance")
    axes[1].set(ylim=(-0.03, 1.03), ylabel="corrected p-value")
    axes[1].axhline(0.05, color="black", ls=":", lw=1, label="p = 0.05")
    for axis in axes:
        axis.set_xlabel(_LABELS[sweep.parameter])
        axis.set_xticks(sweep.values)
