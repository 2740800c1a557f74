"""Clusters of any size: balanced ones, unless others are clearly better separated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from mvhg_tf.clustering.start import em
from mvhg_tf.clustering.start.separation import NeighbourGraph

# What a change must lower the conductance by. A class cut in two has an overlap that a
# gap undoes almost wholly (to a ninth at most in every set tried); other changes leave
# nine tenths, so nothing depends on the exact number.
_CLEARLY = 0.5
_KMEANS_STARTS = 10
_ROUNDS = 60
_SPLIT_ROUNDS = 15
_MOST_TRIED = 8  # moves a round of the search
_TOLERANCE = 1e-4  # nats a sample


class _Split(NamedTuple):
    """A cluster's halves.

    Attributes:
      halves: responsibilities, `[N, 2]`.
      gain: of the complete-data log-likelihood.
      conductance: between them.
    """

    halves: np.ndarray
    gain: float
    conductance: float


def fit_auto(
    z: np.ndarray, num_clusters: int, ridge: float, starts: int, seed: int
) -> np.ndarray:
    """Finds clusters of the sizes that the data have.

    Neither likelihood nor separation alone tells good clusters from bad ones: both
    favour splitting one class while two others share a cluster. So the result of
    `em.fit_balanced` is kept unless others are clearly better, with at most half of its
    conductance (see `NeighbourGraph`).

    1. k-means, EM with free weights from it, and such EM from the balanced clusters:
       that of the least mean conductance replaces the balanced clusters if it is
       clearly less.
    2. Moves that merge two clusters and split a third one (Ueda et al., "SMEM algorithm
       for mixture models", 2000), as long as one is found in which the halves have
       clearly less conductance than the two that are merged, and which improves the
       complete-data log-likelihood after EM (the ICL of Biernacki et al., 2000).

    Args and returns as of `em.fit_free`.
    """
    balanced = em.fit_balanced(z, num_clusters, ridge, starts, seed)
    if num_clusters == 1:
        return balanced
    graph = NeighbourGraph(z, seed)
    q = _furthest_apart(z, balanced, ridge, seed, graph)
    likelihood, _ = em.free_rounds(z, q, ridge, 1)
    while True:
        moved = _best_move(z, q, ridge, graph, likelihood)
        if moved is None:
            return q
        likelihood, q = moved


def _furthest_apart(
    z: np.ndarray, balanced: np.ndarray, ridge: float, seed: int, graph: NeighbourGraph
) -> np.ndarray:
    """The clusters of step 1, `[N, K]`."""
    num_clusters = balanced.shape[1]
    kmeans = KMeans(num_clusters, n_init=_KMEANS_STARTS, random_state=seed)
    nearest = np.eye(num_clusters)[kmeans.fit_predict(z)]
    others = [nearest] + [
        em.free_rounds(z, q, ridge, _ROUNDS)[1] for q in (nearest, balanced)
    ]

    def conductance(q: np.ndarray) -> float:
        return graph.mean_conductance(q.argmax(axis=1), num_clusters)

    best = min(others, key=conductance)
    is_clear = conductance(best) < _CLEARLY * conductance(balanced)
    return best if is_clear else balanced


def _best_move(
    z: np.ndarray,
    q: np.ndarray,
    ridge: float,
    graph: NeighbourGraph,
    likelihood: float,
) -> tuple[float, np.ndarray] | None:
    """The first of the likeliest moves that improves on the likelihood, if any does."""
    ranked = sorted(_moves(z, q, ridge, graph), key=lambda move: -move[0])
    for _, (i, j, k), halves in ranked[:_MOST_TRIED]:
        changed = q.copy()
        changed[:, i] += q[:, j]
        changed[:, [j, k]] = halves
        result = em.free_rounds(z, changed, ridge, _ROUNDS)
        if result[0] > likelihood + _TOLERANCE:
            return result
    return None


def _moves(
    z: np.ndarray, q: np.ndarray, ridge: float, graph: NeighbourGraph
) -> Iterator[tuple[float, tuple[int, int, int], np.ndarray]]:
    """The gain, the clusters to merge and to split, and the halves of each move."""
    clusters = q.argmax(axis=1)
    members = [clusters == k for k in range(q.shape[1])]
    values = [_likelihood_of(z, column, ridge) for column in q.T]
    splits = [
        _split(z, column, ridge, graph, own, value)
        for column, own, value in zip(q.T, members, values, strict=True)
    ]
    for i, j in itertools.combinations(range(q.shape[1]), 2):
        overlap = graph.conductance(members[i], members[j])
        clear = [
            (k, split)
            for k, split in enumerate(splits)
            if split and k not in (i, j) and split.conductance < _CLEARLY * overlap
        ]
        if clear:
            merged = _likelihood_of(z, q[:, i] + q[:, j], ridge)
        for k, split in clear:
            gain = merged - values[i] - values[j] + split.gain
            yield gain, (i, j, k), split.halves


def _likelihood_of(z: np.ndarray, weights: np.ndarray, ridge: float) -> float:
    """What a cluster of the weights `[N]` adds to the complete-data log-likelihood.

    Up to a constant that all clusters together have in common.
    """
    size = weights.sum()
    if size < 1e-9:
        return 0.0
    (covariance,) = em.components(z, weights[:, None], ridge).covariances
    log_volume = np.linalg.slogdet(covariance)[1]
    return size * (math.log(size / len(z)) - 0.5 * log_volume)


def _split(
    z: np.ndarray,
    weights: np.ndarray,
    ridge: float,
    graph: NeighbourGraph,
    members: np.ndarray,
    value: float,
) -> _Split | None:
    """A cluster of the weights `[N]` in two; None if it has too few samples."""
    least = z.shape[1] + 1.0  # what a covariance needs
    if weights.sum() < 2.0 * least:
        return None
    halves = weights[:, None] * _two_components(z, weights, ridge)
    if halves.sum(axis=0).min() < least:
        return None
    gain = sum(_likelihood_of(z, half, ridge) for half in halves.T) - value
    is_first = halves[:, 0] >= halves[:, 1]
    conductance = graph.conductance(members & is_first, members & ~is_first)
    return _Split(halves, gain, conductance)


def _two_components(z: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Responsibilities `[N, 2]` of a mixture fitted to weighted samples.

    EM from 2-means along the first and along the second principal axis; the likelier.
    """
    kept = weights > 1e-3
    z, weights = z[kept], weights[kept]
    (mean,), (covariance,) = em.components(z, weights[:, None], ridge)
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :2]
    fits = [
        em.free_rounds(z, np.eye(2)[side], ridge, _SPLIT_ROUNDS, weights)
        for side in (_two_means((z - mean) @ axis, weights) for axis in axes.T)
    ]
    halves = np.full([len(kept), 2], 0.5)
    halves[kept] = max(fits, key=lambda fit: fit[0])[1]
    return halves


def _two_means(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The best 2-means of weighted points on a line: 0 or 1 for each, `[n]`."""
    order = np.argsort(points)
    sizes, sums = weights[order].cumsum(), (weights * points)[order].cumsum()
    # What lies between the means, for each cut: the most is the least within.
    lower = sums[:-1] ** 2 / sizes[:-1]
    upper = (sums[-1] - sums[:-1]) ** 2 / (sizes[-1] - sizes[:-1])
    side = np.ones(len(points), np.int64)
    side[order[: 1 + np.argmax(lower + upper)]] = 0
    return side
