"""The support and the mode of the distribution."""

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.urn import CORE_DTYPE, Urn, classes_first, counts_row, take

# Enough halvings to tell two float64 numbers apart.
_BISECTIONS = 80


def minimum(urn: Urn) -> tf.Tensor:
    """The least count of each group in the support, `[B..., c]`."""
    reach = urn.reach()
    others = tf.reduce_sum(reach, axis=-1, keepdims=True) - reach
    return tf.maximum(urn.total_count[..., tf.newaxis] - others, 0.0)


def maximum(urn: Urn) -> tf.Tensor:
    """The greatest count of each group in the support, `[B..., c]`."""
    return tf.minimum(urn.reach(), urn.total_count[..., tf.newaxis])


def beyond(urn_p: Urn, urn_q: Urn) -> tf.Tensor:
    """Whether p allows counts that q does not, bool `[B...]`."""
    more = maximum(urn_p) > urn_q.reach()
    other = urn_p.total_count != urn_q.total_count
    return tf.reduce_any(more, axis=-1) | other


def support_size(urn: Urn) -> tf.Tensor:
    """How many vectors of counts have a positive probability, `[B...]`.

    With each further group, the ways to draw k elements are sums of m + 1 neighbouring
    entries of the previous group's. Only positive numbers are added: exact up to 2^53,
    then rounded; infinite beyond 1.8e308.
    """
    urn, _ = urn.fewer()  # The number of vectors left is the same.
    reach = classes_first(urn.reach()[..., tf.newaxis])[..., 0]
    sums = counts_row(urn.num_sums)
    none = tf.cast(tf.equal(sums, 0.0), CORE_DTYPE)
    shape = ps.concat([ps.shape(urn.total_count), ps.shape(none)], axis=0)
    _, ways = tf.while_loop(
        lambda i, _: i < urn.num_groups,
        lambda i, ways: (i + 1, _sums_of_neighbours(ways, tf.gather(reach, i) + 1.0)),
        (tf.constant(0), tf.broadcast_to(none, shape)),
        maximum_iterations=urn.num_groups,
    )
    index = tf.clip_by_value(urn.total_count, 0.0, urn.max_draws)
    index = tf.cast(index, tf.int32)
    value = take(ways, index[..., tf.newaxis])[..., 0]
    return tf.where(urn.is_possible(), value, 0.0)


def _sums_of_neighbours(ways: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """`sum_{j < length} ways[k - j]`: sums of 1, 2, 4, ..., put together.

    Args:
      ways: `[B..., N + 1]`.
      length: whole numbers from 1 on, `[B...]`.

    Returns:
      `[B..., N + 1]`.
    """
    size = tf.cast(ps.shape(ways)[-1], CORE_DTYPE)
    length = tf.minimum(length, size)[..., tf.newaxis]

    def earlier(values: tf.Tensor, by: tf.Tensor) -> tf.Tensor:
        index = counts_row(ps.shape(values)[-1]) - by
        index = tf.broadcast_to(index, tf.shape(values))
        taken = take(values, tf.cast(tf.maximum(index, 0.0), tf.int32))
        return tf.where(index >= 0.0, taken, 0.0)

    def step(
        bit: tf.Tensor, doubled: tf.Tensor, total: tf.Tensor, covered: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        has_bit = tf.math.floormod(tf.math.floor(length / bit), 2.0) == 1.0
        total = tf.where(has_bit, total + earlier(doubled, covered), total)
        covered += tf.where(has_bit, bit, 0.0)
        return 2.0 * bit, doubled + earlier(doubled, bit), total, covered

    _, _, total, _ = tf.while_loop(
        lambda bit, *_: bit <= size,
        step,
        (tf.ones([], CORE_DTYPE), ways, tf.zeros_like(ways), tf.zeros_like(length)),
    )
    return total


def mode(urn: Urn) -> tf.Tensor:
    """The likeliest counts, `[B..., c]`; ties go to the groups that come first.

    log p is a sum of concave functions of the counts: adding the (x+1)-th
    element of group i gains log((m_i - x) / (x + 1)) + log_weights_i, which
    falls in x. So the mode takes the n greatest gains. Group i has floor((m_i +
    1) omega_i / (omega_i + threshold)) gains above a threshold, which is found by
    bisection.
    """
    possible = urn.is_possible()[..., tf.newaxis]
    urn, turned = urn.fewer()
    turned = turned[..., tf.newaxis]
    reach = urn.reach()
    log_weights = tf.where(reach > 0.0, urn.log_weights, 0.0)
    slack = tf.math.log1p(reach) + 1.0
    low = tf.reduce_min(log_weights - slack, axis=-1)
    high = tf.reduce_max(log_weights + slack, axis=-1)

    def above(threshold: tf.Tensor) -> tf.Tensor:
        share = tf.math.sigmoid(log_weights - threshold[..., tf.newaxis])
        return tf.math.floor(tf.minimum((reach + 1.0) * share, reach))

    def step(i: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, ...]:
        middle = 0.5 * (low + high)
        enough = tf.reduce_sum(above(middle), axis=-1) >= urn.total_count
        return i + 1, tf.where(enough, middle, low), tf.where(enough, high, middle)

    _, low, high = tf.while_loop(
        lambda i, *_: i < _BISECTIONS,
        step,
        (tf.constant(0), low, high),
        maximum_iterations=_BISECTIONS,
    )
    # The gains between the two thresholds are ties.
    certain = above(high)
    ties = above(low) - certain
    missing = urn.total_count - tf.reduce_sum(certain, axis=-1)
    # What is left comes from the groups that are last.
    before = tf.where(
        turned,
        tf.cumsum(ties, axis=-1, exclusive=True, reverse=True),
        tf.cumsum(ties, axis=-1, exclusive=True),
    )
    extra = tf.clip_by_value(missing[..., tf.newaxis] - before, 0.0, ties)
    value = certain + extra
    return tf.where(possible, tf.where(turned, reach - value, value), np.nan)
