"""The laws that a distribution's `method` can choose, and what each must provide."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from mvhg_tf.distributions import exact, merged, normalizer, sampling
from mvhg_tf.distributions.inversion import Plan
from mvhg_tf.distributions.urn import Size, Urn


@dataclasses.dataclass(frozen=True)
class Law:
    """A law of the counts of urns, as functions of the urns.

    Attributes:
      draw: of urns, S, the plan and a seed: draws, `[S, B..., c]`.
      log_prob: of urns and counts `[..., B..., c]`: `[..., B...]`, `-inf` off the
        support.
      mean: `[B..., c]`.
      variance: `[B..., c]`.
      covariance: `[B..., c, c]`.
      entropy: `[B...]`.
      mean_vjp: of urns and a vector `[B..., c]`: the gradient of `vector . mean` in
        `log_weights`, `[B..., c]`.
      marginal_probs: P(x_i = x) of every group, `[B..., c, R]`.
      marginal_log_prob: of urns, a group's index and a size: log P(x_i = x) for
        x = 0..size-1, `[B..., size]`.
      kl_divergence: from the first urns' law to the second's, `[B...]`.
      log_later: of urns of a full batch shape and the dtype of tables: log Z of the
        groups after each one for k left to draw, `[B..., c - 1, N + 1]`.
    """

    draw: Callable[[Urn, Size, Plan, tf.Tensor], tf.Tensor]
    log_prob: Callable[[Urn, tf.Tensor], tf.Tensor]
    mean: Callable[[Urn], tf.Tensor]
    variance: Callable[[Urn], tf.Tensor]
    covariance: Callable[[Urn], tf.Tensor]
    entropy: Callable[[Urn], tf.Tensor]
    mean_vjp: Callable[[Urn, tf.Tensor], tf.Tensor]
    marginal_probs: Callable[[Urn], tf.Tensor]
    marginal_log_prob: Callable[[Urn, Size, Size], tf.Tensor]
    kl_divergence: Callable[[Urn, Urn], tf.Tensor]
    log_later: Callable[[Urn, tf.DType], tf.Tensor]


LAWS = {
    "exact": Law(
        draw=sampling.draw,
        log_prob=exact.log_prob,
        mean=normalizer.mean,
        variance=normalizer.variance,
        covariance=normalizer.covariance,
        entropy=exact.entropy,
        mean_vjp=normalizer.covariance_product,  # It is symmetric.
        marginal_probs=normalizer.marginal_probs,
        marginal_log_prob=exact.marginal_log_prob,
        kl_divergence=exact.kl_divergence,
        log_later=exact.log_later,
    ),
    "merged": Law(
        draw=merged.draw,
        log_prob=merged.log_prob,
        mean=merged.mean,
        variance=merged.variance,
        covariance=merged.covariance,
        entropy=merged.entropy,
        mean_vjp=merged.mean_vjp,
        marginal_probs=merged.marginal_probs,
        marginal_log_prob=merged.marginal_log_prob,
        kl_divergence=merged.kl_divergence,
        log_later=merged.log_later,
    ),
}
