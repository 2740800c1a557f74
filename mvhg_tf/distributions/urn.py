"""The parameters of a batch of urns, and rows of log binomial coefficients."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

# Tables, normalisers and draws are computed in double precision whatever the
# dtype of the distribution: log n! has lost its last digits in float32 long
# before n = 5000, and draws that agree between eager mode and XLA need
# cumulative probabilities that agree to far more than the 24 bits of float32.
CORE_DTYPE = tf.float64

Size = int | tf.Tensor


class Urn(NamedTuple):
    """A batch of urns; batch shapes broadcast against each other.

    Attributes:
      total_count: `n`, the draws, float64 `[B...]`.
      group_sizes: `m`, the elements of each group, float64 `[B..., c]`.
      log_weights: `log omega`, float64 `[B..., c]`.
      max_draws: an upper bound of `n` over the batch: a Python int where it is
        known when the graph is made (XLA needs that), else an int32 scalar.
      max_size: the same of `m`.
      max_total: the same of `sum(m)`.
    """

    total_count: tf.Tensor
    group_sizes: tf.Tensor
    log_weights: tf.Tensor
    max_draws: Size
    max_size: Size
    max_total: Size

    @property
    def num_groups(self) -> Size:
        """`c`, static where it can be."""
        return ps.shape(self.log_weights)[-1]

    @property
    def is_pair(self) -> bool:
        """Whether there are two groups: then one row of logits says it all."""
        return self.log_weights.shape[-1] == 2

    @property
    def num_counts(self) -> Size:
        """Counts that a group can have, `0..min(max(m), max(n))`."""
        return ps.minimum(self.max_size, self.max_draws) + 1

    @property
    def num_sums(self) -> Size:
        """Sums that several groups can have, `0..max(n)`."""
        return self.max_draws + 1

    def batch_shape(self):
        """The broadcast batch shape, static where it can be."""
        return ps.broadcast_shape(
            ps.shape(self.total_count),
            ps.broadcast_shape(
                ps.shape(self.group_sizes)[:-1], ps.shape(self.log_weights)[:-1]
            ),
        )

    def broadcast(self) -> "Urn":
        """The same urns with `n` and `log_weights` of the full batch shape.

        `m` keeps its own shape, so that rows of log factorials are computed
        once for a batch that shares its groups.
        """
        batch_shape = self.batch_shape()
        event_shape = [self.num_groups]
        return self._replace(
            total_count=tf.broadcast_to(self.total_count, batch_shape),
            log_weights=tf.broadcast_to(
                self.log_weights, ps.concat([batch_shape, event_shape], axis=0)
            ),
        )


def make_urn(
    total_count: tf.Tensor, group_sizes: tf.Tensor, log_weights: tf.Tensor
) -> Urn:
    """Casts the parameters to float64, and reads the table sizes from them.

    Args:
      total_count: `n`, `[B...]`.
      group_sizes: `m`, `[B..., c]`.
      log_weights: `[B..., c]`.

    Returns:
      The urns.
    """
    return Urn(
        total_count=tf.cast(total_count, CORE_DTYPE),
        group_sizes=tf.cast(group_sizes, CORE_DTYPE),
        log_weights=tf.cast(log_weights, CORE_DTYPE),
        max_draws=_maximum(total_count),
        max_size=_maximum(group_sizes),
        max_total=_maximum(group_sizes, sum_groups=True),
    )


def _maximum(parameter: tf.Tensor, sum_groups: bool = False) -> Size:
    """The greatest entry of an integer-valued parameter, static if it can be."""
    static = tf.get_static_value(parameter)
    if static is not None:
        static = np.sum(static, axis=-1) if sum_groups else static
        return max(int(np.max(static, initial=0)), 0)
    parameter = tf.reduce_sum(parameter, axis=-1) if sum_groups else parameter
    greatest = tf.cast(tf.reduce_max(parameter), tf.int32)
    return tf.maximum(greatest, 0)


def counts_row(size: Size) -> tf.Tensor:
    """`[0, 1, ..., size - 1]` in float64."""
    return tf.range(tf.cast(size, CORE_DTYPE), dtype=CORE_DTYPE)


def log_choose(sizes: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """`log C(m, x)`, with `-inf` outside `0 <= x <= m`; shapes broadcast."""
    inside = (counts >= 0.0) & (counts <= sizes)
    counts = tf.where(inside, counts, 0.0)
    value = (
        tf.math.lgamma(sizes + 1.0)
        - tf.math.lgamma(counts + 1.0)
        - tf.math.lgamma(sizes - counts + 1.0)
    )
    return tf.where(inside, value, -np.inf)
