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


def support_size(urn: Urn) -> tf.Tensor:
    """How many vectors of counts have a positive probability, `[B...]`.

    Exact up to 2^53, then rounded; infinite beyond 1.8e308.
    """
    urn = urn.broadcast()
    sums = counts_row(urn.num_sums)
    reach = classes_first(urn.reach()[..., tf.newaxis])[..., 0]

    def step(i, ways):
        # Multiply by 1 + t + ... + t^m: a running sum less itself, m + 1 later.
        running = tf.cumsum(ways, axis=-1)
        before = sums - tf.gather(reach, i)[..., tf.newaxis] - 1.0
        index = tf.cast(tf.maximum(before, 0.0), tf.int32)
        earlier = take(running, index)
        return i + 1, running - tf.where(before >= 0.0, earlier, 0.0)

    none = tf.cast(tf.equal(sums, 0.0), CORE_DTYPE)
    shape = ps.concat([ps.shape(urn.total_count), ps.shape(none)], axis=0)
    _, ways = tf.while_loop(
        lambda i, _: i < urn.num_groups,
        step,
        (tf.constant(0), tf.broadcast_to(none, shape)),
        maximum_iterations=urn.num_groups,
    )
    index = tf.cast(urn.total_count, tf.int32)
    index = tf.clip_by_value(index, 0, urn.max_draws)
    value = take(ways, index[..., tf.newaxis])[..., 0]
    return tf.where(urn.is_possible(), value, 0.0)


def mode(urn: Urn) -> tf.Tensor:
    """The likeliest counts, `[B..., c]`; ties go to the groups that come first.

    log p is a sum of concave functions of the counts: adding the (x+1)-th
    element of group i gains log((m_i - x) / (x + 1)) + log_weights_i, which
    falls in x. So the mode takes the n greatest gains. Group i has floor((m_i +
    1) omega_i / (omega_i + threshold)) gains above a threshold, which is found by
    bisection.
    """
    urn = urn.broadcast()
    reach = urn.reach()
    log_weights = tf.where(reach > 0.0, urn.log_weights, 0.0)
    slack = tf.math.log1p(reach) + 1.0
    low = tf.reduce_min(log_weights - slack, axis=-1)
    high = tf.reduce_max(log_weights + slack, axis=-1)

    def above(threshold):
        share = tf.math.sigmoid(log_weights - threshold[..., tf.newaxis])
        return tf.math.floor(tf.minimum((reach + 1.0) * share, reach))

    def step(i, low, high):
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
    before = tf.cumsum(ties, axis=-1, exclusive=True)
    extra = tf.clip_by_value(missing[..., tf.newaxis] - before, 0.0, ties)
    possible = urn.is_possible()[..., tf.newaxis]
    return tf.where(possible, certain + extra, np.nan)
