"""HGVAE beside itself with something changed: Figure 13's ablation, and four more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.studies.jobs.report_parts import Cell, Chart, Section, Table, spread_of
from mvhg_tf.studies.weak import weak_figures
from mvhg_tf.studies.weak.weak_scores import WeakScores
from mvhg_tf.studies.weak.weak_study import (
    COMPARISONS,
    COUNTS,
    FINAL_TEMPERATURES,
    LEARNING_RATES,
    NUM_FACTORS,
    ablation_group,
)

# By group: what is compared, what it is in HGVAE, and what in the group.
_CHANGES = {
    "hgvae_dlib": (
        "pairs",
        "exactly s are shared",
        "the library's: 7 - s or 1 are redrawn",
    ),
    "hgvae_uncharged": ("choice of the subset", "costs log C(d, k)", "free"),
    "hgvae_gumbel": ("gradient", "mean", "gumbel_softmax"),
}
_SCORES = (
    ("ŝ", COUNTS, "s_hat"),
    ("MSE, latent space", COUNTS, "mse_latent_space"),
    ("MSE, factor space", COUNTS, "mse_factor_space"),
    ("I", COUNTS, "independent_accuracy"),
    ("S", COUNTS, "shared_accuracy"),
    ("MIG", "mig", "discrete_mig"),
    ("loss", "train", "loss"),
)
_ABLATION_SHARED = 3


def ablation(scores: WeakScores) -> Section | None:
    """Figure 13."""
    if not scores.preset.comparisons:
        return None
    losses, errors = (
        np.array(
            [
                [_of_place(scores, tau, rate, step, key) for rate in LEARNING_RATES]
                for tau in FINAL_TEMPERATURES
            ],
            float,  # where what is missing is NaN
        )
        for step, key in (("train", "loss"), (COUNTS, "mse_latent_space"))
    )
    columns = (
        ("loss", "train", "loss"),
        ("ŝ", COUNTS, "s_hat"),
        ("MSE, latent space", COUNTS, "mse_latent_space"),
        ("MSE, factor space", COUNTS, "mse_factor_space"),
    )
    rows = [
        [
            f"{tau:g}",
            f"{rate:g}",
            *(_of_place(scores, tau, rate, step, key) for _, step, key in columns),
        ]
        for tau in FINAL_TEMPERATURES
        for rate in LEARNING_RATES
    ]
    header = ["final temperature", "learning rate", *(name for name, _, _ in columns)]
    return Section(
        "Figure 13: final temperature and learning rate",
        [
            f"HGVAE with the paper's `gumbel_softmax` gradient at s = "
            f"{_ABLATION_SHARED}, one seed; the loss is an image's, in nats, after the "
            "training. The paper finds the final temperature to matter little, and "
            "higher learning rates to worsen the loss and the consistency of the "
            "count; its figure has no printed numbers to set beside.",
            Chart(
                "figure_13",
                weak_figures.ablation_figure(
                    FINAL_TEMPERATURES, LEARNING_RATES, losses, errors
                ),
                "Loss and error of the count, by final temperature and learning rate "
                "(the paper's Figure 13).",
            ),
            Table("figure_13", header, rows),
        ],
    )


def _of_place(
    scores: WeakScores, tau: float, rate: float, step: str, key: str
) -> float | None:
    job = scores.first(ablation_group(tau, rate), _ABLATION_SHARED)
    return scores.number(job, step, key)


def section(scores: WeakScores) -> Section | None:
    """The data's dynamics, the distribution's method and the gradient's estimator."""
    if not scores.preset.comparisons:
        return None
    changed = [c for c in COMPARISONS if c.group in _CHANGES]
    rows = []
    for comparison in changed:
        what, *variants = _CHANGES[comparison.group]
        for shared in comparison.shared:
            groups = ("hgvae", comparison.group)
            for group, variant in zip(groups, variants, strict=True):
                rows.append([what, shared, variant, *_scores_of(scores, group, shared)])
    scored = (name for name, _, _ in _SCORES)
    header = ["compared", "s", "variant", "mean s of the pairs", *scored]
    return Section(
        "HGVAE with one thing changed",
        [
            "The same seed in each pair of rows. In the library's pairs a factor that "
            "is redrawn may keep its value, so more than s may be shared: the errors "
            "are of each pair's own s, whose mean is given.",
            Table("comparisons", header, rows),
            *_agreement(scores),
            *_convergence(scores),
        ],
    )


def _scores_of(scores: WeakScores, group: str, shared: int) -> list[Cell]:
    job = scores.first(group, shared)
    k = scores.number(job, COUNTS, "k")
    mean_shared = None if k is None else NUM_FACTORS - k
    return [mean_shared, *(scores.number(job, step, key) for _, step, key in _SCORES)]


def _agreement(scores: WeakScores) -> Iterator[str]:
    """Merging is no approximation where there are two groups: nothing is merged."""
    num_latents = scores.num_latents()
    if num_latents is not None:
        yield (
            "For two groups the merged distribution is the exact one, as the last "
            "group is the only one left to merge. The largest difference between "
            f"their log-probabilities, for d = {num_latents} and log-odds from -8 to "
            f"8, is {largest_difference(num_latents):.1e}."
        )


def largest_difference(num_latents: int) -> float:
    """Between the exact and the merged log-probabilities of two groups.

    Over all counts, and log-odds from -8 to 8.
    """
    counts = np.arange(num_latents + 1, dtype=np.float32)
    events = np.stack([counts, num_latents - counts], axis=-1)[:, None]  # [d + 1, 1, 2]
    log_odds = np.linspace(-8, 8, 33, dtype=np.float32)
    log_weights = np.stack([log_odds, np.zeros_like(log_odds)], axis=-1)  # [33, 2]
    exact, merged = (
        MultivariateFisherNoncentralHypergeometric(
            total_count=num_latents,
            group_sizes=[num_latents, num_latents],
            log_weights=log_weights,
            method=method,
        )
        .log_prob(events)
        .numpy()
        for method in ("exact", "merged")
    )
    return float(np.max(np.abs(exact - merged)))


def _convergence(scores: WeakScores) -> Iterator[str | Chart | Table]:
    """The estimate in training, with either gradient."""
    num_latents = scores.num_latents()
    if num_latents is None:
        return
    [gumbel] = (c for c in COMPARISONS if c.group == "hgvae_gumbel")
    panels = {
        shared: {
            "mean": _s_hat_curves(scores, "hgvae", shared, num_latents),
            "gumbel_softmax": _s_hat_curves(scores, gumbel.group, shared, num_latents),
        }
        for shared in gumbel.shared
    }
    targets = {shared: num_latents - NUM_FACTORS + shared for shared in gumbel.shared}
    yield "How ŝ goes in training, mean over the pairs of the batches:"
    yield Chart(
        "convergence",
        weak_figures.convergence_figure(panels, targets),
        "The estimated number of shared latents in training, by estimator of the "
        "gradient; a line a seed.",
    )
    rows = []
    for shared, estimators in panels.items():
        for name, curves in estimators.items():
            quarters = [
                spread_of(_at(curve, part) for curve in curves)
                for part in (0.25, 0.5, 0.75, 1.0)
            ]
            rows.append([shared, name, *quarters, targets[shared]])
    header = [
        "s",
        "gradient",
        "ŝ after 1/4",
        "1/2",
        "3/4",
        "all of it",
        "s, latent space",
    ]
    yield Table("convergence", header, rows)


def _s_hat_curves(
    scores: WeakScores, group: str, shared: int, num_latents: int
) -> list[weak_figures.Curve]:
    curves = (scores.curve(job, "k_hat") for job in scores.select(group, shared))
    return [
        (steps, num_latents - values)
        for steps, values in (curve for curve in curves if curve is not None)
    ]


def _at(curve: weak_figures.Curve, part: float) -> float:
    """The value after a part of the training."""
    steps, values = curve
    return float(values[np.searchsorted(steps, part * steps[-1])])
