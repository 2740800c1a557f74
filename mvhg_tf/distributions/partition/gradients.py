"""Gradients through drawn assignments: the value is the draw, whatever the estimator.

Sizes. The loss's slope in a boundary C_b is the mean of what it gains as the boundary
moves up by one and down by one; the boundaries are sums of sizes, and the sizes have
the straight-through gradients of their own distribution.

Order, by `"race"`. Given the others' arrival times, element i is a categorical
variable: its group, with the probabilities P_k of arriving between the others'
thresholds. With V_k the linearised loss if it were in group k, a its group, and dots
for derivatives by its score, the cotangent is

    (sum_k P'_k V_k + (log P_a)' (V_a - sum_k P_k V_k)) / 2.

It has no temperature. As f(Y) - f(Y') = <f'(Y) + f'(Y'), Y - Y'> / 2 for a loss f that
is quadratic in the assignment, its expectation is the exact gradient of E f for every
such loss (Liu et al., NeurIPS 2023, have the same for plain categorical variables).

Order, by `"neural_sort"`: that of the relaxed permutation matrix (Grover et al., ICLR
2019), as in Sutter et al., NeurIPS 2023.
"""

from typing import NamedTuple

import tensorflow as tf

from mvhg_tf.distributions.partition.boundaries import Side, both_sides
from mvhg_tf.distributions.partition.draws import Race
from mvhg_tf.distributions.urn import CORE_DTYPE
from mvhg_tf.sorting import neural_sort

# Arrival times over an element's own mean are capped at exp of it: none is later.
_LATEST = 690.0


class Cotangents(NamedTuple):
    """The loss's gradients in the parameters of a partition, float64.

    Attributes:
      sizes: in the sizes, up to a common constant, `[..., K]`.
      scores: in the scores, `[..., n]`.
    """

    sizes: tf.Tensor
    scores: tf.Tensor


def cotangents(
    scores: tf.Tensor,
    sizes: tf.Tensor,
    race: Race,
    groups: tf.Tensor,
    upstream: tf.Tensor,
    order_estimator: str | None,
    temperature: tf.Tensor,
) -> Cotangents:
    """The loss's gradients in sizes and scores, of each draw.

    Args:
      scores: float64, broadcastable to `[..., n]`.
      sizes: the drawn sizes, float64 `[..., K]`.
      race: the drawn order, `[..., n]`.
      groups: of each element its group, int32 `[..., n]`.
      upstream: the loss's gradient in the assignment, float64 `[..., n, K]`.
      order_estimator: `"race"`, `"neural_sort"` or None, for none.
      temperature: of `"neural_sort"`, float64, broadcastable to `[...]`.

    Returns:
      The gradients.
    """
    before, after = both_sides(sizes, race.keys, race.order, upstream)
    if order_estimator == "race":
        of_scores = _race_cotangent(scores, groups, before, after, upstream)
    elif order_estimator == "neural_sort":
        of_scores = _neural_sort_cotangent(race, groups, upstream, temperature)
    else:
        of_scores = tf.zeros_like(race.keys)
    return Cotangents(_sizes_cotangent(sizes, before, after), of_scores)


def _sizes_cotangent(sizes: tf.Tensor, before: Side, after: Side) -> tf.Tensor:
    number = tf.cast(before.exists, CORE_DTYPE) + tf.cast(after.exists, CORE_DTYPE)
    of_ends = (before.gain + after.gain) / tf.maximum(number, 1.0)
    of_sizes = tf.cumsum(of_ends, axis=-1, reverse=True)
    # The last size moves no boundary.
    return tf.concat([of_sizes, tf.zeros_like(sizes[..., :1])], axis=-1)


def _race_cotangent(
    scores: tf.Tensor,
    groups: tf.Tensor,
    before: Side,
    after: Side,
    upstream: tf.Tensor,
) -> tf.Tensor:
    edges, gains = _thresholds(scores, groups, before, after, upstream)
    low, high = edges[..., :-1], edges[..., 1:]
    probs = tf.exp(-low) * -tf.math.expm1(low - high)
    slopes = high * tf.exp(-high) - low * tf.exp(-low)
    # The linearised loss of each group, but for a constant.
    losses = tf.cumsum(gains, axis=-1, reverse=True)
    losses = tf.concat([losses, tf.zeros_like(upstream[..., :1])], axis=-1)
    own = tf.one_hot(
        groups, upstream.shape[-1] or tf.shape(upstream)[-1], dtype=CORE_DTYPE
    )

    def of_own(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(own * values, axis=-1)

    own_loss = of_own(losses)
    surplus = own_loss - tf.reduce_sum(probs * losses, axis=-1)
    log_slope = _mean_of_own_time(of_own(low), of_own(high - low))
    value = 0.5 * (tf.reduce_sum(slopes * losses, axis=-1) + log_slope * surplus)
    # A common shift of all scores changes nothing: less variance, the same mean.
    return value - tf.reduce_mean(value, axis=-1, keepdims=True)


def _thresholds(
    scores: tf.Tensor,
    groups: tf.Tensor,
    before: Side,
    after: Side,
    upstream: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Between which times an element is in which group, and what it gains at each.

    Returns:
      The times, in units of the element's own mean, with 0 and the latest,
      `[..., n, K + 1]`. The gain of the loss if the element were before a boundary
      rather than after it, `[..., n, K - 1]`: where it would push another across.
    """
    boundary = tf.range(tf.shape(upstream)[-1] - 1)
    is_before = groups[..., tf.newaxis] <= boundary

    # Without the element, those after it move up by one place.
    def other(name: str) -> tf.Tensor:
        of_after, of_before = (
            getattr(side, name)[..., tf.newaxis, :] for side in (after, before)
        )
        return tf.where(is_before, of_after, of_before)

    exists = other("exists")
    log_times = scores[..., tf.newaxis] - other("key")
    times = tf.exp(tf.minimum(log_times, _LATEST))
    latest = tf.exp(tf.constant(_LATEST, CORE_DTYPE))
    beyond = tf.where(is_before, latest, tf.constant(0.0, CORE_DTYPE))
    times = tf.where(exists, times, beyond)
    first = tf.zeros_like(upstream[..., :1])
    gains = upstream[..., :-1] - upstream[..., 1:] - other("gain")
    return (
        tf.concat([first, times, first + latest], axis=-1),
        tf.where(exists, gains, tf.zeros_like(gains)),
    )


def _mean_of_own_time(low: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The derivative of log P(low < t < low + width) by the score; t exponential.

    It is 1 - E[t | low < t < low + width].
    """
    width = tf.minimum(width, _LATEST)
    safe = tf.where(width > 1e-8, width, tf.ones_like(width))
    return tf.where(width > 1e-8, safe / tf.math.expm1(safe), 1.0 - 0.5 * width) - low


def _neural_sort_cotangent(
    race: Race, groups: tf.Tensor, upstream: tf.Tensor, temperature: tf.Tensor
) -> tf.Tensor:
    num_groups = upstream.shape[-1] or tf.shape(upstream)[-1]
    in_order = tf.gather(groups, race.order, batch_dims=race.order.shape.rank - 1)
    filled = tf.one_hot(in_order, num_groups, dtype=CORE_DTYPE)
    of_permutation = tf.matmul(filled, upstream, transpose_b=True)
    keys = race.keys / temperature[..., tf.newaxis]
    with tf.GradientTape() as tape:
        tape.watch(keys)
        relaxed = neural_sort(keys)
    gradient = tape.gradient(relaxed, keys, output_gradients=of_permutation)
    return gradient / temperature[..., tf.newaxis]
