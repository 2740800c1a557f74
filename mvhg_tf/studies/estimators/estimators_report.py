"""Measures the gradient estimators and writes the results."""

from __future__ import annotations

import os
from collections.abc import Sequence

from matplotlib.figure import Figure

from mvhg_tf.studies import text_tables
from mvhg_tf.studies.estimators.gradient_problems import (
    TEMPERATURES,
    measure,
    subset_problems,
    urn_problems,
)


def run(output_dir: str, num_draws: int, seed: int) -> str:
    """Measures everything, and writes the files that `estimators` promises.

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
    """Bias and deviation of both urns, over the estimators."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    for axis_row, urn in zip(axes, _values(rows, "urn"), strict=True):
        chosen = [row for row in rows if row["urn"] == urn]
        ten = len(_values(chosen, "loss")) > 4
        bias = "one_minus_cosine" if ten else "bias"
        for axis, key in zip(axis_row, (bias, "deviation"), strict=True):
            _plot(axis, chosen, key, "0.6" if ten else None)
            axis.set_title(urn)
    axes[0, 0].set_ylabel("relative bias")
    axes[1, 0].set_ylabel("bias as 1 - cosine")
    for axis in axes[:, 1]:
        axis.set_ylabel("relative standard deviation of one draw")
    axes[0, 0].legend(fontsize=8)
    return figure


def _plot(axis, rows, key, color) -> None:
    """One line a loss over the temperatures; `mean` stands apart, at the left."""
    for loss in _values(rows, "loss"):
        values = [row[key] for row in rows if row["loss"] == loss]
        (line,) = axis.plot(
            range(1, len(values)), values[1:], "o-", ms=4, lw=1, color=color, label=loss
        )
        axis.plot(0, values[0], "D", ms=5, color=line.get_color())
    axis.axvline(0.5, color="black", lw=0.8, ls=":")
    axis.set_xticks(range(len(TEMPERATURES) + 1), ["mean", *map(str, TEMPERATURES)])
    axis.set(yscale="log", xlabel="estimator: mean | gumbel_softmax at temperature")


def summarize(rows: Sequence[dict], num_draws: int) -> str:
    """Returns the Markdown text: the range of each quality over the losses."""
    lines = []
    for urn in _values(rows, "urn"):
        for temperature in _values(rows, "temperature"):
            chosen = [
                row
                for row in rows
                if row["urn"] == urn and row["temperature"] == temperature
            ]
            lines.append(
                (
                    urn,
                    f"{chosen[0]['estimator']} {temperature}".strip(),
                    *(
                        _range([row[key] for row in chosen])
                        for key in ("bias", "one_minus_cosine", "deviation")
                    ),
                )
            )
    table = text_tables.markdown_table(
        ("urn", "estimator", "relative bias", "1 - cosine", "relative deviation"), lines
    )
    return (
        f"{num_draws} draws; least to largest over the losses. Bias and standard "
        "deviation (of one draw's gradient) are relative to the norm of the exact "
        f"gradient.\n\n{table}"
    )


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2g} to {max(values):.2g}"


def _values(rows: Sequence[dict], key: str) -> list:
    return list(dict.fromkeys(row[key] for row in rows))
