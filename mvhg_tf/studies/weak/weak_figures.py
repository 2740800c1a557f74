"""The figures of the weakly supervised study (the paper's 2, 11 and 13, and ours).

Each takes numbers alone. A point that isn't known is None and not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvhg_tf.studies.jobs.report_parts import Spread
from mvhg_tf.studies.legends import legend_below

# A line for each name; the y of a point is a `Spread` over the seeds.
Lines = Mapping[str, Sequence[Spread | None]]
Curve = tuple[np.ndarray, np.ndarray]  # steps [T] and values [T]

_STYLES: dict[str, dict[str, Any]] = {
    "LabelVAE": {"color": "#4477aa", "marker": "o"},
    "AdaVAE": {"color": "#cc6677", "marker": "s"},
    "HGVAE": {"color": "#228833", "marker": "D"},
    "SubsetVAE": {"color": "#aa4499", "marker": "v"},
    "DRPM-VAE": {"color": "#ee8866", "marker": "P"},
    "HGVAE as in the paper": {"color": "#999933", "marker": "^", "ls": "--"},
}
_ORDERED_COLORS = ("#88ccee", "#4477aa", "#222255")
_REFERENCE: dict[str, Any] = {"color": "black", "lw": 1}
_LATENT_SPACE = "$s$ in latent space"


def counts_figure(
    shared: Sequence[int],
    latent_space: Lines,
    factor_space: Lines,
    s_hat: Lines,
    num_factors: int,
    num_latents: int,
) -> Figure:
    """The paper's Figure 2 in both senses of s, and s_hat itself.

    Args:
      shared: S values of s, the number of shared factors.
      latent_space: of each method the MSE of s = d - k at each s `[S]`.
      factor_space: the same of s = F - k.
      s_hat: of each method the mean estimate at each s `[S]`.
      num_factors: F.
      num_latents: d.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axis, lines, title in (
        (left, latent_space, "in latent space"),
        (middle, factor_space, "in factor space"),
    ):
        _plot_spreads(axis, shared, lines)
        axis.set(title=title, ylabel=r"MSE$(s, \hat s)$", ylim=(0, None))
    _plot_spreads(right, shared, s_hat)
    offset = num_latents - num_factors
    ends = np.array([shared[0], shared[-1]])
    right.plot(ends, ends + offset, **_REFERENCE, ls=":", label=_LATENT_SPACE)
    right.plot(ends, ends, **_REFERENCE, ls="--", label="$s$ in factor space")
    right.set(title="the estimate", ylabel=r"mean $\hat s$", ylim=(0, num_latents + 1))
    for axis in (left, middle, right):
        axis.set_xlabel("number of shared factors $s$")
        axis.set_xticks(shared)
    legend_below(figure, right)
    return figure


def confusion_figure(tables: Mapping[tuple[str, str], np.ndarray | None]) -> Figure:
    """How many pairs of each s get each s_hat.

    Args:
      tables: of each row and column of panels, counts `[F + 1, d + 1]`.
    """
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*tables, strict=True))
    figure = Figure(figsize=(3.4 * len(columns), 3 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    image = None
    for (row, column), table in tables.items():
        axis = axes[rows.index(row), columns.index(column)]
        axis.set_title(f"{column}\n{row}", fontsize=10)
        if table is None:
            axis.text(0.5, 0.5, "not measured", ha="center", transform=axis.transAxes)
            continue
        axis.set_axis_on()
        axis.set_facecolor("#eeeeee")  # of an s without pairs
        image = axis.imshow(row_shares(table), vmin=0, vmax=1, cmap="Greens")
        s, s_hat = (np.arange(size) for size in table.shape)
        axis.plot(s + len(s_hat) - len(s), s, color="black", lw=0.8, ls=":")
        axis.set(xticks=s_hat, yticks=s, xlabel=r"$\hat s$", ylabel="$s$")
        axis.tick_params(labelsize=7)
    if image is not None:
        figure.colorbar(image, ax=axes, label="share of the pairs of an s", shrink=0.8)
    return figure


def row_shares(table: np.ndarray) -> np.ndarray:
    """Each row of counts as shares of its sum; a row without pairs is NaN."""
    sums = table.sum(axis=1, keepdims=True)
    return np.where(sums > 0, table / np.maximum(sums, 1), np.nan)


def metrics_figure(shared: Sequence[int], panels: Mapping[str, Lines]) -> Figure:
    """The paper's Figure 11: disentanglement against s.

    Args:
      shared: S values of s, the number of shared factors.
      panels: of each metric, of each method the values at each s `[S]`.
    """
    figure = Figure(figsize=(max(5.0, 3.3 * len(panels)), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (metric, lines) in zip(axes, panels.items(), strict=True):
        _plot_spreads(axis, shared, lines)
        axis.set(title=metric, xlabel="number of shared factors $s$")
        axis.set_ylim(bottom=0)
        axis.set_xticks(shared)
    legend_below(figure, axes[0])
    return figure


def ablation_figure(
    temperatures: Sequence[float],
    rates: Sequence[float],
    losses: np.ndarray,
    errors: np.ndarray,
) -> Figure:
    """The paper's Figure 13.

    Args:
      temperatures: T final temperatures.
      rates: R learning rates.
      losses: `[T, R]`, after the training; NaN where it isn't known.
      errors: `[T, R]`, the MSE of s; NaN where it isn't known.
    """
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex="col", sharey="row")
    for row, values in zip(axes, (losses, errors), strict=True):
        for axis, xs, table, others, name in (
            (row[0], temperatures, values.T, rates, "learning rate"),
            (row[1], rates, values, temperatures, r"final $\tau$"),
        ):
            for line, other, color in zip(table, others, _ORDERED_COLORS, strict=True):
                label = f"{name} {other:g}"
                axis.plot(xs, line, marker="o", color=color, label=label)
            axis.set(xscale="log", xticks=xs, xticklabels=[f"{x:g}" for x in xs])
            axis.minorticks_off()
    axes[0, 0].set_ylabel("loss of an image (nats)")
    axes[1, 0].set_ylabel(r"MSE$(s, \hat s)$, latent space")
    axes[1, 0].set_ylim(bottom=0)
    axes[1, 0].set_xlabel(r"final temperature $\tau$")
    axes[1, 1].set_xlabel("learning rate")
    for axis in axes[0]:
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)
    return figure


def convergence_figure(
    panels: Mapping[int, Mapping[str, Sequence[Curve]]], targets: Mapping[int, float]
) -> Figure:
    """How the estimated number of shared latents goes in training.

    Args:
      panels: of each s, of each estimator the curves of s_hat, one a seed.
      targets: of each s the s = d - k of the latent space.
    """
    figure = Figure(figsize=(4.2 * len(panels), 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (shared, estimators) in zip(axes, panels.items(), strict=True):
        axis.axhline(targets[shared], **_REFERENCE, ls=":", label=_LATENT_SPACE)
        colors = ("#228833", "#aa4499")
        for (name, curves), color in zip(estimators.items(), colors, strict=True):
            for index, (steps, values) in enumerate(curves):
                label = name if index == 0 else None
                axis.plot(steps, values, color=color, lw=1.2, alpha=0.8, label=label)
        axis.set(title=f"$s = {shared}$ shared factors", xlabel="step", ylim=(0, None))
    legend_below(figure, axes[0])
    axes[0].set_ylabel(r"mean $\hat s$ of the training batches")
    return figure


def _plot_spreads(axis: Axes, xs: Sequence[int], lines: Lines) -> None:
    """A line a method, with bars of one standard deviation over the seeds.

    The methods stand a little beside each other, so that all bars are seen.
    """
    for index, (name, spreads) in enumerate(lines.items()):
        shift = 0.08 * (index - (len(lines) - 1) / 2)
        known = [(x, y) for x, y in zip(xs, spreads, strict=True) if y is not None]
        deviations = [np.nan if y.deviation is None else y.deviation for _, y in known]
        axis.errorbar(
            [x + shift for x, _ in known],
            [y.mean for _, y in known],
            None if np.isnan(deviations).all() else deviations,
            label=name,
            capsize=3,
            lw=1.2,
            ms=5,
            **_STYLES[name],
        )
    axis.set_xlim(min(xs) - 0.5, max(xs) + 0.5)
