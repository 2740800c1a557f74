"""Tables of a score of each method at each s, and the columns of Table 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mvhg_tf.studies.jobs.report_parts import Spread, Table
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import MIXED

Column = tuple[int | str, str]  # of Table 1: s, and the part S or I
_ACCURACIES = {"S": "shared_accuracy", "I": "independent_accuracy"}


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


def accuracy_columns(shared: Iterable[int | str]) -> list[Column]:
    """The columns of Table 1; of s = 0 there is no shared part."""
    return [(s, part) for s in shared for part in "SI" if (s, part) != (0, "S")]


def accuracy_labels(columns: Sequence[Column]) -> list[str]:
    """How a table calls these columns."""
    return [f"{shared_label(s)}, {part}" for s, part in columns]


def accuracies(
    scores: WeakScores, group: str, step: str, columns: Sequence[Column]
) -> list[Spread | None]:
    """What the parts know in a group's jobs, by a step's metric."""
    return [scores.spread(group, s, step, _ACCURACIES[part]) for s, part in columns]
