"""Full-covariance EM on embeddings, with and without clusters of equal size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

_BALANCED_ROUNDS = 60
_ORDINARY_ROUNDS = 100
_SINKHORN_ROUNDS = 10
_TOLERANCE = 1e-5  # nats a sample


class Components(NamedTuple):
    """Normal distributions: `means` `[K, d]` and `covariances` `[K, d, d]`."""

    means: np.ndarray
    covariances: np.ndarray


def fit_free(
    z: np.ndarray, num_clusters: int, ridge: float, starts: int, seed: int
) -> np.ndarray:
    """Clusters of any size: scikit-learn's mixture, the likeliest of its starts.

    Args:
      z: embeddings, float64 `[N, d]`.
      num_clusters: K.
      ridge: added to the variances.
      starts: how many, at least 1.
      seed: of the starts.

    Returns:
      Responsibilities, float64 `[N, K]`.
    """
    mixture = GaussianMixture(
        num_clusters, reg_covar=ridge, n_init=starts, random_state=seed
    )
    return mixture.fit(z).predict_proba(z)


def fit_balanced(
    z: np.ndarray, num_clusters: int, ridge: float, starts: int, seed: int
) -> np.ndarray:
    """Clusters of equal size: EM whose E-steps divide the samples evenly.

    Sinkhorn's iterations scale the responsibilities so that every cluster has N / K
    samples. This keeps one cluster from absorbing two classes, and two clusters from
    splitting one, which traps free EM. Half of the starts are k-means, half random. The
    likeliest under the constraint continues with ordinary EM at weights 1 / K. (Without
    it, the likeliest mixture may well be one with clusters of other sizes.)

    Arguments and returns as in `fit_free`.
    """
    rng = np.random.default_rng(seed)
    tried = []
    for index in range(starts):
        first = _kmeans_start if index < (starts + 1) // 2 else _random_start
        q = first(z, num_clusters, rng)
        tried.append(_rounds(z, q, ridge, balanced, _BALANCED_ROUNDS))
    _, best = max(tried, key=lambda result: result[0])
    return _rounds(z, best, ridge, _ordinary, _ORDINARY_ROUNDS)[1]


def balanced(log_densities: np.ndarray) -> np.ndarray:
    """Responsibilities `[N, K]` with about N / K samples for each cluster.

    Args:
      log_densities: log p(z_i | k), `[N, K]`.
    """
    q = softmax(log_densities, axis=1)
    even = len(q) / q.shape[1]
    for _ in range(_SINKHORN_ROUNDS):
        q *= even / np.maximum(q.sum(axis=0), 1e-300)
        q /= q.sum(axis=1, keepdims=True)
    return q


def _ordinary(log_densities: np.ndarray) -> np.ndarray:
    return softmax(log_densities, axis=1)


def components(z: np.ndarray, q: np.ndarray, ridge: float) -> Components:
    """The M-step: means and covariances of `z` `[N, d]` under `q` `[N, K]`."""
    shares = q / np.maximum(q.sum(axis=0), 1e-9)
    means = shares.T @ z
    covariances = np.empty([q.shape[1], z.shape[1], z.shape[1]])
    for k, mean in enumerate(means):
        centred = z - mean
        covariances[k] = (shares[:, k, None] * centred).T @ centred
    return Components(means, covariances + ridge * np.eye(z.shape[1]))


def log_densities(z: np.ndarray, at: Components) -> np.ndarray:
    """log N(z_i; mean_k, covariance_k), `[N, d]` -> `[N, K]`."""
    factors = np.linalg.cholesky(at.covariances)
    log_scales = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    squares = np.empty([len(z), len(factors)])
    for k, whiten in enumerate(np.linalg.inv(factors)):
        squares[:, k] = np.square((z - at.means[k]) @ whiten.T).sum(axis=1)
    constant = 0.5 * z.shape[1] * math.log(2.0 * math.pi)
    return -(0.5 * squares + log_scales + constant)


def _rounds(
    z: np.ndarray,
    q: np.ndarray,
    ridge: float,
    e_step: Callable[[np.ndarray], np.ndarray],
    num_rounds: int,
) -> tuple[float, np.ndarray]:
    """EM from the responsibilities: log-likelihood a sample, and the last ones."""
    before = -math.inf
    for _ in range(num_rounds):
        log_p = log_densities(z, components(z, q, ridge))
        likelihood = logsumexp(log_p, axis=1).mean() - math.log(q.shape[1])
        q = e_step(log_p)
        if abs(likelihood - before) < _TOLERANCE:
            break
        before = likelihood
    return likelihood, q


def free_rounds(
    z: np.ndarray,
    q: np.ndarray,
    ridge: float,
    num_rounds: int,
    weights: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """EM without constraints on the clusters' sizes.

    Args:
      z: embeddings, float64 `[N, d]`.
      q: responsibilities to begin with, `[N, K]`.
      ridge: added to the variances.
      num_rounds: at most, at least 1.
      weights: of the samples, `[N]`; by default all count alike.

    Returns:
      The complete-data log-likelihood a sample, and the responsibilities, `[N, K]`.
    """
    before = -math.inf
    weights = np.ones(len(z)) if weights is None else weights
    for _ in range(num_rounds):
        weighted = q * weights[:, None]
        shares = weighted.sum(axis=0) / weights.sum()
        log_joint = log_densities(z, components(z, weighted, ridge))
        log_joint += np.log(np.maximum(shares, 1e-300))
        log_p = logsumexp(log_joint, axis=1)
        q = np.exp(log_joint - log_p[:, None])
        likelihood = np.average(log_p, weights=weights)
        if abs(likelihood - before) < _TOLERANCE:
            break
        before = likelihood
    return float(np.average((q * log_joint).sum(axis=1), weights=weights)), q


def _kmeans_start(
    z: np.ndarray, num_clusters: int, rng: np.random.Generator
) -> np.ndarray:
    seed = int(rng.integers(2**31))
    clusters = KMeans(num_clusters, n_init=1, random_state=seed).fit_predict(z)
    return np.eye(num_clusters)[clusters]


def _random_start(
    z: np.ndarray, num_clusters: int, rng: np.random.Generator
) -> np.ndarray:
    """Each sample to the nearest of K samples, in units of the spread."""
    z = (z - z.mean(axis=0)) / np.maximum(z.std(axis=0), 1e-12)
    centres = z[rng.choice(len(z), num_clusters, replace=False)]
    squares = np.square(z[:, None] - centres).sum(axis=-1)
    return np.eye(num_clusters)[squares.argmin(axis=1)]
