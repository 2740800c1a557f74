"""The methods on pairs that share the first s factors, as the paper's may have."""

from __future__ import annotations

from mvhg_tf.studies.jobs.report_parts import Cell, Part, Section, Table
from mvhg_tf.studies.weak import weak_paper
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import (
    COUNTS,
    FIXED_SHARED,
    METHODS,
    PAPER_PROTOCOL,
    fixed_group,
)
from mvhg_tf.studies.weak.weak_tables import (
    accuracies,
    accuracy_columns,
    accuracy_labels,
    shared_label,
)

_PROTOCOLS = {"matched": COUNTS, "paper's protocol": PAPER_PROTOCOL}
_COUNTED = {
    "estimate ŝ": "s_hat",
    "MSE of s, latent space": "mse_latent_space",
    "MSE of s, factor space": "mse_factor_space",
}


def section(scores: WeakScores) -> Section | None:
    """Table 1 by both protocols, and the counts."""
    if not scores.preset.fixed:
        return None
    parts: list[Part] = [
        "All pairs share the first s factors in the order of the data set, and differ "
        'in the rest (`dynamics.mode = "fixed"`). The numbers in Table 1 of the paper '
        "suggest that its pairs were of this kind. *Matched* is the protocol of the "
        "table above, *paper's protocol* is C.2.5 read literally.",
        _accuracies(scores),
        "How many latents are taken to be shared:",
        _counts(scores),
    ]
    return Section("Fixed pairs: the same factors shared in every pair", parts)


def _accuracies(scores: WeakScores) -> Table:
    columns = accuracy_columns(FIXED_SHARED)
    rows: list[list[Cell]] = []
    for method in METHODS:
        for source, step in _PROTOCOLS.items():
            ours = accuracies(scores, fixed_group(method), step, columns)
            rows.append([LABELS[method], source, *ours])
        papers = (weak_paper.TABLE_1[(method, *column)] for column in columns)
        rows.append([LABELS[method], "paper, on mpi3d_toy", *papers])
    header = ["method", "source", *accuracy_labels(columns)]
    return Table("fixed_table_1", header, rows)


def _counts(scores: WeakScores) -> Table:
    rows: list[list[Cell]] = [
        [
            LABELS[method],
            name,
            *(scores.spread(fixed_group(method), s, COUNTS, key) for s in FIXED_SHARED),
        ]
        for method in METHODS
        for name, key in _COUNTED.items()
    ]
    header = ["method", "score", *map(shared_label, FIXED_SHARED)]
    return Table("fixed_counts", header, rows)
