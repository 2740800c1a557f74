"""Exact draws by inverse CDF, group after group.

Random bits are whole integers from the Philox counter, made into floats by
hand: that gives the same draw for the same seed in eager mode, in a graph and
under XLA, which the float samplers of TensorFlow don't.
"""

from collections.abc import Callable

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer
from mvhg_tf.distributions.contour import factors, later_sums
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    classes_first,
    classes_last,
    counts_row,
    log_group_rows,
    take,
)

_BLOCK = 16


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


def many(urn: Urn, num_draws: Size) -> bool:
    """Whether a search in shared rows costs less than a row for each draw.

    Args:
      urn: the urns.
      num_draws: S; taken for few if it is not known when the graph is made.

    Returns:
      The `share_rows` of `draw`.
    """
    num_draws = tf.get_static_value(num_draws)
    num_rows = 1 if urn.is_pair else tf.get_static_value(urn.num_sums)
    if num_draws is None or num_rows is None:
        return False
    return bool(num_draws > num_rows + 8)


def draw(urn: Urn, num_draws: Size, share_rows: bool, seed: tf.Tensor) -> tf.Tensor:
    """Exact draws.

    Args:
      urn: the urns.
      num_draws: S, int or int32 scalar.
      share_rows: whether to make a row for each number that can be left, and
        search it, rather than a row for each draw: see `many`.
      seed: stateless seed, int32 `[2]`.

    Returns:
      float64 `[S, B..., c]`, whole numbers that sum to `n`.
    """
    urn = urn.broadcast()
    if urn.is_pair:
        return _draw_pair(urn, num_draws, share_rows, seed)
    at = factors(urn)
    rows = classes_first(tf.exp(log_group_rows(urn, at.log_tilt)))
    later = classes_first(later_sums(urn, at))

    def weights(i, left):
        row, sums = tf.gather(rows, i), tf.gather(later, i)
        rest = left[..., tf.newaxis] - counts_row(urn.num_counts)
        return row * tf.where(rest >= 0.0, _at_period(sums, rest), 0.0)

    return draw_in_order(urn, weights, num_draws, share_rows, seed)


def draw_in_order(
    urn: Urn,
    weights: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    num_draws: Size,
    share_rows: bool,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Draws group after group, given the law of each given the earlier ones.

    Args:
      urn: the urns, of a full batch shape.
      weights: takes a group i (int32 scalar) and how many elements are left to
        draw (`[A, B...]`), and gives the unnormalised probabilities of the
        group's counts, `[A, B..., R]`.
      num_draws: S, int or int32 scalar.
      share_rows: as in `draw`.
      seed: stateless seed, int32 `[2]`.

    Returns:
      float64 `[S, B..., c]`.
    """
    shape = ps.concat([[num_draws], ps.shape(urn.total_count)], axis=0)
    num_steps = urn.num_groups - 1
    uniforms = uniform(ps.concat([[num_steps], shape], axis=0), seed)
    sizes, later_sizes = _sizes_within_reach(urn)
    invert = _invert_shared if share_rows else _invert_own
    drawn = tf.TensorArray(CORE_DTYPE, size=num_steps + 1)

    def step(i, left, drawn):
        count = invert(urn, lambda k: weights(i, k), left, tf.gather(uniforms, i))
        # Rounding can't leave the support.
        count = tf.maximum(count, left - tf.gather(later_sizes, i))
        count = tf.minimum(count, tf.minimum(tf.gather(sizes, i), left))
        return i + 1, left - count, drawn.write(i, count)

    _, left, drawn = tf.while_loop(
        lambda i, *_: i < num_steps,
        step,
        (tf.constant(0), tf.broadcast_to(urn.total_count, shape), drawn),
        maximum_iterations=num_steps,
    )
    drawn = drawn.write(num_steps, left).stack()
    return classes_last(drawn[..., tf.newaxis])[..., 0]


def _draw_pair(
    urn: Urn, num_draws: Size, share_rows: bool, seed: tf.Tensor
) -> tf.Tensor:
    """Two groups need no table and no loop."""
    row = tf.nn.softmax(normalizer.pair_logits(urn))
    shape = ps.concat([[num_draws], urn.batch_shape()], axis=0)
    sizes, later_sizes = _sizes_within_reach(urn)
    uniforms = uniform(shape, seed)
    if share_rows:
        first = _search(tf.cumsum(row, axis=-1)[tf.newaxis], tf.zeros(shape), uniforms)
    else:
        first = _count_below(tf.cumsum(row, axis=-1), uniforms)
    first = tf.clip_by_value(
        first,
        tf.maximum(urn.total_count - later_sizes[0], 0.0),
        tf.minimum(sizes[0], urn.total_count),
    )
    return tf.stack([first, urn.total_count - first], axis=-1)


def _sizes_within_reach(urn: Urn) -> tuple[tf.Tensor, tf.Tensor]:
    """What each group can give, and all the groups after it: `[c, B...]` each."""
    sizes = classes_first(urn.reach()[..., tf.newaxis])[..., 0]
    return sizes, tf.cumsum(sizes, axis=0, reverse=True, exclusive=True)


def _at_period(sums: tf.Tensor, rest: tf.Tensor) -> tf.Tensor:
    """`sums[..., rest mod W]`: `[B..., W]`, `[A, B..., R]` -> `[A, B..., R]`."""
    width = ps.shape(sums)[-1]
    index = tf.math.floormod(tf.cast(rest, tf.int32), width)
    sums = tf.broadcast_to(sums, ps.concat([ps.shape(rest)[:-1], [width]], axis=0))
    return take(sums, index)


def _invert_own(urn: Urn, weights, left: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Inverse CDF with a row for each draw."""
    del urn
    row = weights(left)
    shape, size = ps.shape(row)[:-1], ps.shape(row)[-1]
    # First the block of the row, then the place in it: under XLA the cumulative
    # sum of a whole row would evaluate the row anew for each partial sum.
    blocks = -(-size // _BLOCK)
    row = tf.reshape(row, ps.stack([-1, size]))
    row = tf.pad(row, ps.stack([[0, 0], [0, blocks * _BLOCK - size]]))
    row = tf.reshape(row, ps.stack([-1, blocks, _BLOCK]))
    cumulative = tf.cumsum(tf.reduce_sum(row, axis=-1), axis=-1)
    target = tf.reshape(uniforms, [-1]) * cumulative[:, -1]
    block = tf.minimum(
        _count_below(cumulative, target), tf.cast(blocks, CORE_DTYPE) - 1
    )
    index = tf.cast(block, tf.int32)[:, tf.newaxis]
    before = take(tf.pad(cumulative, [[0, 0], [1, 0]]), index)
    row = tf.gather(row, index, batch_dims=1)[:, 0]
    place = _count_below(before + tf.cumsum(row, axis=-1), target)
    return tf.reshape(block * _BLOCK + place, shape)


def _invert_shared(
    urn: Urn, weights, left: tf.Tensor, uniforms: tf.Tensor
) -> tf.Tensor:
    """Inverse CDF with a row for each number that can be left, and a search."""
    batch_shape = ps.shape(urn.total_count)
    all_left = tf.reshape(
        counts_row(urn.num_sums),
        ps.concat([[-1], ps.ones_like(batch_shape)], axis=0),
    )
    all_left = tf.broadcast_to(
        all_left, ps.concat([[urn.num_sums], batch_shape], axis=0)
    )
    cumulative = tf.cumsum(weights(all_left), axis=-1)
    total = cumulative[..., -1:]
    cumulative = tf.math.divide_no_nan(cumulative, total)
    return _search(cumulative, left, uniforms)


def _count_below(cumulative: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    below = tf.cast(cumulative <= target[..., tf.newaxis], CORE_DTYPE)
    return tf.reduce_sum(below, axis=-1)


def _search(cumulative: tf.Tensor, rows: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Binary search for how many entries of a row are at most the target.

    Args:
      cumulative: `[A, B..., R]`, ascending.
      rows: which of the A rows, whole numbers `[S, B...]`.
      target: `[S, B...]`.

    Returns:
      float64 `[S, B...]`.
    """
    size = ps.shape(cumulative)[-1]
    num_batch = ps.reduce_prod(ps.shape(cumulative)[1:-1])
    flat = tf.reshape(cumulative, [-1])
    within = tf.reshape(tf.range(num_batch), ps.shape(cumulative)[1:-1])
    start = (tf.cast(rows, tf.int32) * num_batch + within) * size
    found = tf.zeros_like(start)
    # found entries are known to be at most the target; steps of halving size.
    for bit in _bits(size):
        further = found + bit
        value = tf.gather(flat, start + tf.minimum(further, size) - 1)
        found = tf.where((further <= size) & (value <= target), further, found)
    return tf.cast(found, CORE_DTYPE)


def _bits(size) -> list[int]:
    """Powers of two up to `size`, the greatest first."""
    static = tf.get_static_value(size)
    bits = 30 if static is None else int(static).bit_length()
    return [1 << bit for bit in range(bits - 1, -1, -1)]
