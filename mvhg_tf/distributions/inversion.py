"""Draws by inverse CDF, group after group, each given the earlier ones.

Random bits are integers from the Philox counter, which are converted to floats here. So
the same seed gives the same draw in eager mode, in a graph and under XLA, which
TensorFlow's float samplers don't guarantee.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Shape,
    Size,
    Urn,
    Window,
    classes_first,
    classes_last,
    counts_row,
    take,
)

_BLOCK = 16


def uniform(shape: Shape, seed: tf.Tensor, dtype: tf.DType = CORE_DTYPE) -> tf.Tensor:
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


class Plan(NamedTuple):
    """How draws are looked up in cumulative probabilities.

    Attributes:
      shared: Whether to make a row for each number of elements that can be left to
        draw, and search it, rather than a row for each draw.
      direct: Whether a row is evaluated on the contour for each draw, rather than
        looked up in a table that all draws of an urn share.
      chunks: in how many parts the draws are taken, so that their rows fit into
        memory: int or int32 scalar; 1 under XLA.
      block: how many groups are drawn together first, and then apart; 0 for none.
    """

    shared: bool
    direct: bool
    chunks: Size
    block: int


class Group(NamedTuple):
    """The law of a group's count given the earlier ones.

    Attributes:
      start: the first count of its rows, `[B..., 1]` or `[1]`.
      rows: takes what is left to draw, `[A, B...]`, and gives the unnormalised
        probabilities of the counts, `[A, B..., R]`.
      left: the numbers that can be left to draw; `start` is `[B..., 1]` or `[1]`.
    """

    start: tf.Tensor
    rows: Callable[[tf.Tensor], tf.Tensor]
    left: Window


def draw_in_order(
    urn: Urn,
    law: Callable[[tf.Tensor], Group],
    num_draws: Size,
    how: Plan,
    seed: tf.Tensor,
    descending: bool | tf.Tensor = False,
) -> tf.Tensor:
    """Draws group after group, given the law of each given the earlier ones.

    Args:
      urn: the urns, of a full batch shape.
      law: gives the group of an index, int32 scalar.
      num_draws: S, int or int32 scalar.
      how: see `plan`.
      seed: stateless seed, int32 `[2]`.
      descending: Whether counts fall as the uniform numbers rise, bool `[B...]`. So
        what is left gives the same draw as what is drawn.

    Returns:
      float64 `[S, B..., c]`.
    """
    shape = ps.concat(
        [[urn.num_groups - 1, num_draws], ps.shape(urn.total_count)], axis=0
    )
    uniforms = uniform(shape, seed)
    uniforms = tf.where(descending, 1.0 - uniforms, uniforms)
    if tf.get_static_value(how.chunks) == 1:
        return _walk(urn, law, how.shared, uniforms)
    size = -(-num_draws // how.chunks)

    def chunk(k: tf.Tensor) -> tf.Tensor:
        # The last chunk is padded with the last draw, so that the chunks stack.
        index = tf.minimum(k * size + tf.range(size), num_draws - 1)
        return _walk(urn, law, False, tf.gather(uniforms, index, axis=1))

    drawn = tf.map_fn(
        chunk,
        tf.range(how.chunks),
        parallel_iterations=1,  # one chunk's memory
        fn_output_signature=CORE_DTYPE,
    )
    drawn = tf.reshape(drawn, ps.concat([[-1], ps.shape(drawn)[2:]], axis=0))
    return drawn[:num_draws]


def _walk(
    urn: Urn,
    law: Callable[[tf.Tensor], Group],
    shared: bool,
    uniforms: tf.Tensor,
) -> tf.Tensor:
    """From uniform numbers `[c - 1, S, B...]` to counts `[S, B..., c]`."""
    num_steps = ps.shape(uniforms)[0]
    sizes, later_sizes = sizes_within_reach(urn)
    drawn = tf.TensorArray(CORE_DTYPE, size=num_steps + 1)

    def step(
        i: tf.Tensor, left: tf.Tensor, drawn: tf.TensorArray, first: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        group, target = law(i), tf.gather(uniforms, i)
        if shared:
            only = Window(urn.total_count[..., tf.newaxis], 1)
            count = _invert_shared(group, only if first else group.left, left, target)
        else:
            count = _invert_own(group.rows(left), target)
        count += group.start[..., 0]
        # Rounding can't leave the support.
        count = tf.maximum(count, left - tf.gather(later_sizes, i))
        count = tf.minimum(count, tf.minimum(tf.gather(sizes, i), left))
        return i + 1, left - count, drawn.write(i, count)

    left = tf.broadcast_to(urn.total_count, ps.shape(uniforms)[1:])
    state = tf.constant(0), left, drawn
    if shared and tf.get_static_value(num_steps) != 0:
        state = step(*state, first=True)  # All draws share the only row.
    _, left, drawn = tf.while_loop(
        lambda i, *_: i < num_steps, step, state, maximum_iterations=num_steps
    )
    drawn = drawn.write(num_steps, left).stack()
    return classes_last(drawn[..., tf.newaxis])[..., 0]


def sizes_within_reach(urn: Urn) -> tuple[tf.Tensor, tf.Tensor]:
    """What each group can give, and all the groups after it: `[c, B...]` each."""
    sizes = groups_first(urn.reach())
    return sizes, tf.cumsum(sizes, axis=0, reverse=True, exclusive=True)


def groups_first(values: tf.Tensor) -> tf.Tensor:
    """`[B..., c]` -> `[c, B...]`."""
    return classes_first(values[..., tf.newaxis])[..., 0]


def _invert_own(row: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
    """Inverse CDF with a row for each draw: `[S, B..., R]`, `[S, B...]`."""
    shape, size = ps.shape(row)[:-1], ps.shape(row)[-1]
    # First the block of the row, then the place in it: under XLA the cumulative
    # sum of a whole row would evaluate the row anew for each partial sum.
    blocks = -(-size // _BLOCK)
    row = tf.reshape(row, ps.stack([-1, size]))
    row = tf.pad(row, ps.stack([[0, 0], [0, blocks * _BLOCK - size]]))
    row = tf.reshape(row, ps.stack([-1, blocks, _BLOCK]))
    cumulative = tf.cumsum(tf.reduce_sum(row, axis=-1), axis=-1)
    target = tf.reshape(uniforms, [-1]) * cumulative[:, -1]
    block = tf.minimum(count_below(cumulative, target), tf.cast(blocks, CORE_DTYPE) - 1)
    index = tf.cast(block, tf.int32)[:, tf.newaxis]
    before = take(tf.pad(cumulative, [[0, 0], [1, 0]]), index)
    row = tf.gather(row, index, batch_dims=1)[:, 0]
    place = count_below(before + tf.cumsum(row, axis=-1), target)
    return tf.reshape(block * _BLOCK + place, shape)


def _invert_shared(
    group: Group, window: Window, left: tf.Tensor, uniforms: tf.Tensor
) -> tf.Tensor:
    """Inverse CDF with a row for each number that can be left, and a search."""
    batch_shape = ps.shape(left)[1:]
    possible = tf.reshape(
        counts_row(window.size),
        ps.concat([[-1], ps.ones_like(batch_shape)], axis=0),
    )
    possible += window.start[..., 0]
    possible = tf.broadcast_to(
        possible, ps.concat([[window.size], batch_shape], axis=0)
    )
    cumulative = tf.cumsum(group.rows(possible), axis=-1)
    cumulative = tf.math.divide_no_nan(cumulative, cumulative[..., -1:])
    row = left - window.start[..., 0]
    row = tf.clip_by_value(row, 0.0, tf.cast(window.size, CORE_DTYPE) - 1.0)
    return search(cumulative, row, uniforms)


def count_below(cumulative: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """How many entries of a row of `[B..., R]` are at most the target, `[B...]`."""
    below = tf.cast(cumulative <= target[..., tf.newaxis], CORE_DTYPE)
    return tf.reduce_sum(below, axis=-1)


def search(cumulative: tf.Tensor, rows: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
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
    def further(bit: Size, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        place = found + bit
        value = tf.gather(flat, start + tf.minimum(place, size) - 1)
        return bit // 2, tf.where((place <= size) & (value <= target), place, found)

    static = tf.get_static_value(size)
    if static is not None:
        bit = 1 << (int(static).bit_length() - 1)
        while bit:
            bit, found = further(bit, found)
    else:
        greatest = tf.bitwise.left_shift(1, _log2(size))
        _, found = tf.while_loop(lambda bit, _: bit > 0, further, (greatest, found))
    return tf.cast(found, CORE_DTYPE)


def _log2(size: tf.Tensor) -> tf.Tensor:
    """The place of the highest bit of a positive int32."""
    exact = tf.math.log(tf.cast(size, CORE_DTYPE) + 0.5) / math.log(2.0)
    return tf.cast(tf.math.floor(exact), tf.int32)
