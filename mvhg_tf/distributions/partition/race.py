"""The probability that one group of racers comes in before all later ones.

Element i arrives at the time T_i, exponential of the rate exp(score_i). Of a group A
and the racers after it, of the rates' sum S, with the ratios r_i = exp(score_i) / S:

    P(all of A come first) = int_0^inf e^-t prod_{i in A} (1 - e^(-r_i t)) dt

which is the integral of prod (1 - u^r_i) over u = e^-t in (0, 1). In y = log t the
integrand is log-concave and analytic. So the trapezoidal rule converges exponentially,
once its nodes are placed by the integrand's peak, its width there, and the two points
where it has fallen below the last digit.
"""

from collections.abc import Callable

import tensorflow as tf

from mvhg_tf.distributions.urn import CORE_DTYPE

# Nodes to the left and to the right of the peak.
_LEFT, _RIGHT = 72, 20
# The integrand is cut where it has fallen by exp(-_FALL) from its peak.
_FALL = 36.0
# At the peak a step is this part of the width, 1 / sqrt(curvature), or less.
_STEP, _CURVATURE_OFFSET = 0.5, 2.5
# The mean step of a side is at least the step at the peak over this factor, so that
# steps stay positive.
_MOST_NARROWING = 1.8
# Over so many nodes the steps turn from those of one side to those of the other.
_TURN = 3.0
_PEAK_BISECTIONS, _REACH_BISECTIONS = 12, 10
_SMALL = 0.1  # below, log(1 - e^-x) - log(x) is a series
_MOST = 40.0  # from log x = 40 on, log(1 - e^-x) is zero


def log_probability_of_arrived(log_time: tf.Tensor) -> tf.Tensor:
    """log(1 - exp(-exp(z))), accurate at both ends, with derivatives of any order.

    Args:
      log_time: z, float64 of any shape: log of the rate times the time.

    Returns:
      float64 of the same shape.
    """
    x = tf.exp(tf.minimum(log_time, _MOST))
    small = x < _SMALL
    low = tf.where(small, x, _SMALL)
    square = low * low
    series = 1 / 24 - square * (
        1 / 2880 - square * (1 / 181440 - square * (1 / 9676800 - square / 479001600))
    )
    series = log_time - 0.5 * low + square * series
    high = tf.math.log(
        -tf.math.expm1(-tf.where(small, tf.constant(_SMALL, CORE_DTYPE), x))
    )
    return tf.where(small, series, high)


def log_in_first(log_ratios: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
    """Log-probabilities that all of a group arrive before the first of its rivals.

    Args:
      log_ratios: log r_i, float64 `[..., n]`, finite.
      members: to which group each element belongs, one-hot float64 `[..., n, K]`.

    Returns:
      float64 `[..., K]`, differentiable in `log_ratios` to any order. Of an empty
      group it is 0 up to rounding.
    """
    nodes, log_steps = _nodes(tf.stop_gradient(log_ratios), members)
    own_nodes = tf.matmul(members, nodes)
    arrived = log_probability_of_arrived(own_nodes + log_ratios[..., tf.newaxis])
    arrived = tf.matmul(members, arrived, transpose_a=True)
    return tf.reduce_logsumexp(nodes - tf.exp(nodes) + log_steps + arrived, axis=-1)


def _nodes(log_ratios: tf.Tensor, members: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Nodes in y and the logs of the steps there: `[..., K, Q]` each."""
    peak = _peak(log_ratios, members)
    curvature = tf.exp(peak) + _sum(members, _bend(_own(members, peak) + log_ratios))
    # The slope falls at least as from that of (1 + active) racers: these are bounds.
    quotient = _FALL * tf.exp(-peak)
    right = tf.sqrt(2.0 * quotient)
    for _ in range(4):
        right = tf.minimum(right, tf.math.log1p(quotient + right))
    left = 0.5 * (quotient + tf.sqrt(quotient * quotient + 8.0 * quotient))
    left = _left_reach(log_ratios, members, peak, left)
    step = tf.minimum(
        _STEP / tf.sqrt(curvature + _CURVATURE_OFFSET),
        _MOST_NARROWING * tf.minimum(left / _LEFT, right / _RIGHT),
    )
    # y = peak + step x, plus a parabola on either side that leads to its end.
    at = tf.range(-float(_LEFT), _RIGHT + 0.5, dtype=CORE_DTYPE)
    place, left, right, step = (
        value[..., tf.newaxis] for value in (peak, left, right, step)
    )
    to_left = (left - step * _LEFT) / _LEFT**2
    to_right = (right - step * _RIGHT) / _RIGHT**2
    side_left = _TURN * tf.math.softplus(-at / _TURN)
    side_right = _TURN * tf.math.softplus(at / _TURN)
    nodes = place + step * at - to_left * side_left**2 + to_right * side_right**2
    steps = (
        step
        + 2.0 * to_left * side_left * tf.math.sigmoid(-at / _TURN)
        + 2.0 * to_right * side_right * tf.math.sigmoid(at / _TURN)
    )
    return tf.stop_gradient(nodes), tf.stop_gradient(tf.math.log(steps))


def _peak(log_ratios: tf.Tensor, members: tf.Tensor) -> tf.Tensor:
    """Where the log of the integrand, by y, has no slope: `[..., K]`."""
    low = tf.zeros_like(tf.reduce_sum(members, axis=-2))
    high = tf.math.log1p(tf.reduce_sum(members, axis=-2))

    def rises(y: tf.Tensor) -> tf.Tensor:
        slopes = _slope(_own(members, y) + log_ratios)
        return 1.0 + _sum(members, slopes) > tf.exp(y)

    return tf.reduce_mean(_bisect(rises, low, high, _PEAK_BISECTIONS), axis=0)


def _left_reach(
    log_ratios: tf.Tensor, members: tf.Tensor, peak: tf.Tensor, most: tf.Tensor
) -> tf.Tensor:
    """How far left of the peak the integrand has fallen by `_FALL`: `[..., K]`."""

    def log_integrand(y: tf.Tensor) -> tf.Tensor:
        arrived = log_probability_of_arrived(_own(members, y) + log_ratios)
        return y - tf.exp(y) + _sum(members, arrived)

    floor = log_integrand(peak) - _FALL

    def is_above(distance: tf.Tensor) -> tf.Tensor:
        return log_integrand(peak - distance) > floor

    return _bisect(is_above, tf.zeros_like(peak), most, _REACH_BISECTIONS)[1]


def _bisect(
    is_low: Callable[[tf.Tensor], tf.Tensor],
    low: tf.Tensor,
    high: tf.Tensor,
    steps: int,
) -> tf.Tensor:
    """The bracket, stacked `[2, ...]`, of where `is_low` turns false."""

    def step(bracket: tf.Tensor) -> tuple[tf.Tensor]:
        middle = tf.reduce_mean(bracket, axis=0)
        below = is_low(middle)
        low = tf.where(below, middle, bracket[0])
        return (tf.stack([low, tf.where(below, bracket[1], middle)]),)

    (bracket,) = tf.while_loop(
        lambda _: True, step, (tf.stack([low, high]),), maximum_iterations=steps
    )
    return bracket


def _own(members: tf.Tensor, of_groups: tf.Tensor) -> tf.Tensor:
    """`[..., n]`, of each element its group's value of `[..., K]`."""
    return tf.linalg.matvec(members, of_groups)


def _sum(members: tf.Tensor, of_elements: tf.Tensor) -> tf.Tensor:
    """`[..., K]`, of each group the sum of its elements' values of `[..., n]`."""
    return tf.linalg.matvec(members, of_elements, transpose_a=True)


def _slope(log_time: tf.Tensor) -> tf.Tensor:
    """The derivative of `log_probability_of_arrived`: x / (e^x - 1)."""
    x = tf.exp(tf.minimum(log_time, _MOST))
    safe = tf.where(x > 1e-8, x, 1.0)
    # Not x / expm1(x), which overflows.
    slope = safe * tf.exp(-safe) / -tf.math.expm1(-safe)
    return tf.where(x > 1e-8, slope, 1.0 - 0.5 * x)


def _bend(log_time: tf.Tensor) -> tf.Tensor:
    """Minus the second derivative of `log_probability_of_arrived`."""
    x = tf.exp(tf.minimum(log_time, _MOST))
    slope = _slope(log_time)
    # At small x both are about 1, and their difference x / 2.
    return tf.where(x > 1e-8, slope * tf.maximum(slope + x - 1.0, 0.0), 0.5 * x)
