"""The probability of an assignment given the sizes of its groups, and bounds of it."""

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.partition.race import log_in_first


def log_prob_given_sizes(scores: tf.Tensor, assignment: tf.Tensor) -> tf.Tensor:
    """log P(the groups' elements come in the order of the groups), exactly.

    The race starts afresh when a group is complete, so that the groups' factors are
    independent of each other.

    Args:
      scores: logs of the rates, float64 `[..., n]`, finite.
      assignment: one-hot rows, float64 `[..., n, K]`.

    Returns:
      float64 `[...]`, differentiable in `scores` to any order.
    """
    counts = tf.reduce_sum(assignment, axis=-2)
    later_counts = tf.cumsum(counts, axis=-1, reverse=True, exclusive=True)
    # Nothing is before an empty group, and all is before no group.
    races = (counts > 0.0) & (later_counts > 0.0)
    later = tf.cumsum(assignment, axis=-1, reverse=True, exclusive=True) > 0.0
    later |= ~races[..., tf.newaxis, :]
    rivals = tf.where(later, scores[..., tf.newaxis], -float("inf"))
    log_rivals = tf.reduce_logsumexp(rivals, axis=-2)
    log_ratios = scores - tf.linalg.matvec(assignment, log_rivals)
    value = log_in_first(log_ratios, assignment)
    return tf.reduce_sum(tf.where(races, value, 0.0), axis=-1)


def log_prob_of_likeliest_order(scores: tf.Tensor, assignment: tf.Tensor) -> tf.Tensor:
    """The greatest Plackett-Luce log-probability of an order that fills the groups.

    It sorts each group by descending scores: to swap two elements of a group, the
    greater score to the front, leaves the numerator and lowers the denominators.

    Args:
      scores: float64 `[..., n]`.
      assignment: one-hot rows, float64 `[..., n, K]`.

    Returns:
      float64 `[...]`.
    """
    groups = tf.argmax(assignment, axis=-1, output_type=tf.int32)
    scores = tf.broadcast_to(scores, ps.shape(groups))
    by_score = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    by_group = tf.argsort(_take(groups, by_score), axis=-1, stable=True)
    sorted_scores = _take(_take(scores, by_score), by_group)
    left = tf.math.cumulative_logsumexp(sorted_scores, axis=-1, reverse=True)
    return tf.reduce_sum(sorted_scores - left, axis=-1)


def log_number_of_orders(assignment: tf.Tensor) -> tf.Tensor:
    """The log of the number of orders that fill the groups, prod_k n_k!.

    Args:
      assignment: one-hot rows, float64 `[..., n, K]`.

    Returns:
      float64 `[...]`.
    """
    counts = tf.reduce_sum(assignment, axis=-2)
    return tf.reduce_sum(tf.math.lgamma(counts + 1.0), axis=-1)


def _take(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`values[..., index]`, both `[..., n]`."""
    size = ps.shape(values)[-1:]
    flat = tf.reshape(values, ps.concat([[-1], size], axis=0))
    flat_index = tf.reshape(index, ps.concat([[-1], size], axis=0))
    return tf.reshape(tf.gather(flat, flat_index, batch_dims=1), ps.shape(values))
