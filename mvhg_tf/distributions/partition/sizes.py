"""The law of the sizes, and of the boundaries between groups."""

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.parameters import TensorLike
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import CORE_DTYPE, Size, classes_first, log_group_rows


def sizes_law(
    log_weights: tf.Tensor,
    num_elements: Size,
    estimator: str | None,
    temperature: TensorLike = 1.0,
) -> MultivariateFisherNoncentralHypergeometric:
    """The law of the sizes: of K groups of n elements each, n are drawn.

    Args:
      log_weights: `[B..., K]`.
      num_elements: n, int or int32 scalar.
      estimator: the `gradient_estimator` of its samples.
      temperature: of `"gumbel_softmax"`, `[B...]`.

    Returns:
      The distribution, of the dtype of `log_weights`.
    """
    num_groups = ps.shape(log_weights)[-1]
    return MultivariateFisherNoncentralHypergeometric(
        total_count=num_elements,
        group_sizes=ps.fill([num_groups], num_elements),
        log_weights=log_weights,
        gradient_estimator=estimator,
        temperature=temperature,
    )


def boundary_tails(log_weights: tf.Tensor, num_elements: int) -> tf.Tensor:
    """P(the first b groups have more than j elements), differentiable.

    Args:
      log_weights: float64 `[B..., K]`.
      num_elements: n.

    Returns:
      float64 `[B..., K, n]` for b = 1..K and j = 0..n-1.
    """
    urn = sizes_law(log_weights, num_elements, None).urn()
    # Conditioned on their sum, the sizes are independent binomials.
    rows = classes_first(tf.exp(log_group_rows(urn, tf.stop_gradient(log_tilt(urn)))))
    earlier = tf.scan(_convolve, rows)
    later = tf.scan(_convolve, rows, reverse=True)
    none = tf.one_hot(
        tf.zeros(ps.shape(rows)[1:-1], tf.int32), num_elements + 1, dtype=CORE_DTYPE
    )
    later = tf.concat([later[1:], none[tf.newaxis]], axis=0)
    masses = earlier * later[..., ::-1]
    masses /= tf.reduce_sum(masses, axis=-1, keepdims=True)
    above = tf.cumsum(masses, axis=-1, reverse=True, exclusive=True)[..., :-1]
    rank = ps.rank(above)
    order = ps.concat([ps.range(1, rank - 1), [0], [rank - 1]], axis=0)
    return tf.transpose(above, order)


def _convolve(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Sums of two independent counts, up to n: `[..., n + 1]` of both."""
    size = ps.shape(first)[-1]
    shift = tf.range(size)[:, tf.newaxis] - tf.range(size)
    matrix = tf.gather(first, tf.maximum(shift, 0), axis=-1)
    matrix = tf.where(shift >= 0, matrix, tf.zeros_like(matrix))
    return tf.linalg.matvec(matrix, second)
