"""The paper's approximation: all later groups are merged into one.

Group i is drawn given the earlier ones from a univariate distribution against one group
of M = sum_{j>i} m_j elements with the mean weight sum_{j>i} m_j omega_j / M (the
paper's equation 3). That is Fisher's distribution only where the merged weights are
equal, and it depends on the order of the groups. It is kept to reproduce the paper. The
functions are those of a `law.Law`.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import support
from mvhg_tf.distributions.binomials import log_choose
from mvhg_tf.distributions.inversion import Group, Plan, draw_in_order
from mvhg_tf.distributions.relaxation.conditionals import reflect
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    Window,
    classes_first,
    classes_last,
    counts_row,
    take,
)


def log_later(urn: Urn, dtype: tf.DType) -> tf.Tensor:
    """log of the merged group's weight for k left to draw: `[B..., c - 1, N + 1]`."""
    del dtype
    # A group of weight zero must not count: with its elements, the merged group would
    # hold more than can be drawn.
    sizes = urn.reach()[..., 1:]
    merged_sizes = tf.cumsum(sizes, axis=-1, reverse=True)
    present = sizes > 0.0
    log_sizes = tf.where(present, tf.math.log(tf.where(present, sizes, 1.0)), -np.inf)
    log_masses = _finite(urn.log_weights[..., 1:] + log_sizes)
    # Not cumulative_logsumexp, whose second derivative is NaN.
    num_later = ps.shape(log_masses)[-1]
    is_later = tf.range(num_later) >= tf.range(num_later)[:, tf.newaxis]
    log_masses = tf.where(is_later, log_masses[..., tf.newaxis, :], -np.inf)
    log_mass = tf.reduce_logsumexp(log_masses, axis=-1)
    log_weights = log_mass - tf.math.log(tf.maximum(merged_sizes, 1.0))
    sums = counts_row(urn.num_sums)
    return log_choose(merged_sizes[..., tf.newaxis], sums) + (
        log_weights[..., tf.newaxis] * sums
    )


def _finite(log_values: tf.Tensor) -> tf.Tensor:
    """Replaces minus infinity, whose differences are NaN; e^-1e4 is as good as 0."""
    return tf.where(log_values > -1e4, log_values, -1e4)


def draw(urn: Urn, num_draws: Size, how: Plan, seed: tf.Tensor) -> tf.Tensor:
    """Draws `[S, B..., c]`; arguments as in `sampling.draw`."""
    urn = urn.broadcast()
    own = classes_first(_own_logits(urn))
    later = classes_first(log_later(urn, CORE_DTYPE))
    nothing = tf.zeros([1], CORE_DTYPE)

    def law(i: tf.Tensor) -> Group:
        def rows(left: tf.Tensor) -> tf.Tensor:
            table = tf.gather(later, i)
            table = tf.broadcast_to(
                table, ps.concat([ps.shape(left), ps.shape(table)[-1:]], axis=0)
            )
            rest = reflect(table, left, urn.num_counts, -np.inf)
            return tf.nn.softmax(_no_nan(tf.gather(own, i) + rest))

        return Group(nothing, rows, Window(nothing, urn.num_sums))

    return draw_in_order(urn, law, num_draws, how, seed)


def log_prob(urn: Urn, counts: tf.Tensor) -> tf.Tensor:
    """Log-probability of draws in the order of the groups, `[..., B...]`."""
    urn = urn.broadcast()
    inside = urn.in_support(counts)
    shape = ps.broadcast_shape(ps.shape(counts), ps.shape(urn.log_weights))
    counts = tf.broadcast_to(tf.where(inside[..., tf.newaxis], counts, 0.0), shape)
    batch_rank = ps.rank(urn.total_count)
    flat = tf.reshape(
        counts, ps.concat([[-1], shape[ps.size(shape) - batch_rank - 1 :]], axis=0)
    )
    left = urn.total_count[..., tf.newaxis] - tf.cumsum(flat, axis=-1, exclusive=True)
    table = log_later(urn, CORE_DTYPE)
    left = left[..., :-1]
    table = tf.broadcast_to(
        table, ps.concat([ps.shape(left), ps.shape(table)[-1:]], axis=0)
    )
    logits = _own_logits(urn)[..., :-1, :] + reflect(
        table, left, urn.num_counts, -np.inf
    )
    log_probs = tf.nn.log_softmax(_no_nan(logits))
    index = tf.cast(flat[..., :-1], tf.int32)[..., tf.newaxis]
    chosen = take(log_probs, index)[..., 0]
    value = tf.reshape(tf.reduce_sum(chosen, axis=-1), shape[:-1])
    return tf.where(inside, value, -float("inf"))


def mean(urn: Urn) -> tf.Tensor:
    """E[x], `[B..., c]`."""
    return _walk(urn.broadcast()).mean


def covariance(urn: Urn) -> tf.Tensor:
    """Cov[x], `[B..., c, c]`."""
    walk = _walk(urn.broadcast())
    return walk.second - walk.mean[..., :, tf.newaxis] * walk.mean[..., tf.newaxis, :]


def variance(urn: Urn) -> tf.Tensor:
    """The diagonal of Cov[x], `[B..., c]`."""
    return tf.maximum(tf.linalg.diag_part(covariance(urn)), 0.0)


def mean_vjp(urn: Urn, vector: tf.Tensor) -> tf.Tensor:
    """The gradient of `vector . mean` in `log_weights`, `[B..., c]`."""
    log_weights = urn.log_weights
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        value = mean(urn)
    return tape.gradient(value, log_weights, output_gradients=vector)


def marginal_probs(urn: Urn) -> tf.Tensor:
    """P(x_i = x) of every group, `[B..., c, R]`."""
    return _walk(urn.broadcast()).marginals


def marginal_log_prob(urn: Urn, group: int, size: Size) -> tf.Tensor:
    """log P(x_group = x) for x = 0..size-1, `[B..., size]`."""
    row = marginal_probs(urn)[..., group, :]
    row = row[..., :size]
    missing = ps.stack([[0, ps.maximum(size - ps.shape(row)[-1], 0)]])
    none = ps.zeros([ps.rank(row) - 1, 2], tf.int32)
    row = tf.pad(row, ps.concat([none, missing], axis=0))
    # A plain logarithm of 0 has the same value, but makes gradients NaN.
    positive = row > 0.0
    return tf.where(positive, tf.math.log(tf.where(positive, row, 1.0)), -np.inf)


def entropy(urn: Urn) -> tf.Tensor:
    """`[B...]`."""
    return -_walk(urn.broadcast()).expected_log_prob


def kl_divergence(urn_p: Urn, urn_q: Urn) -> tf.Tensor:
    """`[B...]`, of urns of any `n` and `m`."""
    shape = ps.broadcast_shape(urn_p.batch_shape(), urn_q.batch_shape())
    urn_p, urn_q = urn_p.broadcast(shape), urn_q.broadcast(shape)
    apart = support.beyond(urn_p, urn_q)
    possible = urn_p.is_possible() & urn_q.is_possible()
    # Rows of one length.
    bounds = {
        name: ps.maximum(getattr(urn_p, name), getattr(urn_q, name))
        for name in ("max_draws", "max_size")
    }
    urn_p, urn_q = urn_p._replace(**bounds), urn_q._replace(**bounds)
    own, crossed = _walk(urn_p), _walk(urn_p, urn_q)
    value = tf.maximum(own.expected_log_prob - crossed.expected_log_prob, 0.0)
    return tf.where(possible, tf.where(~apart, value, np.inf), np.nan)


class _Walk(NamedTuple):
    """What a walk through the groups gathers under the law p.

    Attributes:
      mean: `[B..., c]`.
      second: E[x_i x_j], `[B..., c, c]`.
      marginals: P(x_i = x), `[B..., c, R]`.
      expected_log_prob: E_p[log q(x)], `[B...]`.
    """

    mean: tf.Tensor
    second: tf.Tensor
    marginals: tf.Tensor
    expected_log_prob: tf.Tensor


def _walk(urn: Urn, scored: Urn | None = None) -> _Walk:
    """Carries the law of what is left from group to group.

    Args:
      urn: p, of a full batch shape.
      scored: q, with rows of the same length; p itself if None.
    """
    scored = urn if scored is None else scored
    num_groups = urn.num_groups
    counts, sums = counts_row(urn.num_counts), counts_row(urn.num_sums)
    batch_shape = ps.shape(urn.total_count)
    grid = tf.broadcast_to(sums, ps.concat([batch_shape, [urn.num_sums]], axis=0))
    logits, scored_logits = _all_logits(urn, grid), _all_logits(scored, grid)

    def step(
        i: tf.Tensor,
        law: tf.Tensor,
        joint: tf.Tensor,
        expected: tf.Tensor,
        first: tf.TensorArray,
        second: tf.TensorArray,
        marginals: tf.TensorArray,
    ) -> tuple[Any, ...]:
        # law[k] = P(left = k); joint[j, k] = E[x_j; left = k] for j < i.
        row = tf.nn.softmax(tf.gather(logits, i))
        log_row = tf.nn.log_softmax(tf.gather(scored_logits, i))
        # Where neither law has support: its minus infinity would make gradients NaN.
        log_row = tf.where(log_row > -np.inf, log_row, 0.0)
        mean_given = tf.linalg.matvec(row, counts)
        square_given = tf.linalg.matvec(row, counts**2)
        own = tf.one_hot(i, num_groups, dtype=CORE_DTYPE)
        expected += tf.reduce_sum(law * tf.reduce_sum(log_row * row, -1), -1)
        cross = tf.linalg.matvec(joint, mean_given)
        cross += own * tf.reduce_sum(law * square_given, -1)[..., tf.newaxis]
        first = first.write(i, tf.reduce_sum(law * mean_given, -1))
        second = second.write(i, cross)
        marginals = marginals.write(i, tf.linalg.matvec(row, law, transpose_a=True))
        move = reflect(row, grid, urn.num_sums, 0.0)
        move_count = reflect(row * counts, grid, urn.num_sums, 0.0)
        taken = tf.linalg.matvec(move_count, law, transpose_a=True)
        joint = tf.matmul(joint, move) + own[:, tf.newaxis] * taken[..., tf.newaxis, :]
        law = tf.linalg.matvec(move, law, transpose_a=True)
        return i + 1, law, joint, expected, first, second, marginals

    law = tf.cast(sums == urn.total_count[..., tf.newaxis], CORE_DTYPE)
    joint = tf.zeros(
        ps.concat([batch_shape, [num_groups, urn.num_sums]], axis=0), CORE_DTYPE
    )
    _, _, _, expected, first, second, marginals = tf.while_loop(
        lambda i, *_: i < num_groups,
        step,
        (tf.constant(0), law, joint, tf.zeros_like(urn.total_count), *_arrays(urn)),
        maximum_iterations=num_groups,
    )
    lower = classes_last(second.stack())
    diagonal = tf.linalg.diag_part(lower)
    return _Walk(
        mean=classes_last(first.stack()[..., tf.newaxis])[..., 0],
        second=tf.linalg.set_diag(lower + tf.linalg.matrix_transpose(lower), diagonal),
        marginals=classes_last(marginals.stack()),
        expected_log_prob=expected,
    )


def _arrays(urn: Urn) -> list[tf.TensorArray]:
    """For the means, the second moments and the marginals, a group each."""
    row_shape = urn.total_count.shape.concatenate([tf.get_static_value(urn.num_counts)])
    return [
        tf.TensorArray(CORE_DTYPE, size=urn.num_groups, element_shape=shape)
        for shape in (urn.total_count.shape, urn.log_weights.shape, row_shape)
    ]


def _all_logits(urn: Urn, grid: tf.Tensor) -> tf.Tensor:
    """log p(x_i | left) for every group and every number left.

    Returns:
      `[c, B..., N + 1, R]`, unnormalised.
    """
    nothing = tf.where(grid == 0.0, tf.zeros([], CORE_DTYPE), -np.inf)
    later = tf.concat(
        [log_later(urn, CORE_DTYPE), nothing[..., tf.newaxis, :]], axis=-2
    )
    later = classes_first(later)[..., tf.newaxis, :]
    own = classes_first(_own_logits(urn))[..., tf.newaxis, :]
    left = tf.broadcast_to(grid, ps.concat([[urn.num_groups], ps.shape(grid)], axis=0))
    later = tf.broadcast_to(later, ps.concat([ps.shape(left), [urn.num_sums]], axis=0))
    return _no_nan(own + reflect(later, left, urn.num_counts, -np.inf))


def _own_logits(urn: Urn) -> tf.Tensor:
    counts = counts_row(urn.num_counts)
    log_weights = _finite(urn.log_weights)[..., tf.newaxis]
    return log_choose(urn.group_sizes[..., tf.newaxis], counts) + log_weights * counts


def _no_nan(logits: tf.Tensor) -> tf.Tensor:
    """Rows for a number left that can't occur would be all minus infinity."""
    some = tf.reduce_any(logits > -np.inf, axis=-1, keepdims=True)
    return tf.where(some, logits, 0.0)
