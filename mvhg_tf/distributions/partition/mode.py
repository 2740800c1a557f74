"""The likeliest assignment, exactly: sorting, and a dynamic programme over the sizes.

Given the sizes, the likeliest assignment fills the groups in descending order of the
scores. For let i be in an earlier group than j, with a smaller score. Of each order
that fills the groups, swap the two: the numerator of its Plackett-Luce probability
stays, and the denominators between the two places fall. So the assignment with i and j
swapped is at least as likely.

With the elements sorted, the factor of the group that takes a, ..., b - 1 depends on a
and b alone, and the law of the sizes is a product over the groups.
"""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.binomials import log_choose
from mvhg_tf.distributions.partition.race import log_probability_of_arrived
from mvhg_tf.distributions.urn import CORE_DTYPE


def likeliest_sizes(log_weights: tf.Tensor, sorted_scores: tf.Tensor) -> tf.Tensor:
    """The sizes of the likeliest assignment.

    Args:
      log_weights: float64 `[B..., K]`.
      sorted_scores: in descending order, float64 `[B..., n]`, n static.

    Returns:
      int32 `[B..., K]`.
    """
    num_elements = sorted_scores.shape[-1]
    blocks = _log_factors(sorted_scores)
    start = tf.range(num_elements + 1)
    taken = start - start[:, tf.newaxis]  # [a, b]
    taken = tf.cast(taken, CORE_DTYPE)
    ways = log_choose(tf.constant(float(num_elements), CORE_DTYPE), taken)
    weights = _first(log_weights)[..., tf.newaxis, tf.newaxis]
    taken = tf.maximum(taken, 0.0)
    first = tf.where(start == 0, tf.zeros_like(blocks[..., 0]), -np.inf)

    def step(
        carried: tuple[tf.Tensor, tf.Tensor], weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # [..., a, b]: the groups so far end at a, and this one ends at b.
        value = carried[0][..., tf.newaxis] + blocks + ways
        value += tf.math.multiply_no_nan(weight, taken)
        return tf.reduce_max(value, axis=-2), tf.argmax(
            value, axis=-2, output_type=tf.int32
        )

    none = tf.zeros(ps.shape(first), tf.int32)
    _, begins = tf.scan(step, weights, initializer=(first, none))

    def back(end: tf.Tensor, begin: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(begin, end[..., tf.newaxis], batch_dims=end.shape.rank)[..., 0]

    last = tf.fill(ps.shape(first)[:-1], num_elements)
    ends = tf.scan(back, begins, initializer=last, reverse=True)
    ends = tf.concat([ends, last[tf.newaxis]], axis=0)
    return _last(ends[1:] - ends[:-1])


def _log_factors(sorted_scores: tf.Tensor) -> tf.Tensor:
    """log P(a, ..., b - 1 arrive before b, ...): `[..., n + 1, n + 1]` for (a, b).

    `-inf` for a > b.
    """
    num_elements = sorted_scores.shape[-1]
    nodes, log_steps = _nodes(num_elements)
    base = tf.constant(nodes - np.exp(nodes) + log_steps, CORE_DTYPE)
    log_times = sorted_scores[..., tf.newaxis] + nodes
    rivals = tf.math.cumulative_logsumexp(sorted_scores, axis=-1, reverse=True)
    is_element = tf.range(num_elements)

    def ends_at(b: tf.Tensor) -> tf.Tensor:
        rival = tf.gather(rivals, b, axis=-1)[..., tf.newaxis, tf.newaxis]
        arrived = log_probability_of_arrived(log_times - rival)
        arrived = tf.where((is_element < b)[:, tf.newaxis], arrived, 0.0)
        arrived = tf.cumsum(arrived, axis=-2, reverse=True)
        arrived = tf.concat([arrived, tf.zeros_like(arrived[..., :1, :])], axis=-2)
        return tf.reduce_logsumexp(base + arrived, axis=-1)

    ends = tf.map_fn(
        ends_at,
        tf.range(num_elements),
        parallel_iterations=1,  # one table of n times the nodes at a time
        fn_output_signature=CORE_DTYPE,
    )
    # All come in before nobody.
    ends = tf.concat([ends, tf.zeros_like(ends[:1])], axis=0)
    factors = _last(ends)
    begins = tf.range(num_elements + 1)
    return tf.where(begins[:, tf.newaxis] <= begins, factors, -np.inf)


def _nodes(num_elements: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes in log t for groups of 0 to n elements, and logs of the steps.

    The integrand of a group of N elements that are slower than its rivals is
    exp(-t) t^N: its peak in log t is at log N, of the width 1 / sqrt(N). So a step is
    1 / (4 + 2 e^(y/2)) at y.
    """
    highest = np.log(num_elements + 36.0 + np.sqrt(72.0 * num_elements))
    grid = np.linspace(-36.0, highest, 4096)
    index = 4.0 * grid + 4.0 * np.exp(grid / 2.0)
    at = np.arange(np.ceil(index[0]), index[-1])
    nodes = np.interp(at, index, grid)
    for _ in range(4):  # Newton's method
        excess = 4.0 * nodes + 4.0 * np.exp(nodes / 2.0) - at
        nodes -= excess / (4.0 + 2.0 * np.exp(nodes / 2.0))
    return nodes, -np.log(4.0 + 2.0 * np.exp(nodes / 2.0))


def _first(values: tf.Tensor) -> tf.Tensor:
    """`[..., K]` to `[K, ...]`."""
    rank = ps.rank(values)
    return tf.transpose(values, ps.concat([[rank - 1], ps.range(rank - 1)], axis=0))


def _last(values: tf.Tensor) -> tf.Tensor:
    """`[K, ...]` to `[..., K]`."""
    rank = ps.rank(values)
    return tf.transpose(values, ps.concat([ps.range(1, rank), [0]], axis=0))
