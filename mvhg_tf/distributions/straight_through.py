"""Gradients through exact draws: the value is the draw, whatever the estimator.

Two estimators of the gradient of E[loss(x)] with respect to `log_weights`:

* `mean_cotangent`: as if x were its mean. The backward pass multiplies by the
  covariance. For groups of one element this is SIMPLE (Ahmed et al., ICLR
  2023).
* `gumbel_softmax_cotangent`: the paper's. The one-hot row of each group's count
  is relaxed to softmax((alpha + Gumbel noise) / temperature), alpha being the
  log-probabilities of the count given the earlier groups, and what is left to
  draw carries its gradient into the later groups.

The noise is drawn in the backward pass only, conditioned on the count that was
drawn: with E_0, E_x standard exponentials, -log E_0 is the greatest of the
perturbed logits and -log(E_0 + E_x / p_x) are the others. The law is that of
perturbing first and taking the argmax.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer, sampling, tables
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import CORE_DTYPE, Urn, counts_row

# Apart from the draw's own seed, so that noise and draw are independent.
_NOISE_SALT = np.array([0x5EED, 0x6A09E667], np.int32)


class Estimator(NamedTuple):
    """How draws pass gradients back: see the module's docstring.

    Attributes:
      name: "gumbel_softmax", "mean" or None.
      temperature: of "gumbel_softmax", broadcastable to `[B...]`.
    """

    name: str | None
    temperature: tf.Tensor

    def cotangent(self, urn, drawn, seed, counts_bar, rows_bar):
        """The cotangent of `log_weights`; arguments as below."""
        if self.name == "mean":
            return mean_cotangent(urn, counts_bar, rows_bar)
        return gumbel_softmax_cotangent(
            urn, drawn, seed, self.temperature, counts_bar, rows_bar
        )


def counts(
    urn: Urn, num_draws, seed: tf.Tensor, estimator: Estimator, dtype: tf.DType
) -> tf.Tensor:
    """Exact draws that pass gradients to `log_weights`.

    Args:
      urn: the urns.
      num_draws: S.
      seed: stateless seed, int32 `[2]`.
      estimator: of the gradient.
      dtype: of the result.

    Returns:
      `[S, B..., c]`.
    """
    urn = urn.broadcast()

    @tf.custom_gradient
    def value(log_weights):
        at = urn._replace(log_weights=log_weights)
        drawn = sampling.draw(at, num_draws, seed)

        def gradient(counts_bar):
            return estimator.cotangent(at, drawn, seed, counts_bar, None)

        return tf.cast(drawn, dtype), gradient

    if estimator.name is None:
        return tf.stop_gradient(tf.cast(sampling.draw(urn, num_draws, seed), dtype))
    return value(urn.log_weights)


def rows(
    urn: Urn, num_draws, seed: tf.Tensor, estimator: Estimator, dtype: tf.DType
) -> tf.Tensor:
    """One-hot rows of the same draws as `counts`, with their gradients.

    Returns:
      `[S, B..., c, max(m) + 1]`.
    """
    urn = urn.broadcast()
    width = urn.max_size + 1

    @tf.custom_gradient
    def value(log_weights):
        at = urn._replace(log_weights=log_weights)
        drawn = sampling.draw(at, num_draws, seed)

        def gradient(rows_bar):
            rows_bar = rows_bar[..., : urn.num_counts]
            return estimator.cotangent(
                at, drawn, seed, tf.zeros(ps.shape(drawn), dtype), rows_bar
            )

        return tf.one_hot(tf.cast(drawn, tf.int32), width, dtype=dtype), gradient

    result = value(urn.log_weights)
    return tf.stop_gradient(result) if estimator.name is None else result


def mean_cotangent(
    urn: Urn, counts_bar: tf.Tensor, rows_bar: tf.Tensor | None
) -> tf.Tensor:
    """The cotangent of `log_weights` if draws were their means.

    Args:
      urn: the urns, of a full batch shape.
      counts_bar: the loss's gradient in the counts, `[S, B..., c]`.
      rows_bar: the same in the one-hot rows, `[S, B..., c, R]`, or None. The
        rows stand for the groups' marginal probabilities.

    Returns:
      float64 `[B..., c]`.
    """
    total = tf.reduce_sum(tf.cast(counts_bar, CORE_DTYPE), axis=0)
    result = normalizer.covariance_product(urn, total)
    if rows_bar is None:
        return result
    rows_bar = tf.reduce_sum(tf.cast(rows_bar, CORE_DTYPE), axis=0)
    return result + _marginals_cotangent(urn, rows_bar)


def _marginals_cotangent(urn: Urn, rows_bar: tf.Tensor) -> tf.Tensor:
    row = tf.nn.softmax(normalizer.pair_logits(urn))
    first = rows_bar[..., 0, :] + _mirror(urn, rows_bar[..., 1, :])
    counts = counts_row(urn.num_counts)
    centred = counts - tf.linalg.matvec(row[..., tf.newaxis, :], counts)
    value = tf.reduce_sum(row * first * centred, axis=-1)
    return tf.stack([value, -value], axis=-1)


def _mirror(urn: Urn, rows: tf.Tensor, outside: float = 0.0) -> tf.Tensor:
    """`rows[n - x]` for x = 0..R-1: [..., B..., R] alike."""
    other = urn.total_count[..., tf.newaxis] - counts_row(urn.num_counts)
    inside = (other >= 0.0) & (other < tf.cast(urn.num_counts, CORE_DTYPE))
    index = tf.cast(tf.where(inside, other, 0.0), tf.int32)
    index = tf.broadcast_to(index, ps.shape(rows))
    value = tf.gather(rows, index, batch_dims=ps.rank(rows) - 1)
    return tf.where(inside, value, tf.constant(outside, rows.dtype))


def gumbel_softmax_cotangent(
    urn: Urn,
    counts: tf.Tensor,
    seed: tf.Tensor,
    temperature: tf.Tensor,
    counts_bar: tf.Tensor,
    rows_bar: tf.Tensor | None,
) -> tf.Tensor:
    """The cotangent of `log_weights` through the relaxed one-hot rows.

    Args:
      urn: the urns of two groups, of a full batch shape.
      counts: the draws, `[S, B..., c]`.
      seed: the seed they were drawn with.
      temperature: of the softmax, broadcastable to `[B...]`.
      counts_bar: the loss's gradient in the counts, `[S, B..., c]`.
      rows_bar: the same in the one-hot rows, `[S, B..., c, R]`, or None.

    Returns:
      float64 `[B..., c]`.
    """
    dtype = counts_bar.dtype
    row = counts_row(urn.num_counts)
    log_probs = tf.cast(tf.nn.log_softmax(normalizer.pair_logits(urn)), dtype)
    temperature = tf.cast(temperature, dtype)[..., tf.newaxis]
    relaxed = _relaxed(log_probs, counts[..., 0], seed, temperature)
    bar = (
        tf.cast(row, dtype) * (counts_bar[..., 0] - counts_bar[..., 1])[..., tf.newaxis]
    )
    if rows_bar is not None:
        bar += rows_bar[..., 0, :] + _mirror(urn, rows_bar[..., 1, :])
    centre = tf.reduce_sum(relaxed * bar, axis=-1, keepdims=True)
    logits_bar = relaxed * (bar - centre) / temperature
    value = tf.reduce_sum(logits_bar * tf.cast(row, dtype), axis=-1)
    value = tf.cast(tf.reduce_sum(value, axis=0), CORE_DTYPE)
    return tf.stack([value, -value], axis=-1)


def _relaxed(
    log_probs: tf.Tensor, drawn: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor
) -> tf.Tensor:
    """softmax((log_probs + noise) / temperature), the noise given the argmax.

    Args:
      log_probs: `[S or 1, B..., R]`, normalised.
      drawn: the argmax, `[S, B...]`.
      seed: int32 `[2]`.
      temperature: broadcastable to `[S, B..., 1]`.

    Returns:
      `[S, B..., R]`.
    """
    dtype = log_probs.dtype
    size = ps.shape(log_probs)[-1]
    shape = ps.concat([ps.shape(drawn), [size + 1]], axis=0)
    seed = tf.bitwise.bitwise_xor(seed, _NOISE_SALT)
    exponentials = -tf.math.log(sampling.uniform(shape, seed, dtype))
    greatest, others = exponentials[..., :1], exponentials[..., 1:]
    # log of (E_0 / (E_0 + E_x / p_x)), the odds against the greatest.
    odds = -tf.math.log1p(tf.exp(tf.math.log(others / greatest) - log_probs))
    is_drawn = tf.cast(drawn, tf.int32)[..., tf.newaxis] == tf.range(size)
    odds = tf.where(is_drawn, tf.zeros([], dtype), odds)
    return tf.nn.softmax(odds / temperature)
