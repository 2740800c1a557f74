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
      max_variance: an upper bound of the variance of the sum of independent
        binomials of mean `n`: `n (1 - n / sum(m))`, by concavity.
    """

    total_count: tf.Tensor
    group_sizes: tf.Tensor
    log_weights: tf.Tensor
    max_draws: Size
    max_size: Size
    max_total: Size
    max_variance: float | tf.Tensor

    @property
    def num_groups(self) -> Size:
        """`c`, static where it can be."""
        return ps.maximum(
            ps.shape(self.log_weights)[-1], ps.shape(self.group_sizes)[-1]
        )

    @property
    def is_pair(self) -> bool:
        """Whether there are two groups: then one row of logits says it all."""
        return tf.get_static_value(self.num_groups) == 2

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

    def reach(self) -> tf.Tensor:
        """How many elements of each group can be drawn at all, `[B..., c]`."""
        return tf.where(self.log_weights > -np.inf, self.group_sizes, 0.0)

    def is_possible(self) -> tf.Tensor:
        """Whether `n` elements can be drawn, bool `[B...]`."""
        reach = tf.reduce_sum(self.reach(), axis=-1)
        return (self.total_count >= 0.0) & (self.total_count <= reach)

    def in_support(self, counts: tf.Tensor) -> tf.Tensor:
        """Whether counts `[..., c]` have a positive probability, bool `[...]`."""
        possible = (counts >= 0.0) & (counts <= self.reach())
        possible &= tf.math.floor(counts) == counts
        complete = tf.reduce_sum(counts, axis=-1) == self.total_count
        return tf.reduce_all(possible, axis=-1) & complete

    def broadcast(self, batch_shape=None) -> "Urn":
        """The same urns with `n` and `log_weights` of the full batch shape.

        `m` keeps its own shape, so that rows of log factorials are computed
        once for a batch that shares its groups.

        Args:
          batch_shape: a greater one to broadcast to; by default the urns' own.
        """
        if batch_shape is None:
            batch_shape = self.batch_shape()
        shape = ps.concat([batch_shape, [self.num_groups]], axis=0)
        return self._replace(
            total_count=tf.broadcast_to(self.total_count, batch_shape),
            log_weights=tf.broadcast_to(self.log_weights, shape),
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
        **_bounds(total_count, group_sizes),
    )


def _bounds(total_count: tf.Tensor, group_sizes: tf.Tensor) -> dict:
    """The bounds of `Urn`, static where both parameters are."""
    static = [tf.get_static_value(value) for value in (total_count, group_sizes)]
    if any(value is None for value in static):
        draws = tf.cast(total_count, CORE_DTYPE)
        sizes = tf.cast(group_sizes, CORE_DTYPE)
        greatest, as_size, as_float = tf.reduce_max, _dynamic_size, tf.identity
    else:
        draws, sizes = (np.asarray(value, np.float64) for value in static)
        greatest, as_size, as_float = _static_max, _static_size, float
    total = ps.reduce_sum(sizes, axis=-1)
    variance = draws * (1.0 - draws / ps.maximum(total, 1.0))
    return {
        "max_draws": as_size(greatest(draws)),
        "max_size": as_size(greatest(sizes)),
        "max_total": as_size(greatest(total)),
        "max_variance": as_float(ps.maximum(greatest(variance), 0.0)),
    }


def _static_max(values: np.ndarray) -> float:
    return np.max(values, initial=0.0)


def _static_size(value: float) -> int:
    return max(int(value), 0)


def _dynamic_size(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.maximum(value, 0.0), tf.int32)


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


def log_group_rows(urn: Urn, tilt: tf.Tensor) -> tf.Tensor:
    """Log-probabilities of each group's count, were the groups independent.

    Args:
      urn: the urns.
      tilt: log t, float64 `[B...]`.

    Returns:
      float64 `[B..., c, R]`: `log Binomial(x; m_i, p_i)` for x = 0..R-1.
    """
    counts = counts_row(urn.num_counts)
    sizes = urn.group_sizes[..., tf.newaxis]
    logits = (urn.log_weights + tilt[..., tf.newaxis])[..., tf.newaxis]
    rest = tf.maximum(sizes - counts, 0.0)
    return (
        log_choose(sizes, counts)
        + tf.math.multiply_no_nan(tf.math.log_sigmoid(logits), counts)
        + rest * tf.math.log_sigmoid(-logits)
    )


def classes_first(rows: tf.Tensor) -> tf.Tensor:
    """`[B..., c, R]` -> `[c, B..., R]`, for loops over the groups."""
    rank = ps.rank(rows)
    order = ps.concat([[rank - 2], ps.range(rank - 2), [rank - 1]], axis=0)
    return tf.transpose(rows, order)


def classes_last(rows: tf.Tensor) -> tf.Tensor:
    """`[c, B..., R]` -> `[B..., c, R]`."""
    rank = ps.rank(rows)
    order = ps.concat([ps.range(1, rank - 1), [0], [rank - 1]], axis=0)
    return tf.transpose(rows, order)


def take(table: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`table[..., index]`: `[A..., L]` and int32 `[A..., R]` to `[A..., R]`.

    As `tf.gather` with `batch_dims`, which needs to know the rank of `A`.
    """
    flat = tf.reshape(table, ps.stack([-1, ps.shape(table)[-1]]))
    flat_index = tf.reshape(index, ps.stack([-1, ps.shape(index)[-1]]))
    return tf.reshape(tf.gather(flat, flat_index, batch_dims=1), ps.shape(index))
