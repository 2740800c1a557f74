"""Fisher's distribution itself, as the functions that `mvhg.py` asks of a law."""

import tensorflow as tf

from mvhg_tf.distributions import normalizer, tables
from mvhg_tf.distributions.normalizer import (  # noqa: F401  (part of the law)
    covariance,
    marginal_probs,
    mean,
)
from mvhg_tf.distributions.normalizer import (  # noqa: F401  (it is symmetric)
    covariance_product as mean_vjp,
)
from mvhg_tf.distributions.sampling import draw  # noqa: F401  (part of the law)
from mvhg_tf.distributions.urn import Urn, counts_row, log_choose


def log_prob(urn: Urn, counts: tf.Tensor) -> tf.Tensor:
    """`sum_i log C(m_i, x_i) + x . log_weights - log Z`, `-inf` off the support.

    Args:
      urn: the urns.
      counts: float64 `[..., B..., c]`.

    Returns:
      float64 `[..., B...]`.
    """
    present = urn.log_weights > -float("inf")
    log_weights = tf.where(present, urn.log_weights, 0.0)
    terms = log_choose(urn.group_sizes, counts) + counts * log_weights
    return tf.where(
        urn.in_support(counts),
        tf.reduce_sum(terms, axis=-1) - normalizer.log_normalizer(urn),
        -float("inf"),
    )


def log_later(urn: Urn, dtype: tf.DType) -> tf.Tensor:
    """log Z_{>i}(k), see `tables.log_later`; one binomial row for two groups."""
    if urn.is_pair:
        sums = counts_row(urn.num_sums)
        return log_choose(urn.group_sizes[..., 1:, tf.newaxis], sums) + (
            tf.math.multiply_no_nan(urn.log_weights[..., 1:, tf.newaxis], sums)
        )
    return tables.log_later(urn, dtype)


def entropy(urn: Urn) -> tf.Tensor:
    """`log Z - log_weights . mean - sum_i E[log C(m_i, x_i)]`, `[B...]`."""
    log_weights = tf.where(urn.log_weights > -float("inf"), urn.log_weights, 0.0)
    ways = log_choose(urn.group_sizes[..., tf.newaxis], counts_row(urn.num_counts))
    ways = tf.where(tf.math.is_finite(ways), ways, 0.0)
    expected = tf.reduce_sum(normalizer.marginal_probs(urn) * ways, axis=[-2, -1])
    linear = tf.reduce_sum(log_weights * normalizer.mean(urn), axis=-1)
    return tf.maximum(normalizer.log_normalizer(urn) - linear - expected, 0.0)


def kl_divergence(urn_p: Urn, urn_q: Urn) -> tf.Tensor:
    """KL of two urns of the same `n` and `m`, `[B...]`.

    `(log_weights_p - log_weights_q) . mean_p - log Z_p + log Z_q`.
    """
    # A group that p never draws from costs nothing, whatever q's weight is.
    present = urn_p.log_weights > -float("inf")
    change = tf.where(present, urn_p.log_weights - urn_q.log_weights, 0.0)
    linear = tf.math.multiply_no_nan(change, normalizer.mean(urn_p))
    value = (
        tf.reduce_sum(linear, axis=-1)
        - normalizer.log_normalizer(urn_p)
        + normalizer.log_normalizer(urn_q)
    )
    return tf.maximum(value, 0.0)


def marginal_log_prob(urn: Urn, group: int, size) -> tf.Tensor:
    """log P(x_group = x) for x = 0..size-1.

    The normaliser of the others at n - x, each with its own tilt, so that it
    keeps its relative accuracy in the tails.

    Args:
      urn: the urns.
      group: which group, 0..c-1.
      size: int.

    Returns:
      float64 `[B..., size]`.
    """
    urn = urn.broadcast()
    counts = counts_row(size)
    sizes = urn.group_sizes[..., group, tf.newaxis]
    log_weights = urn.log_weights[..., group, tf.newaxis]
    own = log_choose(sizes, counts) + tf.math.multiply_no_nan(log_weights, counts)
    others = urn._replace(
        total_count=urn.total_count[..., tf.newaxis] - counts,
        group_sizes=_without(urn.group_sizes, group)[..., tf.newaxis, :],
        log_weights=_without(urn.log_weights, group)[..., tf.newaxis, :],
        # n - x ranges over more than n, so the bound of its variance is looser.
        max_variance=urn.max_total / 4,
    )
    logits = own + normalizer.log_normalizer(others)
    return tf.nn.log_softmax(logits)


def _without(values: tf.Tensor, group: int) -> tf.Tensor:
    return tf.concat([values[..., :group], values[..., group + 1 :]], axis=-1)
