"""log Z, the mean and the covariance of the distribution, with their gradients.

Fisher's distribution is an exponential family in `log_weights`: with Z the
coefficient of t^n in prod_i (1 + omega_i t)^m_i, the mean is the gradient of
log Z and the covariance its Hessian. They are averages over the contour of
`contour.py`. Two groups need none: the logits of x_1 are one row.
"""

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.contour import (
    Contour,
    contour,
    factors,
    sums_of_others,
)
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Urn,
    counts_row,
    log_choose,
    log_group_rows,
    take,
)


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
        # Below 0 is off the support, but times a zero weight's log it would be +inf.
        + tf.math.multiply_no_nan(log_weights[..., 1, :], tf.maximum(second, 0.0))
    )


def log_normalizer(urn: Urn) -> tf.Tensor:
    """log Z of the urns, differentiable in `log_weights` to any order.

    Args:
      urn: the urns.

    Returns:
      float64 `[B...]`; `-inf` where `n` elements can't be drawn.
    """
    possible = urn.is_possible()
    urn = urn._replace(total_count=tf.where(possible, urn.total_count, 0.0))
    num_groups = tf.get_static_value(urn.num_groups)
    if num_groups == 1:
        value = _log_normalizer_of_one(urn)
    elif num_groups == 2:
        # Safe where nothing can be drawn: no count is in the support there.
        value = _log_normalizer_of_two(urn)
    else:
        urn = urn.broadcast()

        @tf.custom_gradient
        def around_contour(log_weights):
            at = urn._replace(log_weights=log_weights)

            def gradient(upstream):
                return upstream[..., tf.newaxis] * mean(at)

            return _log_normalizer(at, contour(at)), gradient

        value = around_contour(urn.log_weights)
    return tf.where(possible, value, -float("inf"))


def _log_normalizer_of_one(urn: Urn) -> tf.Tensor:
    ways = log_choose(urn.group_sizes[..., 0], urn.total_count)
    return ways + tf.math.multiply_no_nan(urn.log_weights[..., 0], urn.total_count)


def _log_normalizer_of_two(urn: Urn) -> tf.Tensor:
    shift = tf.stop_gradient(_finite_max(urn.log_weights, axis=-1))[..., 0]
    return tf.reduce_logsumexp(pair_logits(urn), axis=-1) + urn.total_count * shift


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

        return _mean(at, contour(at)), gradient

    return value(urn.log_weights)


def log_normalizer_and_mean(urn: Urn) -> tuple[tf.Tensor, tf.Tensor]:
    """log Z and E[x] with their first derivatives, from one contour.

    For training steps that need both: `log_normalizer` and `mean` would evaluate four
    contours, two of them for the gradients.

    Args:
      urn: the urns, from which `n` elements can be drawn.

    Returns:
      float64 `[B...]` and `[B..., c]`, differentiable in `log_weights` once.
    """
    num_groups = tf.get_static_value(urn.num_groups)
    if num_groups is not None and num_groups <= 2:
        return log_normalizer(urn), mean(urn)
    urn = urn.broadcast()

    @tf.custom_gradient
    def values(log_weights):
        at = urn._replace(log_weights=log_weights)
        around = contour(at)
        average, spread = _mean(at, around), _covariance(at, around)

        def gradient(of_log_z, of_mean):
            change = tf.linalg.matvec(spread, of_mean)
            return of_log_z[..., tf.newaxis] * average + change

        return (_log_normalizer(at, around), average), gradient

    return values(urn.log_weights)


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
    around = contour(urn.broadcast())
    sizes = urn.group_sizes
    scaled = (sizes * vector)[..., tf.newaxis]
    along_re = tf.reduce_sum(scaled * around.shift_re, axis=-2, keepdims=True)
    along_im = tf.reduce_sum(scaled * around.shift_im, axis=-2, keepdims=True)
    product_re = around.shift_re * along_re - around.shift_im * along_im
    product_im = around.shift_re * along_im + around.shift_im * along_re
    joint = around.average(product_re, product_im)
    apart = around.average(around.shift_re, around.shift_im) * around.average(
        along_re, along_im
    )
    return sizes * (joint - apart + vector * _bernoulli_variance(around))


def covariance(urn: Urn) -> tf.Tensor:
    """Cov[x], the Hessian of log Z.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c, c]`; NaN where `n` elements can't be drawn.
    """
    if urn.is_pair:
        unit = tf.constant([1.0, 0.0], CORE_DTYPE)
        column = covariance_product(urn, unit)
        return tf.stack([column, -column], axis=-1)
    return _covariance(urn, contour(urn.broadcast()))


def marginal_probs(urn: Urn) -> tf.Tensor:
    """P(x_i = x) of every group, differentiable in `log_weights`.

    Its absolute error is that of rounding; `exact.marginal_log_prob` keeps the
    relative accuracy of the tails.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c, R]`.
    """
    if urn.is_pair:
        row = tf.nn.softmax(pair_logits(urn))
        return tf.stack([row, _mirror(urn, row)], axis=-2)
    urn = urn.broadcast()
    at = factors(urn)
    rest = urn.total_count[..., tf.newaxis, tf.newaxis] - counts_row(urn.num_counts)
    joint = tf.exp(log_group_rows(urn, at.log_tilt)) * sums_of_others(at, rest)
    joint = tf.where(rest >= 0.0, joint, 0.0)
    return joint / tf.reduce_sum(joint, axis=-1, keepdims=True)


def _mirror(urn: Urn, row: tf.Tensor) -> tf.Tensor:
    """`row[..., n - x]` for x = 0..R-1, 0 where there is none."""
    other = urn.total_count[..., tf.newaxis] - counts_row(urn.num_counts)
    inside = (other >= 0.0) & (other < tf.cast(urn.num_counts, CORE_DTYPE))
    index = tf.cast(tf.where(inside, other, 0.0), tf.int32)
    index = tf.broadcast_to(index, ps.shape(row))
    value = take(row, index)
    return tf.where(inside, value, 0.0)


def _bernoulli_variance(around: Contour) -> tf.Tensor:
    """The mean of q (1 - q), q = p exp(i u) / z, over the contour: `[B..., c]`."""
    # p exp(iu) (1 - p) conj(z)^2 / |z|^4, with z = re + i im.
    at = around.at
    cos, sin = 1.0 + at.cos_minus_one, tf.sin(at.angles)
    re, im = 1.0 + at.probs * at.cos_minus_one, at.probs * sin
    square_re, square_im = re * re - im * im, 2.0 * re * im
    scale = at.spread / at.norm**2
    return around.average(
        scale * (cos * square_re + sin * square_im),
        scale * (sin * square_re - cos * square_im),
    )


def _log_normalizer(urn: Urn, around: Contour) -> tf.Tensor:
    tilt = around.at.log_tilt
    logits = urn.log_weights + tilt[..., tf.newaxis]
    scale = tf.reduce_sum(urn.group_sizes * tf.math.softplus(logits), axis=-1)
    return around.log_mass + scale - urn.total_count * tilt


def _mean(urn: Urn, around: Contour) -> tf.Tensor:
    possible = urn.is_possible()[..., tf.newaxis]
    shift = around.average(around.shift_re, around.shift_im)
    value = urn.group_sizes * (around.at.probs[..., 0] + shift)
    # Rounding can't leave the support; n = 0 and n = sum(m) are exact.
    others = tf.reduce_sum(urn.group_sizes, axis=-1, keepdims=True) - urn.group_sizes
    total_count = urn.total_count[..., tf.newaxis]
    least = tf.maximum(total_count - others, 0.0)
    most = tf.minimum(urn.group_sizes, total_count)
    return tf.where(possible, tf.clip_by_value(value, least, most), np.nan)


def _covariance(urn: Urn, around: Contour) -> tf.Tensor:
    sizes = urn.group_sizes
    weighted_re = (
        around.weight_re * around.shift_re - around.weight_im * around.shift_im
    )
    weighted_im = (
        around.weight_re * around.shift_im + around.weight_im * around.shift_re
    )
    joint = tf.matmul(weighted_re, around.shift_re, transpose_b=True) - tf.matmul(
        weighted_im, around.shift_im, transpose_b=True
    )
    centre = around.average(around.shift_re, around.shift_im)
    joint -= centre[..., :, tf.newaxis] * centre[..., tf.newaxis, :]
    joint *= sizes[..., :, tf.newaxis] * sizes[..., tf.newaxis, :]
    own = sizes * _bernoulli_variance(around)
    value = tf.linalg.set_diag(joint, tf.linalg.diag_part(joint) + own)
    return tf.where(urn.is_possible()[..., tf.newaxis, tf.newaxis], value, np.nan)


def _finite_max(values: tf.Tensor, axis: int) -> tf.Tensor:
    greatest = tf.reduce_max(values, axis=axis, keepdims=True)
    return tf.where(tf.math.is_finite(greatest), greatest, 0.0)
