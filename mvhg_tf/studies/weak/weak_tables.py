"""Tables of a score of each method at each s."""

from __future__ import annotations

from mvhg_tf.studies.jobs.report_parts import Table
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import MIXED


def by_shared(scores: WeakScores, name: str, step: str, key: str) -> Table:
    """A score of each method at each s."""
    return Table(
        name,
        ["method", *map(shared_label, scores.preset.shared)],
        [
            [
                LABELS[group],
                *(scores.spread(group, s, step, key) for s in scores.preset.shared),
            ]
            for group in scores.groups
        ],
    )


def shared_label(shared: int | str) -> str:
    """How a table calls an s."""
    return "mixed" if shared == MIXED else f"s = {shared}"
