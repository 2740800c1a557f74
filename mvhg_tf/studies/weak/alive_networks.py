"""AdaVAE and HGVAE with networks that start alive, one latent a factor, longer."""

from __future__ import annotations

from mvhg_tf.studies.jobs.report_parts import Section, Table
from mvhg_tf.studies.weak.weak_scores import LABELS, WeakScores
from mvhg_tf.studies.weak.weak_study import (
    ALIVE_METHODS,
    COUNTS,
    FIXED_SHARED,
    alive_config,
    alive_group,
    fixed_group,
)

_SCORES = {
    "ŝ": (COUNTS, "s_hat"),
    "MSE of s": (COUNTS, "mse_latent_space"),
    "I": (COUNTS, "independent_accuracy"),
    "S": (COUNTS, "shared_accuracy"),
    "linear classifier": (COUNTS, "linear_accuracy"),
    "MIG": ("mig", "discrete_mig"),
}


def section(scores: WeakScores) -> Section | None:
    """Both methods, on pairs that are drawn anew and on fixed ones."""
    if not scores.preset.alive:
        return None
    rows = []
    for pairs, group_of in (("drawn anew", alive_group), ("fixed", _fixed)):
        for shared in FIXED_SHARED:
            for method in ALIVE_METHODS:
                group = group_of(method)
                measured = (
                    scores.spread(group, shared, step, key)
                    for step, key in _SCORES.values()
                )
                rows.append([pairs, shared, LABELS[method], *measured])
    configs = " and ".join(f"`{alive_config(method)}`" for method in ALIVE_METHODS)
    return Section(
        "Networks that start alive",
        [
            f"`gin_configs` {configs}: a latent for each of the seven factors, so that "
            "latent space is factor space, and more steps than above. *Drawn anew*: "
            "each pair shares s factors of its own. *Fixed*: all share the first s. "
            "*Linear classifier*: of all factors, from all latents of an image.",
            Table("alive", ["pairs", "s", "method", *_SCORES], rows),
        ],
    )


def _fixed(method: str) -> str:
    return fixed_group(alive_group(method))
