"""The law of each group's count given the earlier ones."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.binomials import log_choose
from mvhg_tf.distributions.urn import Size, Urn, counts_row, take


def conditional_logits(urn: Urn, log_later: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Unnormalised log p(x_i | left), all groups but the last.

    Args:
      urn: the urns, of a full batch shape.
      log_later: float64 `[B..., c - 1, N + 1]`.
      left: what is left to draw, float64 `[S, B..., c - 1]`.

    Returns:
      float64 `[S, B..., c - 1, R]`.
    """
    counts = counts_row(urn.num_counts)
    sizes = urn.group_sizes[..., :-1, tf.newaxis]
    log_weights = urn.log_weights[..., :-1, tf.newaxis]
    own = log_choose(sizes, counts) + tf.math.multiply_no_nan(log_weights, counts)
    return own + reflect_shared(log_later, left, urn.num_counts, -np.inf)


def reflect_shared(
    table: tf.Tensor, left: tf.Tensor, size: Size, outside: float
) -> tf.Tensor:
    """`reflect` of a table that all draws share, `[B..., L]`, with its gradient."""
    length = ps.shape(table)[-1]

    @tf.custom_gradient
    def value(table: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # A gather again, which is faster than the scatter of autodiff.
            return tf.reduce_sum(reflect(upstream, left, length, 0.0), axis=0)

        shape = ps.concat([ps.shape(left), [length]], axis=0)
        return reflect(tf.broadcast_to(table, shape), left, size, outside), gradient

    return value(table)


def reflect(table: tf.Tensor, left: tf.Tensor, size: Size, outside: float) -> tf.Tensor:
    """`table[..., left - x]` for x = 0..size-1.

    Args:
      table: `[S, B..., L]`.
      left: whole numbers, `[S, B...]`.
      size: int.
      outside: the value where there is none.

    Returns:
      `[S, B..., size]`.
    """
    index = tf.cast(left, tf.int32)[..., tf.newaxis] - tf.range(size)
    inside = (index >= 0) & (index < ps.shape(table)[-1])
    value = take(table, tf.where(inside, index, 0))
    return tf.where(inside, value, tf.constant(outside, table.dtype))
