"""Measures the gradient estimators and writes the results."""

from __future__ import annotations

import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mvhg_tf.studies import text_tables
from mvhg_tf.studies.estimators.gradient_problems import (
    TEMPERATURES,
    measure,
    subset_problems,
    urn_problems,
)


def run(output_dir: str, num_draws: int, seed: int) -> str:
    """Measures everything, and writes the files that `estimators` names.

    Returns:
      The summary, in Markdown.
    """
    rows = measure([*urn_problems(), *subset_problems(seed)], num_draws, seed)
    text_tables.write_csv(os.path.join(output_dir, "estimators.csv"), rows)
    draw_figure(rows).savefig(os.path.join(output_dir, "estimators.png"), dpi=110)
    summary = summarize(rows, num_draws)
    path = os.path.join(output_dir, "summary.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(summary)
    return summary


def draw_figure(rows: Sequence[dict]) -> Figure:
    """Bias, and error of 16 draws, of both urns over the estimators."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    for axis_row, urn in zip(axes, _values(rows, "urn"), strict=True):
        chosen = [row for row in rows if row["urn"] == urn]
        losses = len(_values(chosen, "loss"))
        many = losses > 4
        for axis, key in zip(axis_row, ("bias", "error"), strict=True):
            _plot(axis, chosen, key, "0.6" if many else None)
            axis.set_title(f"{urn}, {losses} losses in grey" if many else urn)
    for axis in axes[:, 0]:
        axis.set_ylabel("relative bias")
    for axis in axes[:, 1]:
        axis.set_ylabel("relative error of 16 draws")
    axes[0, 0].legend(fontsize=8)
    return figure


def _plot(axis: Axes, rows: list[dict], key: str, color: str | None) -> None:
    """One line a loss over the temperatures; the others stand apart, at the left."""
    names = [_name(row) for row in rows if row["loss"] == rows[0]["loss"]]
    apart = len(names) - len(TEMPERATURES)
    for loss in _values(rows, "loss"):
        values = [row[key] for row in rows if row["loss"] == loss]
        places = range(len(values))
        (line,) = axis.plot(
            places[apart:], values[apart:], "o-", ms=4, lw=1, color=color, label=loss
        )
        axis.plot(places[:apart], values[:apart], "D", ms=5, color=line.get_color())
    axis.axvline(apart - 0.5, color="black", lw=0.8, ls=":")
    labels = [name.replace("gumbel_softmax ", "") for name in names]
    axis.set_xticks(range(len(names)), labels)
    axis.tick_params("x", labelrotation=60, labelsize=8)
    axis.set(yscale="log", xlabel="estimator | gumbel_softmax at temperature")


def _name(row: dict) -> str:
    return f"{row['estimator']} {row['temperature']}".strip()


def summarize(rows: Sequence[dict], num_draws: int) -> str:
    """Returns the Markdown text: the range of each quality over the losses."""
    lines = []
    for urn in _values(rows, "urn"):
        of_urn = [row for row in rows if row["urn"] == urn]
        for name in dict.fromkeys(map(_name, of_urn)):
            chosen = [row for row in of_urn if _name(row) == name]
            keys = ("bias", "one_minus_cosine", "deviation", "error")
            ranges = (_range([row[key] for row in chosen]) for key in keys)
            lines.append((urn, name, *ranges))
    table = text_tables.markdown_table(
        (
            "urn",
            "estimator",
            "relative bias",
            "1 - cosine",
            "relative deviation",
            "error of 16 draws",
        ),
        lines,
    )
    return (
        f"{num_draws} draws; least to largest over the losses. Bias, standard "
        "deviation and error are relative to the norm of the exact gradient. The "
        "deviation is that of one estimate, which takes 16 draws for `leave_one_out` "
        "and `leave_one_out_loss` and one for the others. The error is the root of the "
        "mean squared error of 16 draws. A bias below the deviation over the root of "
        f"the number of estimates may be noise.\n\n{table}"
    )


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2g} to {max(values):.2g}"


def _values(rows: Sequence[dict], key: str) -> list:
    return list(dict.fromkeys(row[key] for row in rows))
