"""What is specific to Fisher's distribution; `law.py` has the rest of the law."""

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer, support
from mvhg_tf.distributions.binomials import log_binomial, log_choose
from mvhg_tf.distributions.relaxation import tables
from mvhg_tf.distributions.urn import Size, Urn, counts_row


def log_prob(urn: Urn, counts: tf.Tensor) -> tf.Tensor:
    """`sum_i log Binomial(x_i; m_i, p_i) - log P(S = n)`, `-inf` off the support.

    The tilt's powers cancel, and with them what `log C(m, x)` and log Z would have
    lost in each other.

    Args:
      urn: the urns.
      counts: float64 `[..., B..., c]`.

    Returns:
      float64 `[..., B...]`.
    """
    inside = urn.in_support(counts)
    urn, possible = normalizer.only_possible(urn)
    at = normalizer.mass(urn)
    counts = tf.where(inside[..., tf.newaxis], counts, 0.0)
    terms = log_binomial(urn.group_sizes, counts, at.logits)
    value = tf.reduce_sum(terms, axis=-1) - at.log_mass
    return tf.where(inside & possible, value, -np.inf)


def log_later(urn: Urn, dtype: tf.DType) -> tf.Tensor:
    """log Z_{>i}(k), see `tables.log_later`; one binomial row for two groups."""
    if urn.is_pair:
        sums = counts_row(urn.num_sums)
        return log_choose(urn.group_sizes[..., 1:, tf.newaxis], sums) + (
            tf.math.multiply_no_nan(urn.log_weights[..., 1:, tf.newaxis], sums)
        )
    return tables.log_later(urn, dtype)


def entropy(urn: Urn) -> tf.Tensor:
    """`log Z - log_weights . mean - sum_i E[log C(m_i, x_i)]`, `[B...]`.

    With log-weights under the tilt, whose powers cancel.
    """
    urn, possible = normalizer.only_possible(urn)
    value = _cross_entropy(urn, *normalizer.mass_and_mean(urn))
    value -= normalizer.mean_log_choose(urn, urn.group_sizes)
    return tf.where(possible, _at_least_zero(value), np.nan)


def kl_divergence(urn_p: Urn, urn_q: Urn) -> tf.Tensor:
    """The KL divergence of two urns of any `n` and `m`, `[B...]`.

    Infinite where p allows counts that q does not, and hence where `n` differs.
    """
    same_sizes = _are_same(urn_p.group_sizes, urn_q.group_sizes)
    shape = ps.broadcast_shape(urn_p.batch_shape(), urn_q.batch_shape())
    urn_p, urn_q = urn_p.broadcast(shape), urn_q.broadcast(shape)
    apart = support.beyond(urn_p, urn_q)
    (urn_p, possible_p), (urn_q, possible_q) = map(
        normalizer.only_possible, (urn_p, urn_q)
    )
    at, mean = normalizer.mass_and_mean(urn_p)
    value = _cross_entropy(urn_q, normalizer.mass(urn_q), mean)
    value -= _cross_entropy(urn_p, at, mean)
    if not same_sizes:
        value -= normalizer.mean_log_choose(urn_p, urn_q.group_sizes)
        value += normalizer.mean_log_choose(urn_p, urn_p.group_sizes)
    value = tf.where(~apart, _at_least_zero(value), np.inf)
    return tf.where(possible_p & possible_q, value, np.nan)


def _are_same(first: tf.Tensor, second: tf.Tensor) -> bool:
    """Whether two tensors are known to be equal."""
    values = tf.get_static_value(first), tf.get_static_value(second)
    known = values[0] is not None and values[1] is not None
    return first is second or (known and np.array_equal(*values))


def _cross_entropy(urn: Urn, at: normalizer.Mass, mean: tf.Tensor) -> tf.Tensor:
    """`-E[log q(x)]` less `-sum_i E[log C(m_i, x_i)]`, of counts of that mean.

    Args:
      urn: of q, which has all the counts that x may be.
      at: its mass.
      mean: E[x], `[B..., c]`.
    """
    present = at.logits > -np.inf
    logits = tf.where(present, at.logits, 0.0)
    # -sum_i E[x_i log p_i + (m_i - x_i) log(1 - p_i)]
    linear = urn.group_sizes * tf.math.softplus(logits)
    linear = tf.where(present, linear - logits * mean, 0.0)
    return at.log_mass + tf.reduce_sum(linear, axis=-1)


def _at_least_zero(value: tf.Tensor) -> tf.Tensor:
    """Clips rounding errors below 0, and leaves the gradient alone."""
    return value + tf.stop_gradient(tf.maximum(-value, 0.0))


def marginal_log_prob(urn: Urn, group: Size, size: Size) -> tf.Tensor:
    """log P(x_group = x) for x = 0..size-1.

    P(S = n) of the others at n - x, each with its own tilt, so that it keeps its
    relative accuracy in the tails.

    Args:
      urn: the urns.
      group: which group, 0..c-1; int or int32 scalar.
      size: int, or int32 scalar.

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
        # n - x ranges over more than n, so the bounds are looser.
        max_fewer=urn.max_draws,
        max_variance=ps.minimum(urn.max_total / 4.0, urn.max_draws),
    )
    logits = own + normalizer.log_normalizer(others)
    return tf.nn.log_softmax(logits)


def _without(values: tf.Tensor, group: Size) -> tf.Tensor:
    return tf.concat([values[..., :group], values[..., group + 1 :]], axis=-1)
