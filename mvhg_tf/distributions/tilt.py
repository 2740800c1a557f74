"""The tilt: the weight scale at which the expected counts sum to n."""

import numpy as np
import tensorflow as tf

from mvhg_tf.distributions.urn import Urn

_TOLERANCE = 1e-7
_MAX_STEPS = 60
# n = 0 and n = sum(m) have their root at infinity. This many elements are expected
# instead of none: all but that share of the probability is on one outcome.
_ALMOST_NONE = 1e-9
_MOST_NATS = 300.0


def log_tilt(urn: Urn) -> tf.Tensor:
    """log t such that sum_i m_i omega_i t / (1 + omega_i t) = n.

    Only the accuracy depends on it, so no gradient passes to the weights.

    Args:
      urn: the urns.

    Returns:
      float64 `[B...]`, finite for any parameters.
    """
    urn = urn._replace(log_weights=tf.stop_gradient(urn.log_weights))
    sizes = urn.reach()
    present = sizes > 0.0
    log_weights = tf.where(present, urn.log_weights, 0.0)
    drawn = tf.maximum(urn.total_count, _ALMOST_NONE)
    left = tf.maximum(tf.reduce_sum(sizes, axis=-1) - urn.total_count, _ALMOST_NONE)
    by = _of_two if urn.is_pair else _of_many
    return by(sizes, present, log_weights, drawn, left)


def _of_two(
    sizes: tf.Tensor,
    present: tf.Tensor,
    log_weights: tf.Tensor,
    drawn: tf.Tensor,
    left: tf.Tensor,
) -> tf.Tensor:
    """The root of a quadratic equation in omega_2 t."""
    del present
    apart = log_weights[..., 0] - log_weights[..., 1]
    odds = tf.exp(tf.clip_by_value(apart, -_MOST_NATS, _MOST_NATS))
    linear = odds * (sizes[..., 0] - drawn) + sizes[..., 1] - drawn
    root = tf.sqrt(linear**2 + 4.0 * odds * drawn * left)
    # Of the two forms of the root, the one whose terms have the same sign.
    scaled = tf.where(
        linear > 0.0,
        2.0 * drawn / (root + linear),
        (root - linear) / (2.0 * odds * left),
    )
    return tf.math.log(scaled) - log_weights[..., 1]


def _of_many(
    sizes: tf.Tensor,
    present: tf.Tensor,
    log_weights: tf.Tensor,
    drawn: tf.Tensor,
    left: tf.Tensor,
) -> tf.Tensor:
    """Newton's method on the log-odds of the mean share.

    Equal weights make it a straight line of slope one. It is kept inside a bracket by
    bisection.
    """
    high_weight = tf.reduce_max(tf.where(present, log_weights, -np.inf), axis=-1)
    low_weight = tf.reduce_min(tf.where(present, log_weights, np.inf), axis=-1)
    some = tf.reduce_any(present, axis=-1)
    high_weight = tf.where(some, high_weight, 0.0)
    low_weight = tf.where(some, low_weight, 0.0)
    total = tf.where(some, tf.reduce_sum(sizes, axis=-1), 1.0)
    wanted = tf.math.log(drawn) - tf.math.log(left)

    def step(
        guess: tf.Tensor, low: tf.Tensor, high: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        logits = log_weights + guess[..., tf.newaxis]
        up = sizes * tf.math.sigmoid(logits)
        down = sizes * tf.math.sigmoid(-logits)
        drawn = tf.reduce_sum(up, axis=-1)
        left = tf.reduce_sum(down, axis=-1)
        excess = tf.math.log(drawn) - tf.math.log(left) - wanted
        slope = tf.reduce_sum(up * tf.math.sigmoid(-logits), axis=-1)
        slope *= total / (drawn * left)
        high = tf.where(excess > 0.0, guess, high)
        low = tf.where(excess > 0.0, low, guess)
        newton = guess - excess / slope
        inside = (newton > low) & (newton < high)
        following = tf.where(inside, newton, 0.5 * (low + high))
        done = tf.abs(excess) <= _TOLERANCE
        following = tf.where(done | ~some, guess, following)
        return following, low, high, tf.reduce_all(done | ~some)

    low, high = wanted - high_weight, wanted - low_weight
    guess, _, _, _ = tf.while_loop(
        lambda guess, low, high, done: ~done,
        step,
        (0.5 * (low + high), low, high, tf.constant(False)),
        maximum_iterations=_MAX_STEPS,
    )
    return guess
