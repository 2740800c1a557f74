"""Samplers to test ours against; they share no code with `mvhg_tf.distributions`.

`ExactUrn` holds Fisher's distribution itself, by log-sum-exp in float64 NumPy.
`sample_merged_scipy` is the reference of the paper's experiments: SciPy's
univariate draws, class by class, with the later classes merged into one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats


def _log_binomials(size: int) -> np.ndarray:
    counts = np.arange(size + 1)
    return (
        special.gammaln(size + 1)
        - special.gammaln(counts + 1)
        - special.gammaln(size - counts + 1)
    )


class ExactUrn:
    """Fisher's multivariate noncentral hypergeometric distribution of one urn.

    The class draws from `p(x_i | x_1 .. x_{i-1})`, which is proportional to
    `C(m_i, x_i) w_i^x_i Z_i(n - x_1 - .. - x_i)`, where `Z_i(k)`, the coefficient of
    `t^k` in the product of `(1 + w_j t)^m_j` over the classes `j > i`, comes from
    direct sums of non-negative terms in the log domain.

    Args:
      group_sizes: the c groups' sizes.
      total_count: how many elements are drawn.
      weights: the c positive weights.
    """

    def __init__(
        self, group_sizes: ArrayLike, total_count: int, weights: ArrayLike
    ) -> None:
        self.group_sizes = np.asarray(group_sizes)
        self.total_count = int(total_count)
        self.weights = np.asarray(weights, np.float64)
        self._log_terms = [
            _log_binomials(m) + np.arange(m + 1) * np.log(w)
            for m, w in zip(self.group_sizes, self.weights, strict=True)
        ]
        # log Z_i(k) for k = 0 .. n, from the last class to the first.
        empty = np.full(self.total_count + 1, -np.inf)
        empty[0] = 0.0
        self._log_suffixes = [empty]
        for log_terms in reversed(self._log_terms[1:]):
            self._log_suffixes.insert(0, self._convolve(log_terms))

    def _convolve(self, log_terms: np.ndarray) -> np.ndarray:
        remaining = np.arange(self.total_count + 1)[:, None]
        with np.errstate(divide="ignore"):  # log(0) = -inf is right here.
            return special.logsumexp(
                log_terms + self._log_suffix(0, remaining - np.arange(len(log_terms))),
                axis=1,
            )

    def _log_suffix(self, index: int, count: np.ndarray) -> np.ndarray:
        """log Z_index(count), which is -inf at negative counts."""
        return np.where(
            count >= 0, self._log_suffixes[index][np.maximum(count, 0)], -np.inf
        )

    def conditional(self, index: int, remaining: int) -> np.ndarray:
        """Probabilities `[m_i + 1]` of class `index`'s counts.

        Args:
          index: the class i.
          remaining: how many elements the classes from i on share.
        """
        log_terms = self._log_terms[index]
        rest = remaining - np.arange(len(log_terms))
        return special.softmax(log_terms + self._log_suffix(index, rest))

    def marginal(self, index: int) -> np.ndarray:
        """Probabilities `[m_i + 1]` of class `index`'s counts, the others unknown."""
        # The order of the classes is ours to choose: with class i first, its
        # conditional distribution is its marginal one.
        order = [index, *(j for j in range(len(self.group_sizes)) if j != index)]
        urn = ExactUrn(self.group_sizes[order], self.total_count, self.weights[order])
        return urn.conditional(0, self.total_count)

    def sample(self, num_draws: int, rng: np.random.Generator) -> np.ndarray:
        """Draws counts `[num_draws, c]`, class by class."""

        def draw(index: int, remaining: int, size: int) -> np.ndarray:
            row = self.conditional(index, remaining)
            return rng.choice(len(row), size=size, p=row)

        return _draw_by_remaining_count(
            draw, len(self.group_sizes), self.total_count, num_draws
        )


def sample_merged_scipy(
    group_sizes: ArrayLike,
    total_count: int,
    weights: ArrayLike,
    num_draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws counts `[num_draws, c]` as the paper's reference does (its eq. 3).

    Each class is drawn by `scipy.stats.nchypergeom_fisher` against one class that
    stands for all the later ones: of their joint size, with their mean weight. Where
    the weights of the merged classes differ, that is not Fisher's distribution.
    """
    sizes, weights = np.asarray(group_sizes), np.asarray(weights, np.float64)

    def draw(index: int, remaining: int, size: int) -> np.ndarray:
        own, later = sizes[index], sizes[index + 1 :]
        if not later.sum():
            return np.full(size, remaining)
        merged_weight = later @ weights[index + 1 :] / later.sum()
        return stats.nchypergeom_fisher.rvs(
            own + later.sum(),
            own,
            remaining,
            weights[index] / merged_weight,
            size=size,
            random_state=rng,
        )

    return _draw_by_remaining_count(draw, len(sizes), total_count, num_draws)


def _draw_by_remaining_count(
    draw: Callable[[int, int, int], np.ndarray],
    num_classes: int,
    total_count: int,
    num_draws: int,
) -> np.ndarray:
    """Draws class by class, all the draws of one remaining count in one call."""
    counts = np.zeros((num_draws, num_classes), np.int64)
    remaining = np.full(num_draws, total_count)
    for index in range(num_classes):
        for count in np.unique(remaining):
            chosen = np.flatnonzero(remaining == count)
            counts[chosen, index] = draw(index, int(count), len(chosen))
        remaining = remaining - counts[:, index]
    return counts
