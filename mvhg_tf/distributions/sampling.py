"""Exact draws: how the law of each group given the earlier ones is looked up.

The probabilities come from the contour of `contour.py`, and are drawn from by
`inversion.py`.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer
from mvhg_tf.distributions.binomials import probability
from mvhg_tf.distributions.cached import in_xla
from mvhg_tf.distributions.contour import Factors, Later, factors, later, waves
from mvhg_tf.distributions.inversion import (
    Group,
    Plan,
    count_below,
    draw_in_order,
    groups_first,
    search,
    sizes_within_reach,
    uniform,
)
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    Window,
    classes_first,
    count_window,
    counts_row,
    log_binomial_rows,
    sum_window,
    take,
    window_sizes,
)

# Of a group's index, the window of its counts and their probabilities.
Unit: TypeAlias = Callable[[tf.Tensor], tuple[Window, tf.Tensor]]

# Numbers in the rows that are held at a time: 64 MB.
_MOST_HELD = 2**23
# Rows are evaluated one by one for so few draws of an urn.
_FEW_DRAWS = 2
# So many groups are drawn in blocks.
_MANY_GROUPS = 256
# Apart from the draw's own seed, so that what blocks give is shared independently.
_BLOCK_SALT = np.array([0x3C6EF372, 0x1B0CC175], np.int32)


def plan(urn: Urn, num_draws: Size) -> Plan:
    """The fastest way to draw, from the sizes where they are known.

    Args:
      urn: the urns.
      num_draws: S; taken for many, in one part, if it is not known when the graph is
        made.
    """
    num_draws = tf.get_static_value(num_draws)
    num_urns = tf.get_static_value(ps.reduce_prod(urn.batch_shape()))
    sizes = window_sizes(urn)
    if num_draws is None or num_urns is None or sizes is None:
        return Plan(shared=False, direct=False, chunks=1, block=0)
    num_counts, num_left = sizes
    num_left = 1 if urn.is_pair else num_left
    row = int(max(num_urns, 1)) * num_counts
    shared = num_draws > num_left + 8 and row * num_left <= _MOST_HELD
    chunks = -(-int(num_draws) * row // _MOST_HELD)
    if shared or chunks <= 1 or in_xla():
        chunks = 1
    elif tf.executing_eagerly():
        chunks = tf.constant(chunks)  # One graph for any number.
    few = bool(num_draws <= _FEW_DRAWS)
    num_groups = tf.get_static_value(urn.num_groups) or 0
    block = 2 ** (int(num_groups).bit_length() // 2)
    block = block if few and num_groups >= _MANY_GROUPS else 0
    return Plan(bool(shared), few, chunks, block)


def draw(urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor) -> tf.Tensor:
    """Exact draws.

    Args:
      urn: the urns.
      num_draws: S, int or int32 scalar.
      how: see `plan`.
      seed: stateless seed, int32 `[2]`.

    Returns:
      float64 `[S, B..., c]`, whole numbers that sum to `n`.
    """
    urn = urn.broadcast()
    if urn.is_pair:
        return _draw_pair(urn, num_draws, how, seed)
    few, turned = urn.fewer()
    by = _draw_blocks if how.block else _draw_groups
    drawn = by(few, turned, num_draws, how, seed)
    return tf.where(turned[..., tf.newaxis], urn.reach() - drawn, drawn)


def _draw_groups(
    urn: Urn, turned: tf.Tensor, num_draws: Size, how: Plan, seed: tf.Tensor
) -> tf.Tensor:
    at = factors(urn)
    unit = _units_in_windows(urn, at) if urn.windowed else _units(urn, at)
    law = _law(urn, at, urn.group_sizes * probability(at.logits), unit, how.direct)
    return draw_in_order(urn, law, num_draws, how, seed, turned)


def _units(urn: Urn, at: Factors) -> Unit:
    """The probabilities of all counts of each group, as `_law` asks for them."""
    sizes, logits = urn.group_sizes[..., tf.newaxis], at.logits[..., tf.newaxis]
    counts = counts_row(urn.num_counts)
    own = classes_first(tf.exp(log_binomial_rows(sizes, counts, logits)))
    window = Window(tf.zeros([1], CORE_DTYPE), urn.num_counts)
    return lambda i: (window, tf.gather(own, i))


def _units_in_windows(urn: Urn, at: Factors) -> Unit:
    """As `_units`, group by group, because few of many have wide windows."""
    sizes, logits = groups_first(urn.group_sizes), groups_first(at.logits)

    def unit(i: tf.Tensor) -> tuple[Window, tf.Tensor]:
        size = tf.gather(sizes, i)[..., tf.newaxis]
        logit = tf.gather(logits, i)[..., tf.newaxis]
        window = count_window(urn._replace(group_sizes=size), logit)
        window = window._replace(start=window.start[..., 0, :])
        return window, tf.exp(log_binomial_rows(size, window.counts(), logit))

    return unit


def _draw_blocks(
    urn: Urn, turned: tf.Tensor, num_draws: Size, how: Plan, seed: tf.Tensor
) -> tf.Tensor:
    """First how many elements each block of groups gives, then each as an urn.

    Both are loops over about the root of the number of groups.
    """
    del turned  # No other way gives the same draw.
    num_groups = urn.num_groups
    num_blocks = -(-num_groups // how.block)

    def blocks(values: tf.Tensor) -> tf.Tensor:
        """`[..., c]` -> `[..., c / block, block]`, filled up with zeros."""
        shape = ps.shape(values)[:-1]
        missing = ps.concat([shape, [num_blocks * how.block - num_groups]], axis=0)
        values = tf.concat([values, tf.zeros(missing, values.dtype)], axis=-1)
        return tf.reshape(values, ps.concat([shape, [num_blocks, how.block]], axis=0))

    inner = urn._replace(
        group_sizes=blocks(urn.group_sizes), log_weights=blocks(urn.log_weights)
    )
    outer = urn._replace(
        group_sizes=tf.reduce_sum(inner.reach(), axis=-1),
        log_weights=tf.zeros_like(inner.log_weights[..., 0]),
    )
    law = _law_of_blocks(urn, blocks, how.direct)
    sums = draw_in_order(outer, law, num_draws, how, seed)
    # Under one tilt all blocks have their own mean; given its sum, each has another.
    inner = inner._replace(
        total_count=sums,
        max_fewer=urn.max_draws,
        max_variance=ps.minimum(urn.max_draws, urn.max_total / 4.0),
    )
    how = how._replace(direct=True, block=0)
    seed = tf.bitwise.bitwise_xor(seed, _BLOCK_SALT)
    drawn = draw(inner, 1, how, seed)[0]
    shape = ps.concat([ps.shape(sums)[:-1], [-1]], axis=0)
    return tf.reshape(drawn, shape)[..., :num_groups]


def _law_of_blocks(
    urn: Urn, blocks: Callable[[tf.Tensor], tf.Tensor], direct: bool
) -> Callable[[tf.Tensor], Group]:
    """Of the sums of blocks of groups, from the contour alone."""
    at = factors(urn)
    mean = urn.group_sizes * probability(at.logits)
    variance = groups_first(_sums(blocks(mean * probability(-at.logits))))
    mean = _sums(blocks(mean))

    def summed(terms: tf.Tensor) -> tf.Tensor:
        turned = blocks(tf.linalg.matrix_transpose(terms))  # [B..., K', c / b, b]
        return tf.linalg.matrix_transpose(_sums(turned))

    at = at._replace(log_modulus=summed(at.log_modulus), phase=summed(at.phase))
    modulus, phase = classes_first(at.log_modulus), classes_first(at.phase)
    means = groups_first(mean)

    def unit(i: tf.Tensor) -> tuple[Window, tf.Tensor]:
        window = sum_window(urn, tf.gather(means, i), tf.gather(variance, i))
        turns = at.angles * window.start - tf.gather(phase, i)
        own = waves(at, tf.exp(tf.gather(modulus, i)) * at.measure, turns, window.size)
        return window, tf.maximum(own, 0.0)

    return _law(urn, at, mean, unit, direct)


def _sums(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=-1)


def _law(
    urn: Urn,
    at: Factors,
    expected: tf.Tensor,
    unit: Unit,
    direct: bool,
) -> Callable[[tf.Tensor], Group]:
    """The law of groups, or of blocks of them, one after the other.

    Args:
      urn: the urns.
      at: the factors of the groups or blocks.
      expected: their means if they were independent, `[B..., c]`.
      unit: gives the window of the counts of one of them, and their probabilities if
        it were independent, `[B..., R]`.
      direct: see `Plan`.
    """
    following = Later(*map(classes_first, later(at)))
    expected = groups_first(tf.cumsum(expected, axis=-1, reverse=True))
    sums_of = _sums_direct if direct else _sums_in_table

    def group(i: tf.Tensor) -> Group:
        window, own = unit(i)
        phi = Later(*(tf.gather(terms, i) for terms in following))
        phi = phi._replace(log_modulus=tf.exp(phi.log_modulus) * at.measure)
        sums = sums_of(urn, at, phi, window)

        def rows(left: tf.Tensor) -> tf.Tensor:
            rest = left[..., tf.newaxis] - window.counts()
            return own * tf.where(rest >= 0.0, sums(left), 0.0)

        return Group(window.start, rows, sum_window(urn, tf.gather(expected, i)))

    return group


def _sums_direct(
    urn: Urn, at: Factors, phi: Later, window: Window
) -> Callable[[tf.Tensor], tf.Tensor]:
    """P(S_{>i} = left - x) as a function of left `[A, B...]`, to `[A, B..., R]`."""
    del urn

    def sums(left: tf.Tensor) -> tf.Tensor:
        phase = phi.phase - at.angles * (left[..., tf.newaxis] - window.start)
        modulus = tf.broadcast_to(phi.log_modulus, ps.shape(phase))
        return tf.maximum(waves(at, modulus, phase, window.size), 0.0)

    return sums


def _sums_in_table(
    urn: Urn, at: Factors, phi: Later, window: Window
) -> Callable[[tf.Tensor], tf.Tensor]:
    """As `_sums_direct`: one table of P(S_{>i} = k), of the period K or shorter."""
    width = ps.minimum(urn.num_sums, at.num_points)
    table = tf.maximum(waves(at, phi.log_modulus, -phi.phase, width), 0.0)

    def sums(left: tf.Tensor) -> tf.Tensor:
        period = tf.cast(width, CORE_DTYPE)
        first = tf.math.floormod(left[..., tf.newaxis] - window.start, period)
        index = tf.cast(first, tf.int32) - tf.range(window.size)
        index = tf.math.floormod(index, width)
        shape = ps.concat([ps.shape(left), [width]], axis=0)
        return take(tf.broadcast_to(table, shape), index)

    return sums


def _draw_pair(urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor) -> tf.Tensor:
    """Two groups need no table and no loop."""
    at = normalizer.pair(urn)
    cumulative = tf.cumsum(at.probs(), axis=-1)
    shape = ps.concat([[num_draws], urn.batch_shape()], axis=0)
    sizes, later_sizes = sizes_within_reach(urn)
    uniforms = uniform(shape, seed)
    if how.shared:
        first = search(cumulative[tf.newaxis], tf.zeros(shape), uniforms)
    else:
        first = count_below(cumulative, uniforms)
    first = tf.clip_by_value(
        first + at.window.start[..., 0],
        tf.maximum(urn.total_count - later_sizes[0], 0.0),
        tf.minimum(sizes[0], urn.total_count),
    )
    return tf.stack([first, urn.total_count - first], axis=-1)
