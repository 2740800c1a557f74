"""Runs the Kolmogorov-Smirnov experiment and writes its results."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from mvhg_tf.studies import text_tables
from mvhg_tf.studies.ks import ks_figures
from mvhg_tf.studies.ks.ks_experiment import (
    COMPARISONS,
    METHODS,
    paper_sweeps,
    run_sweep,
    select,
)

SIGNIFICANCE = 0.05


def run(output_dir: str, num_draws: int, seed: int) -> str:
    """Draws and tests all sweeps, and writes the files that `ks_test` names.

    Args:
      output_dir: an existing folder.
      num_draws: draws of each urn and sampler.
      seed: of the random draws.

    Returns:
      The summary, in Markdown.
    """
    sweeps = paper_sweeps()
    total = sum(len(METHODS) + len(sweep.values) for sweep in sweeps)
    all_rows = []
    with tqdm(total=total, unit="step") as progress:
        for sweep in sweeps:
            rows, draws = run_sweep(sweep, num_draws, seed, progress)
            all_rows += rows
            ks_figures.write_figures(output_dir, sweep, rows, draws)
    text_tables.write_csv(os.path.join(output_dir, "ks_test.csv"), all_rows)
    summary = summarize(all_rows, num_draws, seed)
    path = os.path.join(output_dir, "summary.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(summary)
    return summary


def summarize(rows: Sequence[dict], num_draws: int, seed: int) -> str:
    """Returns the Markdown text of the results."""
    lines = []
    for figure in sorted({row["figure"] for row in rows}):
        for comparison in COMPARISONS:
            chosen = select(rows, comparison, figure)
            distances = [row["distance"] for row in chosen]
            p_values = [row["p_corrected_over_figure"] for row in chosen]
            lines.append(
                (
                    f"{figure} ({chosen[0]['parameter']})",
                    comparison.method,
                    comparison.reference,
                    _passed(chosen, "p_corrected_over_figure"),
                    _passed(chosen, "p_corrected_per_urn"),
                    f"{np.median(distances):.4f}",
                    f"{max(distances):.4f}",
                    f"{min(p_values):.2g}",
                )
            )
    table = text_tables.markdown_table(
        (
            "figure",
            "method",
            "against",
            "passed",
            "passed, corrected per urn",
            "median distance",
            "largest distance",
            "smallest p",
        ),
        lines,
    )
    return (
        f"{num_draws} draws of each urn, seed {seed}. A test passes if its p-value "
        f"is over {SIGNIFICANCE} after the Benjamini-Hochberg correction. In the "
        "column `passed` the correction is over all tests of the row. In the next "
        "column it is over the three classes of an urn, as in the paper, so that even "
        f"perfect draws fail once in a while.\n\n{table}"
    )


def _passed(rows: Sequence[dict], key: str) -> str:
    return f"{sum(row[key] > SIGNIFICANCE for row in rows)} of {len(rows)}"
