"""The Kolmogorov-Smirnov experiment's urns, draws and tests (paper, section 5.1).

Draws of both methods of `MultivariateFisherNoncentralHypergeometric` are tested
against draws of the exact distribution and against its exact marginal cumulative
probabilities; draws of the merged method also against the merged reference, which is
the one that the paper used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats
from tqdm import tqdm

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.studies import references

METHODS = ("exact", "merged")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Urns that differ in one parameter.

    Attributes:
      figure: number of the paper's figure.
      parameter: name of what varies.
      values: its V values.
      group_sizes: `[V, 3]`.
      total_counts: `[V]`.
      weights: `[V, 3]`.
    """

    figure: int
    parameter: str
    values: Sequence[int]
    group_sizes: np.ndarray
    total_counts: np.ndarray
    weights: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Which draws of ours are tested against which reference."""

    method: str
    reference: str

    def __str__(self) -> str:
        return f"method {self.method}, against {self.reference}"


COMPARISONS = (
    Comparison("exact", "exact draws"),
    Comparison("exact", "exact cdf"),
    Comparison("merged", "exact draws"),
    Comparison("merged", "exact cdf"),
    Comparison("merged", "merged draws"),
)


def _sweep(
    figure: int,
    parameter: str,
    values: Sequence[int],
    group_sizes: int | Sequence[int] = 200,
    total_count: int | Sequence[int] = 180,
    weight: float | Sequence[int] = 5.0,
) -> Sweep:
    size_2, total_counts, weight_2 = (
        np.broadcast_to(x, len(values)) for x in (group_sizes, total_count, weight)
    )
    sizes, weights = np.full((len(values), 3), 200), np.ones((len(values), 3))
    sizes[:, 1], weights[:, 1] = size_2, weight_2
    return Sweep(figure, parameter, values, sizes, total_counts, weights)


def paper_sweeps() -> tuple[Sweep, Sweep, Sweep]:
    """The sweeps of Figures 1 and 4, 9, and 10; three classes, ten urns in each.

    The paper gives n and m_2 of the last two in its plots only; here both go up to
    500 in steps of 50.
    """
    weights, sizes = list(range(1, 11)), list(range(50, 501, 50))
    return (
        _sweep(1, "omega_2", weights, weight=weights),
        _sweep(9, "n", sizes, total_count=sizes),
        _sweep(10, "m_2", sizes, group_sizes=sizes, total_count=200),
    )


def ks_two_samples(draws: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """The two-sample Kolmogorov-Smirnov distance and its p-value (SciPy's)."""
    result = stats.ks_2samp(draws, reference, method="asymp")
    return float(result.statistic), float(result.pvalue)


def ks_one_sample(draws: np.ndarray, pmf: np.ndarray) -> tuple[float, float]:
    """The Kolmogorov-Smirnov distance of draws from a distribution of counts.

    The p-value is that of continuous data. With counts, the largest difference is
    looked for at fewer places, so it is too large rather than too small.

    Args:
      draws: counts `[N]`, each less than K.
      pmf: their probabilities `[K]` under the null hypothesis.

    Returns:
      The distance and its p-value.
    """
    shares = np.bincount(draws, minlength=len(pmf)) / len(draws)
    distance = np.abs(np.cumsum(shares) - np.cumsum(pmf)).max()
    return float(distance), float(stats.kstwo.sf(distance, len(draws)))


def draw_ours(sweep: Sweep, method: str, num_draws: int, seed: int) -> np.ndarray:
    """Draws `[V, num_draws, 3]` of our distribution, all urns in one batch."""
    distribution = MultivariateFisherNoncentralHypergeometric(
        total_count=sweep.total_counts.astype(np.float32),
        group_sizes=sweep.group_sizes.astype(np.float32),
        weights=sweep.weights.astype(np.float32),
        method=method,
        gradient_estimator=None,
    )
    seed = tf.constant([seed, sweep.figure], tf.int32)
    draws = distribution.sample(num_draws, seed=seed).numpy()
    return np.moveaxis(draws, 0, 1).astype(np.int64)


def run_sweep(
    sweep: Sweep, num_draws: int, seed: int, progress: tqdm
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Draws and tests one sweep.

    Args:
      sweep: the V urns.
      num_draws: draws of each urn and sampler.
      seed: of the random draws.
      progress: is moved by `len(METHODS) + V`.

    Returns:
      A row for each comparison, urn and class; and the draws `[V, num_draws, 3]` of
      "exact", "merged", "exact draws" and "merged draws".
    """
    draws: dict[str, Any] = {name: [] for name in ("exact draws", "merged draws")}
    for method in METHODS:
        progress.set_description(f"{sweep.parameter}: drawing, {method}")
        draws[method] = draw_ours(sweep, method, num_draws, seed)
        progress.update()
    rng = np.random.default_rng([seed, sweep.figure])
    rows = []
    for index, value in enumerate(sweep.values):
        progress.set_description(f"{sweep.parameter} = {value}: testing")
        urn = (
            sweep.group_sizes[index],
            sweep.total_counts[index],
            sweep.weights[index],
        )
        exact = references.ExactUrn(*urn)
        draws["exact draws"].append(exact.sample(num_draws, rng))
        merged_draws = references.sample_merged_scipy(*urn, num_draws, rng)
        draws["merged draws"].append(merged_draws)
        for comparison in COMPARISONS:
            tests = _test_classes(draws, index, exact, comparison)
            rows += _rows(sweep, value, comparison, *np.transpose(tests))
        progress.update()
    _correct_over_figure(rows)
    return rows, {name: np.asarray(values) for name, values in draws.items()}


def _test_classes(
    draws: Mapping[str, np.ndarray],
    index: int,
    exact: references.ExactUrn,
    comparison: Comparison,
) -> list[tuple[float, float]]:
    """Returns the distance and the p-value of each class."""
    ours = draws[comparison.method][index]
    tests = []
    for group in range(ours.shape[-1]):
        if comparison.reference == "exact cdf":
            tests.append(ks_one_sample(ours[:, group], exact.marginal(group)))
        else:
            reference = draws[comparison.reference][index]
            tests.append(ks_two_samples(ours[:, group], reference[:, group]))
    return tests


def _rows(
    sweep: Sweep,
    value: int,
    comparison: Comparison,
    distances: np.ndarray,
    p_values: np.ndarray,
) -> list[dict]:
    # The paper corrects over the three tests of a joint distribution.
    corrected = stats.false_discovery_control(p_values, method="bh")
    return [
        {
            "figure": sweep.figure,
            "parameter": sweep.parameter,
            "value": value,
            "method": comparison.method,
            "reference": comparison.reference,
            "class": group + 1,
            "distance": distances[group],
            "p_value": p_values[group],
            "p_corrected_per_urn": corrected[group],
        }
        for group in range(len(distances))
    ]


def _correct_over_figure(rows: list[dict]) -> None:
    """Adds the p-values corrected over all tests of a comparison in the figure."""
    for comparison in COMPARISONS:
        chosen = select(rows, comparison)
        corrected = stats.false_discovery_control([row["p_value"] for row in chosen])
        for row, p_value in zip(chosen, corrected, strict=True):
            row["p_corrected_over_figure"] = p_value


def select(
    rows: Sequence[dict], comparison: Comparison, figure: int | None = None
) -> list[dict]:
    """Returns the rows of one comparison, of one figure if that is given."""
    return [
        row
        for row in rows
        if (row["method"], row["reference"]) == dataclasses.astuple(comparison)
        and figure in (None, row["figure"])
    ]
