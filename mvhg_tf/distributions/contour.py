"""The urns on a circle in the complex plane, where sums of counts separate.

With the tilt t of `tilt.py` let X_i ~ Binomial(m_i, p_i) be independent, p_i =
omega_i t / (1 + omega_i t), S their sum, and u_k = 2 pi k / K. Then

    P(S = n) = 1/K sum_k phi(u_k) exp(-i n u_k),
    phi(u) = prod_i z_i(u)^m_i,    z_i(u) = 1 - p_i + p_i exp(i u).

Nothing cancels: P(S = n) is as great as the mean of |phi| but for a small
constant factor, because t makes n the mean of S. The trapezoidal sum is exact
up to the aliases P(S = n + K) + P(S = n - K) + ..., which Bernstein's inequality
makes negligible with K of the order of 10 standard deviations. So everything
about S costs O(c K), where convolutions cost O(c n max(m)).
"""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.binomials import probability
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    Window,
    counts_row,
    greatest,
    reach_of,
    row_size,
)

_FEW_GROUPS = 16


class Factors(NamedTuple):
    """The groups' factors z_i(u)^m_i on the upper half circle, K' points.

    Attributes:
      logits: log p / (1 - p), `[B..., c]`.
      probs: p, `[B..., c, 1]`.
      spread: p (1 - p), `[B..., c, 1]`.
      log_modulus: log |z^m|, `[B..., c, K']`.
      phase: the argument of z^m, `[B..., c, K']`.
      norm: |z|^2, `[B..., c, K']`.
      angles: u, `[K']`.
      cos_minus_one: cos u - 1, `[K']`.
      num_points: K.
    """

    logits: tf.Tensor
    probs: tf.Tensor
    spread: tf.Tensor
    log_modulus: tf.Tensor
    phase: tf.Tensor
    norm: tf.Tensor
    angles: tf.Tensor
    cos_minus_one: tf.Tensor
    num_points: Size

    @property
    def measure(self) -> tf.Tensor:
        """Weights `[K']` of the points: the lower half is the conjugate."""
        whole = tf.where(self.angles > 0.0, tf.constant(2.0, CORE_DTYPE), 1.0)
        return whole / tf.cast(self.num_points, CORE_DTYPE)


def factors(urn: Urn) -> Factors:
    """The factors of the urns, of a full batch shape."""
    logits = urn.log_weights + log_tilt(urn)[..., tf.newaxis]
    probs = probability(logits)[..., tf.newaxis]
    spread = probs * probability(-logits)[..., tf.newaxis]
    num_points = _num_points(urn, spread)
    step = 2.0 * math.pi / tf.cast(num_points, CORE_DTYPE)
    angles = counts_row((num_points + 1) // 2) * step
    cos_minus_one = -2.0 * tf.sin(angles / 2.0) ** 2
    change = 2.0 * spread * cos_minus_one
    phase = tf.atan2(probs * tf.sin(angles), 1.0 + probs * cos_minus_one)
    sizes = urn.group_sizes[..., tf.newaxis]
    return Factors(
        logits=logits,
        probs=probs,
        spread=spread,
        log_modulus=0.5 * sizes * tf.math.log1p(change),
        phase=sizes * phase,
        norm=1.0 + change,
        angles=angles,
        cos_minus_one=cos_minus_one,
        num_points=num_points,
    )


def _num_points(urn: Urn, spread: tf.Tensor) -> Size:
    """K: odd, so that no point is -1, where a z of p = 1/2 is zero.

    There is no alias at all beyond sum(m).
    """
    variance = urn.max_variance
    if not urn.is_static:
        own = tf.reduce_sum(urn.group_sizes * spread[..., 0], axis=-1)
        variance = tf.minimum(variance, greatest(tf.stop_gradient(own)))
    enough = row_size(ps.minimum(reach_of(variance), urn.max_total))
    return 2 * (enough // 2) + 3


class Contour(NamedTuple):
    """Averages over the contour, weighted by phi(u) exp(-i n u).

    Attributes:
      at: the factors.
      log_mass: log P(S = n), `[B...]`.
      weight_re: phi(u) exp(-i n u) over its sum, `[B..., 1, K']`; real part.
      weight_im: imaginary part.
      shift_re: q - p with q = p exp(i u) / z, `[B..., c, K']`; real part.
      shift_im: imaginary part.
    """

    at: Factors
    log_mass: tf.Tensor
    weight_re: tf.Tensor
    weight_im: tf.Tensor
    shift_re: tf.Tensor
    shift_im: tf.Tensor

    def average(self, re: tf.Tensor, im: tf.Tensor) -> tf.Tensor:
        """The mean over the contour: `[B..., c, K']` -> `[B..., c]`."""
        return tf.reduce_sum(self.weight_re * re - self.weight_im * im, axis=-1)


def contour(urn: Urn) -> Contour:
    """The contour that gives the coefficient of `n`; urns of a full batch shape."""
    at = factors(urn)
    modulus = tf.exp(tf.reduce_sum(at.log_modulus, axis=-2)) * at.measure
    angle = tf.reduce_sum(at.phase, axis=-2)
    angle -= urn.total_count[..., tf.newaxis] * at.angles
    weight_re = modulus * tf.cos(angle)
    total = tf.reduce_sum(weight_re, axis=-1, keepdims=True)
    scale = at.spread / at.norm
    return Contour(
        at=at,
        log_mass=tf.math.log(total[..., 0]),
        weight_re=(weight_re / total)[..., tf.newaxis, :],
        weight_im=(modulus * tf.sin(angle) / total)[..., tf.newaxis, :],
        shift_re=scale * at.cos_minus_one * (1.0 - 2.0 * at.probs),
        shift_im=scale * tf.sin(at.angles),
    )


class Later(NamedTuple):
    """phi of the sum of the groups after each one, for drawing.

    Its probabilities have the absolute error of rounding, 1e-16, and repeat with
    period K. Neither matters to a draw: group i's count x given k left has the weight
    b_i(x) P(S_{>i} = k - x), and summed over what can have come before, the repeated
    copies weigh P(S = n + K) / P(S = n). Their logarithms in the tails are another
    matter: see `tables.py`.

    Attributes:
      log_modulus: log |phi|, `[B..., c - 1, K']`.
      phase: the argument of phi, `[B..., c - 1, K']`.
    """

    log_modulus: tf.Tensor
    phase: tf.Tensor


def later(at: Factors) -> Later:
    """Of the groups after each one but the last."""
    return Later(
        _suffix_sums(at.log_modulus[..., 1:, :]), _suffix_sums(at.phase[..., 1:, :])
    )


def _suffix_sums(terms: tf.Tensor) -> tf.Tensor:
    """Cumulative sums from the last group back, `[B..., c, K']` alike."""
    num_groups = tf.get_static_value(ps.shape(terms)[-2])
    if num_groups is None or num_groups > _FEW_GROUPS:
        return tf.cumsum(terms, axis=-2, reverse=True)
    # XLA would evaluate the terms, which are logs and angles, once for each sum;
    # before a matrix product it stores them.
    triangle = np.triu(np.ones([num_groups, num_groups]))
    return tf.linalg.matmul(tf.constant(triangle, terms.dtype), terms)


class Others(NamedTuple):
    """phi of the sum of all groups but one, `[B..., c, K']` each.

    Attributes:
      log_modulus: log |phi|.
      phase: its argument.
    """

    log_modulus: tf.Tensor
    phase: tf.Tensor


def others(at: Factors) -> Others:
    """Of each group."""

    def sum_of_others(terms: tf.Tensor) -> tf.Tensor:
        # Not the total less the own: a factor can be close to zero.
        return tf.cumsum(terms, axis=-2, exclusive=True) + tf.cumsum(
            terms, axis=-2, exclusive=True, reverse=True
        )

    return Others(sum_of_others(at.log_modulus), sum_of_others(at.phase))


def sums_of_others(urn: Urn, at: Factors, rest: Others, window: Window) -> tf.Tensor:
    """P(sum of all groups but the i-th = n - x), up to aliases.

    Args:
      urn: the urns, of a full batch shape.
      at: their factors.
      rest: of some groups.
      window: the counts x of these groups.

    Returns:
      float64 `[B..., c, R]`.
    """
    modulus = tf.exp(rest.log_modulus) * at.measure
    turns = at.angles * (urn.total_count[..., tf.newaxis, tf.newaxis] - window.start)
    return tf.maximum(waves(at, modulus, rest.phase - turns, window.size), 0.0)


def waves(at: Factors, modulus: tf.Tensor, phase: tf.Tensor, size: Size) -> tf.Tensor:
    """The sums over the contour of `modulus cos(phase + u x)`, for x = 0..R-1.

    Args:
      at: the factors.
      modulus: `[..., K']`.
      phase: `[..., K']`.
      size: R.

    Returns:
      float64 `[..., R]`.
    """
    turns = at.angles[:, tf.newaxis] * counts_row(size)
    amplitudes = tf.concat([modulus * tf.cos(phase), -modulus * tf.sin(phase)], -1)
    table = tf.concat([tf.cos(turns), tf.sin(turns)], axis=0)
    shape = ps.concat([ps.shape(amplitudes)[:-1], [size]], axis=0)
    flat = tf.reshape(amplitudes, ps.stack([-1, ps.shape(table)[0]]))
    return tf.reshape(tf.matmul(flat, table), shape)
