"""What the clustering study is to show, and whether it does."""

from __future__ import annotations

import numpy as np

from mvhg_tf.studies.clustering.clustering_scores import ClusteringResults
from mvhg_tf.studies.clustering.clustering_study import PRIORS
from mvhg_tf.studies.jobs.report_parts import Section, Table

LEAST_ACCURACY = 80.0


def section(results: ClusteringResults) -> Section:
    """What was wanted, what is measured, and whether that is enough."""
    rows = [row for make in (_best_accuracy, _imbalanced) if (row := make(results))]
    return Section(
        "What it was to show",
        [Table("targets", ["wanted", "measured", "reached"], rows)],
    )


def _best_accuracy(results: ClusteringResults) -> list[str] | None:
    found = {prior: results.spread("uniform", prior, "accuracy") for prior in PRIORS}
    known = {prior: spread for prior, spread in found.items() if spread}
    if not known:
        return None
    best = max(known, key=lambda prior: known[prior].mean)
    return [
        "balanced: mean accuracy of the best prior at least "
        f"{LEAST_ACCURACY:.0f} % (aim: 90 %)",
        f"{known[best].mean:.1f} % ({best}, {known[best].count} seeds)",
        _yes(known[best].mean >= LEAST_ACCURACY),
    ]


def _imbalanced(results: ClusteringResults) -> list[str] | None:
    version = "subsampled_60"
    if version not in results.versions:
        return None
    differences = results.differences(version, "categorical")
    if not differences:
        return None
    mean = float(np.mean(differences))
    return [
        "half of the classes at 60 %: hypergeometric at least as accurate as "
        "categorical, on average",
        f"{mean:+.2f} points ({len(differences)} seeds)",
        _yes(mean >= 0),
    ]


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
