"""Hypergeometric prior: the cluster sizes of a batch depend on one another."""

from typing import Any

import numpy as np
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.clustering.checks import check_choice
from mvhg_tf.clustering.priors.base import ClusterPrior
from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.normalizer import log_normalizer_and_mean
from mvhg_tf.runs.errors import UserError

_BATCH_SIZE = 128  # of the paper; stands until the model is fitted
_LEAST_SHARE = 1e-6  # keeps log weights finite where a cluster starts empty


@register_keras_serializable(package="mvhg_tf")
class HypergeometricPrior(ClusterPrior):
    """Sizes drawn without replacement: the paper's prior (iii), section 5.3.

    A batch of n samples takes x_k = sum_i c_ik of the m_k elements that cluster k
    holds, with trainable weights omega:

        p(x; omega) = prod_k C(m_k, x_k) omega_k^x_k / Z(n, m, omega).

    So samples are not independent: each sample in a cluster makes the next one there
    less likely. The paper specifies neither m nor whether p(c) is the probability of
    the sizes or of one assignment with those sizes, so both are options.

    Fractional sizes (`counts="expected"`) enter through the gamma function. Beyond the
    support, x_k > m_k, the log of the number of ways continues as the parabola with the
    same value, slope and curvature at m_k. So log p(c) stays concave, and falls faster
    the further a cluster exceeds m_k, whatever its weight. A batch of another size than
    n, such as the last of an epoch, is scaled to n.

    `log_weights` exaggerate imbalance: the expected share of a cluster,
    `proportions()`, is the mean of the distribution over n. This mean is used as pi in
    the responsibilities (eq. 63), because it is p(c_i = k).

    Args:
      group_sizes: m_k, the same for all clusters. "batch" (default): m_k = n = B;
        nearly a multinomial over the batch, a cluster may take all of it. A whole
        number: m_k = that, n = B; the smaller, the nearer to equal sizes (at B / K,
        exactly equal; it must be at least that). "data": m_k = n = N; the batch
        stands for the whole data, its sizes scaled by N / B.
      probability_of: "assignment" (default): p(c) is the probability of one
        assignment with the sizes x, p(x) / (n! / prod_k x_k!), as eq. 55, which sums
        over assignments, needs; it tends to the categorical prior as m grows.
        "sizes": p(c) is p(x), as the words of section 5.3 say, which adds the log
        multinomial coefficient, a reward for even sizes.
      counts: "expected" (default): x_k = sum of the responsibilities; no noise.
        "sampled": x_k = sum of the straight-through draws (eq. 62, L = 1).

    Raises:
      UserError: a ValueError, if an argument is not one of these.
    """

    def __init__(
        self,
        group_sizes: str | int = "batch",
        probability_of: str = "assignment",
        counts: str = "expected",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        whole = isinstance(group_sizes, int | np.integer) and group_sizes > 0
        if not whole and group_sizes not in ("batch", "data"):
            raise UserError(
                f'group_sizes is {group_sizes!r}, but must be "batch", "data" or a '
                "positive whole number: pass one of these."
            )
        check_choice("probability_of", probability_of, ("assignment", "sizes"))
        check_choice("counts", counts, ("expected", "sampled"))
        self.group_sizes = int(group_sizes) if whole else group_sizes
        self.probability_of = probability_of
        self.counts = counts

    def build(self, num_clusters: int) -> None:
        self.log_weights = self.add_weight(
            shape=[num_clusters], initializer="zeros", name="log_weights"
        )
        # n is a variable, so that it is saved: predictions of a loaded model need it.
        self.total_count = self.add_weight(
            shape=[], initializer="zeros", trainable=False, name="total_count"
        )
        self.total_count.assign(self._total_count_of(_BATCH_SIZE, _BATCH_SIZE))
        if isinstance(self.group_sizes, int):
            most = num_clusters * self.group_sizes
            self.total_count.assign(min(_BATCH_SIZE, most))
        super().build(num_clusters)

    def check_sizes(self, batch_size: int, num_samples: int) -> None:
        size = self.group_sizes
        if isinstance(size, int) and self.num_clusters * size < batch_size:
            raise UserError(
                f"group_sizes is {size}, but {self.num_clusters} clusters "
                f"must hold a batch of {batch_size}: pass at least "
                f"{-(-batch_size // self.num_clusters)}, or a smaller batch_size."
            )

    def configure(self, batch_size: int, num_samples: int) -> None:
        total_count = self._total_count_of(batch_size, num_samples)
        if total_count != int(self.total_count):
            proportions = self.proportions()
            self.total_count.assign(total_count)
            self.set_proportions(proportions)

    def distribution(self) -> MultivariateFisherNoncentralHypergeometric:
        """The distribution of the cluster sizes, event shape `[K]`."""
        total_count = tf.convert_to_tensor(self.total_count)
        return MultivariateFisherNoncentralHypergeometric(
            total_count,
            tf.fill([self.num_clusters], self._group_size(total_count)),
            log_weights=tf.convert_to_tensor(self.log_weights),
            gradient_estimator=None,
        )

    def log_proportions(self) -> tf.Tensor:
        _, sizes = log_normalizer_and_mean(self.distribution().urn())
        shares = tf.cast(sizes, tf.float32) / self.total_count
        return tf.math.log(tf.maximum(shares, _LEAST_SHARE))

    def expected_log_prob(
        self, responsibilities: tf.Tensor, assignments: tf.Tensor
    ) -> tf.Tensor:
        chosen = responsibilities if self.counts == "expected" else assignments
        usage = tf.reduce_mean(tf.cast(chosen, tf.float64), axis=0)
        total_count = tf.cast(tf.convert_to_tensor(self.total_count), tf.float64)
        value = self.log_prob(usage * total_count) / total_count
        return tf.cast(value, tf.float32)

    def log_prob(self, sizes: tf.Tensor) -> tf.Tensor:
        """log p(c) of assignments with the sizes x, whole or not.

        Args:
          sizes: float64 `[K]`, nonnegative with the sum n. For those above m_k, see the
            class docstring on sizes beyond the support.

        Returns:
          float64 scalar: of one assignment, or of the sizes (`probability_of`).
        """
        distribution = self.distribution()
        group_sizes = tf.cast(distribution.group_sizes, tf.float64)
        ways = _log_ways(group_sizes, sizes, ordered=self.probability_of != "sizes")
        if self.probability_of == "assignment":
            total_count = tf.cast(distribution.total_count, tf.float64)
            ways -= tf.math.lgamma(total_count + 1.0) / self.num_clusters
        log_weights = tf.cast(distribution.log_weights, tf.float64)
        value = tf.reduce_sum(ways + sizes * log_weights)
        return value - log_normalizer_and_mean(distribution.urn())[0]

    def set_proportions(self, proportions: np.ndarray) -> None:
        total_count = float(self.total_count)
        size = float(self._group_size(total_count))
        shares = np.maximum(np.asarray(proportions, np.float64), _LEAST_SHARE)
        # No cluster can be expected to give more than it holds.
        shares = np.minimum(shares / shares.sum(), 0.999 * size / total_count)
        log_odds = _log_odds(shares * total_count / size)
        self.log_weights.assign(log_odds - log_odds.mean())

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "group_sizes": self.group_sizes,
            "probability_of": self.probability_of,
            "counts": self.counts,
        }

    def _total_count_of(self, batch_size: int, num_samples: int) -> int:
        return num_samples if self.group_sizes == "data" else batch_size

    def _group_size(self, total_count: tf.Tensor) -> float | tf.Tensor:
        if isinstance(self.group_sizes, int):
            return float(self.group_sizes)
        return total_count


def _log_ways(group_sizes: tf.Tensor, sizes: tf.Tensor, ordered: bool) -> tf.Tensor:
    """The log of the ways to take x of m elements, `[K]` and `[K]` -> `[K]`.

    Args:
      group_sizes: m, float64.
      sizes: x, float64; above m, the Taylor polynomial of degree 2 at m is used.
      ordered: whether elements are taken one after the other, m! / (m - x)!, rather
        than together, C(m, x).
    """
    inside = tf.minimum(sizes, group_sizes)
    ways = tf.math.lgamma(group_sizes + 1.0)
    ways -= tf.math.lgamma(group_sizes - inside + 1.0)
    one = tf.ones_like(group_sizes)
    slope, curvature = tf.math.digamma(one), -tf.math.polygamma(one, one)
    if not ordered:
        ways -= tf.math.lgamma(inside + 1.0)
        slope -= tf.math.digamma(group_sizes + 1.0)
        curvature -= tf.math.polygamma(one, group_sizes + 1.0)
    beyond = sizes - inside
    return ways + beyond * (slope + 0.5 * beyond * curvature)


def _log_odds(taken: np.ndarray) -> np.ndarray:
    """Log weights for which the mean counts have these shares, `[K]`.

    Treats the counts as binomial given their sum: exact for large groups, approximate
    for small ones.
    """
    taken = np.clip(taken, 1e-9, 1 - 1e-6)
    return np.log(taken) - np.log1p(-taken)
