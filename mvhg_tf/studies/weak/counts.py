"""How many factors are found to be shared: the paper's Figure 2, and confusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mvhg_tf.studies.jobs.report_parts import Cell, Chart, Part, Section, Table
from mvhg_tf.studies.weak import weak_figures
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import COUNTS, MIXED, NUM_FACTORS
from mvhg_tf.studies.weak.weak_tables import by_shared


def section(scores: WeakScores) -> Section:
    """Figure 2, and what is behind it."""
    errors = {
        space: _count_lines(scores, f"mse_{space}_space")
        for space in ("latent", "factor")
    }
    parts: list[Part] = [
        "The estimate is ŝ = d - k̂. There are d latents but seven factors, so there "
        "are two numbers to compare it with: in *latent space* s = d - k, the latents "
        "that would be shared if each factor had one latent, and in *factor space* "
        "s = 7 - k, the shared factors. The same estimate has both errors. The "
        "paper's Figure 2 has no printed numbers to set beside."
    ]
    num_latents = scores.num_latents()
    if num_latents is not None:
        parts.append(
            Chart(
                "figure_2",
                weak_figures.counts_figure(
                    scores.shared,
                    errors["latent"],
                    errors["factor"],
                    _count_lines(scores, "s_hat"),
                    NUM_FACTORS,
                    num_latents,
                ),
                "The error of the number of shared latents (the paper's Figure 2), "
                f"and the estimate itself{scores.results.bars}.",
            )
        )
    for key, title in (
        ("mse_latent_space", "MSE of s in latent space:"),
        ("mse_factor_space", "MSE of s in factor space:"),
        ("s_hat", "Mean number of shared latents, ŝ:"),
        ("active_latents", "Latents in use (a posterior of half a nat or more):"),
    ):
        parts += [title, by_shared(scores, key, COUNTS, key)]
    return Section(
        "Figure 2: how many factors are shared", [*parts, *_confusion(scores)]
    )


def _count_lines(scores: WeakScores, key: str) -> weak_figures.Lines:
    return {
        LABELS[group]: [scores.spread(group, s, COUNTS, key) for s in scores.shared]
        for group in scores.groups
    }


def _confusion(scores: WeakScores) -> Iterator[Chart | Table | str]:
    """Test pairs by s and s_hat: of the models of one s each, and of mixed pairs."""
    kinds: dict[str, Sequence[int | str]] = {"trained on one s": scores.shared}
    if MIXED in scores.preset.shared:
        kinds["trained on mixed pairs"] = [MIXED]
    tables = {}
    for kind, shared in kinds.items():
        for group in scores.groups:
            jobs = [job for s in shared for job in scores.select(group, s)]
            if jobs:
                tables[kind, LABELS[group]] = scores.confusion(jobs)
    num_latents = scores.num_latents()
    if num_latents is None or all(table is None for table in tables.values()):
        return
    yield Chart(
        "confusion",
        weak_figures.confusion_figure(tables),
        "Of the pairs that share s factors, the share that is given ŝ shared latents. "
        "On the dots ŝ is right in latent space.",
    )
    yield _confusion_table(tables, num_latents)


def _confusion_table(
    tables: Mapping[tuple[str, str], np.ndarray | None], num_latents: int
) -> Table:
    rows: list[list[Cell]] = []
    for (kind, method), table in tables.items():
        if table is None:
            continue
        shares = 100 * weak_figures.row_shares(table)
        for s in map(int, np.flatnonzero(table.sum(axis=1))):
            truth = [s, num_latents - NUM_FACTORS + s]
            rows.append([method, kind, *truth, *map(float, shares[s])])
    header = ["method", "pairs", "s, factor space", "s, latent space"]
    header += [f"ŝ = {s_hat}" for s_hat in range(num_latents + 1)]
    folded = "The same in numbers, in percent of the pairs of an s"
    return Table("confusion", header, rows, digits=0, folded=folded)
