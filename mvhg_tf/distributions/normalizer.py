"""log Z, the mean and the covariance of the distribution, with their gradients.

Fisher's distribution is an exponential family in `log_weights`: with Z the
coefficient of t^n in prod_i (1 + omega_i t)^m_i, the mean is the gradient of
log Z and the covariance its Hessian.

The coefficient is a contour integral. On the circle whose radius t makes the
means of the independent X_i ~ Binomial(m_i, p_i), p_i = omega_i t / (1 +
omega_i t), sum to n, it is

    Z t^n / prod_i (1 + omega_i t)^m_i = P(S = n)
        = 1/K sum_k phi(u_k) exp(-i n u_k),    u_k = 2 pi k / K,
    phi(u) = prod_i z_i(u)^m_i,    z_i(u) = 1 - p_i + p_i exp(i u),

for S = sum_i X_i. Nothing cancels there: P(S = n) is as great as the mean of
|phi| but for a small constant factor, so the sum keeps all its digits. The
trapezoidal sum is exact up to P(S = n + K) + P(S = n - K) + ..., which
Bernstein's inequality makes negligible with K of the order of 10 standard
deviations. It costs O(c K), where convolutions cost O(c n max(m)).

Two groups need none of this: the logits of x_1 are one row.
"""

import math
from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    counts_row,
    log_choose,
)

# Aliased probabilities are below exp(-_NATS_OF_ALIAS) of the total.
_NATS_OF_ALIAS = 42.0


def pair_logits(urn: Urn) -> tf.Tensor:
    """Unnormalised log-probabilities of x_1 for two groups.

    Args:
      urn: urns of two groups.

    Returns:
      `[B..., R]` for x_1 = 0..R-1, R = `urn.num_counts`; `-inf` outside the
      support.
    """
    first = counts_row(urn.num_counts)
    second = urn.total_count[..., tf.newaxis] - first
    sizes = urn.group_sizes[..., tf.newaxis]
    log_weights = urn.log_weights[..., tf.newaxis]
    # Only the difference of the two matters, and the smaller numbers it leaves
    # keep more digits.
    log_weights -= tf.stop_gradient(_finite_max(log_weights, axis=-2))
    return (
        log_choose(sizes[..., 0, :], first)
        + log_choose(sizes[..., 1, :], second)
        + tf.math.multiply_no_nan(log_weights[..., 0, :], first)
        + tf.math.multiply_no_nan(log_weights[..., 1, :], second)
    )


def log_normalizer(urn: Urn) -> tf.Tensor:
    """log Z of the urns, differentiable in `log_weights` to any order.

    Args:
      urn: the urns.

    Returns:
      float64 `[B...]`; `-inf` where `n` elements can't be drawn.
    """
    if urn.is_pair:
        shift = tf.stop_gradient(_finite_max(urn.log_weights, axis=-1))[..., 0]
        return tf.reduce_logsumexp(pair_logits(urn), axis=-1) + urn.total_count * shift
    urn = urn.broadcast()

    @tf.custom_gradient
    def value(log_weights):
        at = urn._replace(log_weights=log_weights)

        def gradient(upstream):
            return upstream[..., tf.newaxis] * mean(at)

        return _log_normalizer(at), gradient

    return value(urn.log_weights)


def mean(urn: Urn) -> tf.Tensor:
    """E[x], the gradient of log Z; differentiable in `log_weights`.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c]`; NaN where `n` elements can't be drawn.
    """
    if urn.is_pair:
        first = tf.linalg.matvec(
            tf.nn.softmax(pair_logits(urn))[..., tf.newaxis, :],
            counts_row(urn.num_counts),
        )
        return tf.concat([first, urn.total_count[..., tf.newaxis] - first], axis=-1)
    urn = urn.broadcast()

    @tf.custom_gradient
    def value(log_weights):
        at = urn._replace(log_weights=log_weights)

        def gradient(upstream):
            return covariance_product(at, upstream)

        return _mean(at), gradient

    return value(urn.log_weights)


def covariance_product(urn: Urn, vector: tf.Tensor) -> tf.Tensor:
    """Cov[x] v, without the matrix; differentiable in both arguments.

    Args:
      urn: the urns.
      vector: float64 `[B..., c]`.

    Returns:
      float64 `[B..., c]`.
    """
    if urn.is_pair:
        row = tf.nn.softmax(pair_logits(urn))
        counts = counts_row(urn.num_counts)
        centred = counts - tf.linalg.matvec(row[..., tf.newaxis, :], counts)
        variance = tf.reduce_sum(row * centred**2, axis=-1)
        first = variance * (vector[..., 0] - vector[..., 1])
        return tf.stack([first, -first], axis=-1)
    at = _contour(urn.broadcast())
    sizes = urn.group_sizes
    scaled = (sizes * vector)[..., tf.newaxis]
    along_re = tf.reduce_sum(scaled * at.shift_re, axis=-2, keepdims=True)
    along_im = tf.reduce_sum(scaled * at.shift_im, axis=-2, keepdims=True)
    product_re = at.shift_re * along_re - at.shift_im * along_im
    product_im = at.shift_re * along_im + at.shift_im * along_re
    joint = at.average(product_re, product_im)
    apart = at.average(at.shift_re, at.shift_im) * at.average(along_re, along_im)
    return sizes * (joint - apart + vector * _bernoulli_variance(at))


def covariance(urn: Urn) -> tf.Tensor:
    """Cov[x], the Hessian of log Z.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c, c]`.
    """
    if urn.is_pair:
        unit = tf.constant([1.0, 0.0], CORE_DTYPE)
        column = covariance_product(urn, unit)
        return tf.stack([column, -column], axis=-1)
    at = _contour(urn.broadcast())
    sizes = urn.group_sizes
    weighted_re = at.weight_re * at.shift_re - at.weight_im * at.shift_im
    weighted_im = at.weight_re * at.shift_im + at.weight_im * at.shift_re
    joint = tf.matmul(weighted_re, at.shift_re, transpose_b=True) - tf.matmul(
        weighted_im, at.shift_im, transpose_b=True
    )
    centre = at.average(at.shift_re, at.shift_im)
    joint -= centre[..., :, tf.newaxis] * centre[..., tf.newaxis, :]
    joint *= sizes[..., :, tf.newaxis] * sizes[..., tf.newaxis, :]
    own = sizes * _bernoulli_variance(at)
    return tf.linalg.set_diag(joint, tf.linalg.diag_part(joint) + own)


class _Contour(NamedTuple):
    """The urns on the contour; K' points of the upper half circle."""

    log_tilt: tf.Tensor  # log t, [B...]
    probs: tf.Tensor  # p, [B..., c]
    spread: tf.Tensor  # p (1 - p), [B..., c, 1]
    log_mass: tf.Tensor  # log P(S = n), [B...]
    weight_re: tf.Tensor  # phi(u) exp(-i n u) over its sum, [B..., 1, K']
    weight_im: tf.Tensor
    shift_re: tf.Tensor  # p exp(i u) / z(u) - p, [B..., c, K']
    shift_im: tf.Tensor
    norm: tf.Tensor  # |z(u)|^2, [B..., c, K']
    cos: tf.Tensor  # of u, [K']
    sin: tf.Tensor

    def average(self, re: tf.Tensor, im: tf.Tensor) -> tf.Tensor:
        """The mean over the contour: [B..., c, K'] -> [B..., c]."""
        return tf.reduce_sum(self.weight_re * re - self.weight_im * im, axis=-1)


def _contour(urn: Urn) -> _Contour:
    # Nothing depends on the tilt but rounding, so it is held fixed.
    tilt = tf.stop_gradient(log_tilt(urn))
    logits = urn.log_weights + tilt[..., tf.newaxis]
    probs = tf.math.sigmoid(logits)[..., tf.newaxis]
    spread = probs * tf.math.sigmoid(-logits)[..., tf.newaxis]
    num_points = _num_points(urn)
    half = counts_row((num_points + 1) // 2) * (
        2.0 * math.pi / tf.cast(num_points, CORE_DTYPE)
    )
    sin = tf.sin(half)
    cos_minus_one = -2.0 * tf.sin(half / 2.0) ** 2
    change = 2.0 * spread * cos_minus_one
    phase = tf.atan2(probs * sin, 1.0 + probs * cos_minus_one)
    sizes = urn.group_sizes[..., tf.newaxis]
    modulus = tf.exp(0.5 * tf.reduce_sum(sizes * tf.math.log1p(change), axis=-2))
    angle = tf.reduce_sum(sizes * phase, axis=-2)
    angle -= urn.total_count[..., tf.newaxis] * half
    # The lower half circle is the conjugate of the upper one.
    modulus *= tf.where(half > 0.0, tf.constant(2.0, CORE_DTYPE), 1.0)
    weight_re = modulus * tf.cos(angle)
    total = tf.reduce_sum(weight_re, axis=-1, keepdims=True)
    norm = 1.0 + change
    return _Contour(
        log_tilt=tilt,
        probs=probs[..., 0],
        spread=spread,
        log_mass=tf.math.log(total[..., 0] / tf.cast(num_points, CORE_DTYPE)),
        weight_re=(weight_re / total)[..., tf.newaxis, :],
        weight_im=(modulus * tf.sin(angle) / total)[..., tf.newaxis, :],
        shift_re=spread * cos_minus_one * (1.0 - 2.0 * probs) / norm,
        shift_im=spread * sin / norm,
        norm=norm,
        cos=1.0 + cos_minus_one,
        sin=sin,
    )


def _num_points(urn: Urn) -> Size:
    """K: odd, so that no point is -1, where a z of p = 1/2 is zero.

    Bernstein: P(|S - n| >= K) <= 2 exp(-K^2 / 2 / (variance + K / 3)), and the
    variance of S is at most n (1 - n / sum(m)) and sum(m) / 4. K > max(n, sum(m)
    - n) leaves no alias at all.
    """
    nats = _NATS_OF_ALIAS
    variance = ps.minimum(
        ps.cast(urn.max_draws, tf.float64), ps.cast(urn.max_total, tf.float64) / 4.0
    )
    enough = nats / 3.0 + ps.sqrt((nats / 3.0) ** 2 + 2.0 * nats * variance)
    enough = ps.minimum(ps.cast(enough, tf.int32), ps.cast(urn.max_total, tf.int32))
    return 2 * (enough // 2) + 3


def _bernoulli_variance(at: _Contour) -> tf.Tensor:
    """The mean of q (1 - q), q = p exp(i u) / z, over the contour: [B..., c]."""
    # p exp(iu) (1 - p) conj(z)^2 / |z|^4, with z = re + i im.
    p = at.probs[..., tf.newaxis]
    re = 1.0 + p * (at.cos - 1.0)
    im = p * at.sin
    square_re = re * re - im * im
    square_im = 2.0 * re * im
    scale = at.spread / at.norm**2
    return at.average(
        scale * (at.cos * square_re + at.sin * square_im),
        scale * (at.sin * square_re - at.cos * square_im),
    )


def _log_normalizer(urn: Urn) -> tf.Tensor:
    at = _contour(urn)
    logits = urn.log_weights + at.log_tilt[..., tf.newaxis]
    scale = tf.reduce_sum(urn.group_sizes * tf.math.softplus(logits), axis=-1)
    return at.log_mass + scale - urn.total_count * at.log_tilt


def _mean(urn: Urn) -> tf.Tensor:
    at = _contour(urn)
    value = urn.group_sizes * (at.probs + at.average(at.shift_re, at.shift_im))
    return value


def _finite_max(values: tf.Tensor, axis: int) -> tf.Tensor:
    greatest = tf.reduce_max(values, axis=axis, keepdims=True)
    return tf.where(tf.math.is_finite(greatest), greatest, 0.0)
