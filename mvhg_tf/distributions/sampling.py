"""Exact draws by inverse CDF, group after group.

Random bits are whole integers from the Philox counter, made into floats by
hand: that gives the same draw for the same seed in eager mode, in a graph and
under XLA, which the float samplers of TensorFlow don't.
"""

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer, tables
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import CORE_DTYPE, Urn, counts_row


def uniform(shape, seed: tf.Tensor, dtype: tf.DType = CORE_DTYPE) -> tf.Tensor:
    """Uniform draws from the open interval (0, 1).

    Args:
      shape: the shape.
      seed: stateless seed, int32 `[2]`.
      dtype: float64 (52 random bits) or float32 (23).

    Returns:
      `shape`, never 0 nor 1.
    """
    # An odd integer over a power of two: it is never rounded.
    bits = 52 if dtype == tf.float64 else 23
    source = tf.uint64 if dtype == tf.float64 else tf.uint32
    raw = tf.random.stateless_uniform(
        shape, seed, minval=None, maxval=None, dtype=source, alg="philox"
    )
    shift = tf.constant(source.size * 8 - bits, source)
    value = tf.cast(tf.bitwise.right_shift(raw, shift), dtype)
    return (value + 0.5) * tf.constant(2.0**-bits, dtype)


def draw(urn: Urn, num_draws, seed: tf.Tensor) -> tf.Tensor:
    """Exact draws.

    Args:
      urn: the urns.
      num_draws: S, int or int32 scalar.
      seed: stateless seed, int32 `[2]`.

    Returns:
      float64 `[S, B..., c]`, whole numbers that sum to `n`.
    """
    urn = urn.broadcast()
    if urn.is_pair:
        return _draw_pair(urn, num_draws, seed)
    tilt = log_tilt(urn)
    log_rows = tables.log_group_rows(urn, tilt)
    rows = tables.classes_first(tf.exp(log_rows))
    later = tables.later_sums(urn, log_rows)
    num_steps = urn.num_groups - 1
    draws_shape = ps.concat([[num_draws], urn.batch_shape()], axis=0)
    uniforms = uniform(ps.concat([[num_steps], draws_shape], axis=0), seed)
    sizes = tables.classes_first(
        tf.broadcast_to(urn.group_sizes, ps.shape(urn.log_weights))[..., tf.newaxis]
    )[..., 0]
    drawn = tf.TensorArray(CORE_DTYPE, size=num_steps)

    def step(i, left, drawn):
        value = _draw_group(
            tf.gather(rows, i), tf.gather(later, i), left, tf.gather(uniforms, i)
        )
        value = tf.minimum(value, tf.minimum(tf.gather(sizes, i), left))
        return i + 1, left - value, drawn.write(i, value)

    _, last, drawn = tf.while_loop(
        lambda i, *_: i < num_steps,
        step,
        (tf.constant(0), tf.broadcast_to(urn.total_count, draws_shape), drawn),
        maximum_iterations=num_steps,
    )
    drawn = tf.concat([drawn.stack(), last[tf.newaxis]], axis=0)
    rank = ps.rank(drawn)
    return tf.transpose(drawn, ps.concat([ps.range(1, rank), [0]], axis=0))


def _draw_pair(urn: Urn, num_draws, seed: tf.Tensor) -> tf.Tensor:
    row = tf.nn.softmax(normalizer.pair_logits(urn))
    shape = ps.concat([[num_draws], urn.batch_shape()], axis=0)
    first = _invert(row, uniform(shape, seed))
    # Rounding of the cumulative sum can't leave the support.
    first = tf.clip_by_value(
        first,
        tf.maximum(urn.total_count - urn.group_sizes[..., 1], 0.0),
        tf.minimum(urn.group_sizes[..., 0], urn.total_count),
    )
    return tf.stack([first, urn.total_count - first], axis=-1)


def _draw_group(
    row: tf.Tensor, later: tf.Tensor, left: tf.Tensor, uniforms: tf.Tensor
) -> tf.Tensor:
    """One group's counts `[S, B...]`, `left` elements still to be drawn.

    Args:
      row: the group's own probabilities, `[B..., R]`.
      later: those of the sum of the groups after it, `[B..., N + 1]`.
      left: `[S, B...]`.
      uniforms: `[S, B...]`.

    Returns:
      `[S, B...]`.
    """
    num_sums = ps.shape(later)[-1]
    rest = left[..., tf.newaxis] - counts_row(ps.shape(row)[-1])
    batch_rank = ps.rank(row) - 1
    later = tf.broadcast_to(later, ps.concat([ps.shape(left), [num_sums]], axis=0))
    index = tf.cast(tf.maximum(rest, 0.0), tf.int32)
    possible = tf.gather(later, index, batch_dims=batch_rank + 1)
    return _invert(row * tf.where(rest >= 0.0, possible, 0.0), uniforms)


def _invert(row: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Inverse CDF of unnormalised rows `[..., R]` at `uniforms` `[...]`."""
    cumulative = tf.cumsum(row, axis=-1)
    target = (uniforms * cumulative[..., -1])[..., tf.newaxis]
    below = tf.cast(cumulative <= target, CORE_DTYPE)
    return tf.reduce_sum(below, axis=-1)
