"""The tilt: the weight scale at which the expected counts sum to n."""

import numpy as np
import tensorflow as tf

from mvhg_tf.distributions.urn import CORE_DTYPE, Urn

_TOLERANCE = 1e-7
_MAX_STEPS = 60
# n = 0 and n = sum(m) have their root at infinity; this close to it, all but
# this share of the probability is on the one possible outcome.
_MIN_SHARE = 1e-9


def log_tilt(urn: Urn) -> tf.Tensor:
    """log t such that sum_i m_i omega_i t / (1 + omega_i t) = n.

    Newton's method on the log-odds of the mean share, on which equal weights
    make a straight line of slope one, kept inside a bracket by bisection.

    Args:
      urn: the urns.

    Returns:
      float64 `[B...]`, finite for any parameters.
    """
    sizes = tf.where(
        tf.math.is_finite(urn.log_weights), urn.group_sizes, tf.zeros([], CORE_DTYPE)
    )
    present = sizes > 0.0
    log_weights = tf.where(present, urn.log_weights, 0.0)
    high_weight = tf.reduce_max(tf.where(present, log_weights, -np.inf), axis=-1)
    low_weight = tf.reduce_min(tf.where(present, log_weights, np.inf), axis=-1)
    some = tf.reduce_any(present, axis=-1)
    high_weight = tf.where(some, high_weight, 0.0)
    low_weight = tf.where(some, low_weight, 0.0)
    total = tf.where(some, tf.reduce_sum(sizes, axis=-1), 1.0)
    share = tf.clip_by_value(urn.total_count / total, _MIN_SHARE, 1.0 - _MIN_SHARE)
    wanted = tf.math.log(share) - tf.math.log1p(-share)

    def step(guess, low, high, _):
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
