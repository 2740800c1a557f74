"""log Z, the moments and the marginals of the distribution.

Fisher's distribution is an exponential family in `log_weights`: with Z the
coefficient of t^n in prod_i (1 + omega_i t)^m_i, the mean is the gradient of
log Z and the covariance its Hessian. They are averages over the contour of
`contour.py`. Two groups need none: the probabilities of x_1 are one row.

All are plain functions of tensors, so that they can be differentiated in
`log_weights` to any order, forwards and backwards.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mvhg_tf.distributions.binomials import log_binomial, log_choose
from mvhg_tf.distributions.contour import (
    Contour,
    Factors,
    Others,
    contour,
    factors,
    others,
    sums_of_others,
)
from mvhg_tf.distributions.tilt import log_tilt
from mvhg_tf.distributions.urn import (
    CORE_DTYPE,
    Size,
    Urn,
    Window,
    count_window,
    counts_row,
    log_binomial_rows,
    take,
)

_GROUPS_AT_A_TIME = 64


class Pair(NamedTuple):
    """Two groups under the tilt.

    Attributes:
      logits: log p / (1 - p) of each group, `[B..., 2]`.
      window: of x_1.
      log_row: log P(x_1, x_2 = n - x_1) of independent groups, `[B..., R]`.
    """

    logits: tf.Tensor
    window: Window
    log_row: tf.Tensor

    @property
    def counts(self) -> tf.Tensor:
        """x_1, `[R]` or `[B..., R]`."""
        return self.window.counts()

    def probs(self) -> tf.Tensor:
        """P(x_1 = x), `[B..., R]`."""
        return tf.nn.softmax(self.log_row)

    def mass(self) -> "Mass":
        """P(S = n)."""
        return Mass(tf.reduce_logsumexp(self.log_row, axis=-1), self.logits)


def pair(urn: Urn, with_tails: bool = False) -> Pair:
    """The row of x_1 of urns of two groups.

    Args:
      urn: the urns.
      with_tails: see `count_window`.
    """
    logits = urn.log_weights + log_tilt(urn)[..., tf.newaxis]
    window = count_window(urn, logits, with_tails)
    if urn.windowed:
        window = window._replace(start=window.start[..., 0, :])
    first = window.counts()
    second = urn.total_count[..., tf.newaxis] - first
    rows = log_binomial if urn.windowed else log_binomial_rows
    sizes, wide = urn.group_sizes[..., tf.newaxis], logits[..., tf.newaxis]
    log_row = rows(sizes[..., 0, :], first, wide[..., 0, :])
    # Below 0 is off the support.
    second_row = rows(sizes[..., 1, :], tf.maximum(second, 0.0), wide[..., 1, :])
    log_row += tf.where(second >= 0.0, second_row, -np.inf)
    return Pair(logits, window, log_row)


class Mass(NamedTuple):
    """P(S = n) of independent groups under the tilt, and the tilted logits.

    Attributes:
      log_mass: log P(S = n), `[B...]`.
      logits: log p / (1 - p) of each group, `[B..., c]`.
    """

    log_mass: tf.Tensor
    logits: tf.Tensor


def mass(urn: Urn) -> Mass:
    """P(S = n) of urns from which `n` elements can be drawn."""
    if tf.get_static_value(urn.num_groups) == 1:
        return _mass_of_one(urn)
    if urn.is_pair:
        return pair(urn).mass()
    few, turned = urn.fewer()
    return _mass(contour(few), turned)


def mass_and_mean(urn: Urn) -> tuple[Mass, tf.Tensor]:
    """`mass` and `mean` from one row or contour.

    Args:
      urn: the urns, from which `n` elements can be drawn.
    """
    if tf.get_static_value(urn.num_groups) == 1:
        return _mass_of_one(urn), mean(urn)
    if urn.is_pair:
        at = pair(urn)
        return at.mass(), _mean_of_pair(urn, at)
    few, turned = urn.fewer()
    around = contour(few)
    return _mass(around, turned), _mean(urn, few, turned, around)


def _mass_of_one(urn: Urn) -> Mass:
    urn = urn.broadcast()
    logits = urn.log_weights + log_tilt(urn)[..., tf.newaxis]
    value = log_binomial(urn.group_sizes[..., 0], urn.total_count, logits[..., 0])
    return Mass(value, logits)


def _mass(around: Contour, turned: tf.Tensor) -> Mass:
    logits = around.at.logits
    # A weight of zero is one in either urn.
    inverse = tf.where(logits > -np.inf, -logits, logits)
    return Mass(around.log_mass, tf.where(turned[..., tf.newaxis], inverse, logits))


def only_possible(urn: Urn) -> tuple[Urn, tf.Tensor]:
    """The urns with n = 0 where `n` elements can't be drawn, and where they can."""
    possible = urn.is_possible()
    return urn._replace(total_count=tf.where(possible, urn.total_count, 0.0)), possible


def log_normalizer(urn: Urn) -> tf.Tensor:
    """log Z of the urns, differentiable in `log_weights` to any order.

    Args:
      urn: the urns.

    Returns:
      float64 `[B...]`; `-inf` where `n` elements can't be drawn.
    """
    urn, possible = only_possible(urn)
    value = _log_normalizer(urn, mass(urn))
    return tf.where(possible, value, -np.inf)


def _log_normalizer(urn: Urn, at: Mass) -> tf.Tensor:
    """From log P(S = n), by the tilt's own log-probability of n draws."""
    present = urn.log_weights > -np.inf
    log_weights = tf.where(present, urn.log_weights, 0.0)
    logits = tf.where(present, at.logits, 0.0)
    # The tilt is the same of all groups: that of the largest weight is rounded least.
    shift = tf.where(present, tf.stop_gradient(logits - log_weights), -np.inf)
    tilt = tf.reduce_max(shift, axis=-1)
    tilt = tf.where(tilt > -np.inf, tilt, 0.0)
    scale = tf.where(present, urn.group_sizes * tf.math.softplus(logits), 0.0)
    return at.log_mass + tf.reduce_sum(scale, axis=-1) - urn.total_count * tilt


def mean(urn: Urn) -> tf.Tensor:
    """E[x], the gradient of log Z; differentiable in `log_weights`.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c]`; NaN where `n` elements can't be drawn.
    """
    if urn.is_pair:
        return _mean_of_pair(urn, pair(urn))
    few, turned = urn.fewer()
    return _mean(urn, few, turned, contour(few))


def log_normalizer_and_mean(urn: Urn) -> tuple[tf.Tensor, tf.Tensor]:
    """log Z and E[x] from one contour, for training steps that need both.

    Args:
      urn: the urns, from which `n` elements can be drawn.

    Returns:
      float64 `[B...]` and `[B..., c]`, as from `log_normalizer` and `mean`.
    """
    at, average = mass_and_mean(urn)
    return _log_normalizer(urn.broadcast(), at), average


def covariance_product(urn: Urn, vector: tf.Tensor) -> tf.Tensor:
    """Cov[x] v, without the matrix; differentiable in both arguments.

    Args:
      urn: the urns.
      vector: float64 `[B..., c]`.

    Returns:
      float64 `[B..., c]`.
    """
    if urn.is_pair:
        first = _pair_variance(urn) * (vector[..., 0] - vector[..., 1])
        return tf.stack([first, -first], axis=-1)
    few, _ = urn.fewer()
    around = contour(few)
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


def variance(urn: Urn) -> tf.Tensor:
    """The diagonal of Cov[x], float64 `[B..., c]`."""
    if urn.is_pair:
        value = _pair_variance(urn)[..., tf.newaxis]
        value = tf.concat([value, value], axis=-1)
        return _where_possible(urn, value, 1)
    few, _ = urn.fewer()
    around = contour(few)
    sizes, re, im = urn.group_sizes, around.shift_re, around.shift_im
    apart = around.average(re, im) ** 2
    joint = around.average(re**2 - im**2, 2.0 * re * im) - apart
    value = sizes * (sizes * joint + _bernoulli_variance(around))
    # Of a count that is certain, rounding may make it negative, and its root NaN.
    value = tf.where(value < 0.0, tf.zeros_like(value), value)
    return _where_possible(urn, value, 1)


def covariance(urn: Urn) -> tf.Tensor:
    """Cov[x], the Hessian of log Z.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c, c]`; NaN where `n` elements can't be drawn.
    """
    if urn.is_pair:
        value = _pair_variance(urn)[..., tf.newaxis, tf.newaxis]
        value *= tf.constant([[1.0, -1.0], [-1.0, 1.0]], CORE_DTYPE)
        return _where_possible(urn, value, 2)
    few, _ = urn.fewer()
    return _where_possible(urn, _covariance(urn, contour(few)), 2)


def marginal_probs(urn: Urn) -> tf.Tensor:
    """P(x_i = x) of every group, differentiable in `log_weights`.

    Its absolute error is that of rounding; `exact.marginal_log_prob` keeps the
    relative accuracy of the tails.

    Args:
      urn: the urns.

    Returns:
      float64 `[B..., c, R]`, for the counts 0..R-1, R = `urn.num_counts`.
    """
    urn = urn._replace(windowed=False)
    if urn.is_pair:
        row = pair(urn).probs()
        return tf.stack([row, _mirror(urn, row)], axis=-2)
    urn = urn.broadcast()
    at = factors(urn)
    window = Window(tf.zeros([1], CORE_DTYPE), urn.num_counts)
    return _marginals(urn, at, at.logits, others(at), window)


def mean_log_choose(urn: Urn, sizes: tf.Tensor) -> tf.Tensor:
    """`sum_i E[log C(sizes_i, x_i)]` over the exact marginals.

    Args:
      urn: the urns.
      sizes: float64 `[B..., c]`, at least the counts that are possible.

    Returns:
      float64 `[B...]`.
    """
    sizes = sizes[..., tf.newaxis]
    if urn.is_pair:
        two = pair(urn)
        other = urn.total_count[..., tf.newaxis] - two.counts
        ways = _finite(log_choose(sizes[..., 0, :], two.counts))
        ways += _finite(log_choose(sizes[..., 1, :], other))
        return tf.reduce_sum(two.probs() * ways, axis=-1)
    few, turned = urn.fewer()
    at = factors(few)
    rest, turned = others(at), turned[..., tf.newaxis, tf.newaxis]

    def of_groups(index: tf.Tensor) -> tf.Tensor:
        """The sum over the groups of an index, int32 `[G]`."""
        some = few._replace(group_sizes=tf.gather(few.group_sizes, index, axis=-1))
        logits = tf.gather(at.logits, index, axis=-1)
        window = count_window(some, logits)
        counts = window.counts()
        reach = tf.gather(urn.reach(), index, axis=-1)[..., tf.newaxis]
        drawn = tf.where(turned, reach - counts, counts)
        ways = _finite(log_choose(tf.gather(sizes, index, axis=-2), drawn))
        apart = Others(*(tf.gather(terms, index, axis=-2) for terms in rest))
        probs = _marginals(some, at, logits, apart, window)
        return tf.reduce_sum(probs * ways, axis=[-2, -1])

    num_groups = few.num_groups
    if (tf.get_static_value(num_groups) or np.inf) <= _GROUPS_AT_A_TIME:
        return of_groups(tf.range(num_groups))
    # Some groups at a time: of many, each few have a narrow window of their own.
    num_blocks = -(-num_groups // _GROUPS_AT_A_TIME)
    return tf.while_loop(
        lambda i, _: i < num_blocks,
        lambda i, total: (i + 1, total + of_groups(_block(i, num_groups))),
        (tf.constant(0), tf.zeros_like(few.total_count)),
        maximum_iterations=num_blocks,
        parallel_iterations=1,  # one block's memory
    )[1]


def _block(i: tf.Tensor, num_groups: Size) -> tf.Tensor:
    start = i * _GROUPS_AT_A_TIME
    return tf.range(start, tf.minimum(start + _GROUPS_AT_A_TIME, num_groups))


def _marginals(
    urn: Urn, at: Factors, logits: tf.Tensor, rest: Others, window: Window
) -> tf.Tensor:
    """P(x_i = x) for the counts of a window, `[B..., G, R]`, of some groups."""
    counts = window.counts()
    rows = log_binomial_rows(
        urn.group_sizes[..., tf.newaxis], counts, logits[..., tf.newaxis]
    )
    left = urn.total_count[..., tf.newaxis, tf.newaxis] - counts
    joint = tf.exp(rows) * sums_of_others(urn, at, rest, window)
    joint = tf.where(left >= 0.0, joint, 0.0)
    return joint / tf.reduce_sum(joint, axis=-1, keepdims=True)


def _mirror(urn: Urn, row: tf.Tensor) -> tf.Tensor:
    """`row[..., n - x]` for x = 0..R-1, 0 where there is none."""
    other = urn.total_count[..., tf.newaxis] - counts_row(urn.num_counts)
    inside = (other >= 0.0) & (other < tf.cast(urn.num_counts, CORE_DTYPE))
    index = tf.cast(tf.where(inside, other, 0.0), tf.int32)
    index = tf.broadcast_to(index, tf.shape(row))
    value = take(row, index)
    return tf.where(inside, value, 0.0)


def _pair_variance(urn: Urn) -> tf.Tensor:
    at = pair(urn)
    probs = at.probs()
    average = tf.reduce_sum(probs * at.counts, axis=-1, keepdims=True)
    return tf.reduce_sum(probs * (at.counts - average) ** 2, axis=-1)


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


def _mean_of_pair(urn: Urn, at: Pair) -> tf.Tensor:
    first = tf.reduce_sum(at.probs() * at.counts, axis=-1)
    value = tf.stack([first, urn.total_count - first], axis=-1)
    return _where_possible(urn, value, 1)


def _mean(urn: Urn, few: Urn, turned: tf.Tensor, around: Contour) -> tf.Tensor:
    shift = around.average(around.shift_re, around.shift_im)
    value = few.group_sizes * (around.at.probs[..., 0] + shift)
    # Rounding can't leave the support; n = 0 and n = sum(m) are exact.
    reach, total_count = few.reach(), few.total_count[..., tf.newaxis]
    others = tf.reduce_sum(reach, axis=-1, keepdims=True) - reach
    least = tf.maximum(total_count - others, 0.0)
    value = _clip(value, least, tf.minimum(reach, total_count))
    value = tf.where(turned[..., tf.newaxis], reach - value, value)
    return _where_possible(urn, value, 1)


def _clip(value: tf.Tensor, least: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """Clips; the gradient is that of the value where only rounding was clipped."""
    return value + tf.stop_gradient(tf.clip_by_value(value, least, most) - value)


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
    return tf.linalg.set_diag(joint, tf.linalg.diag_part(joint) + own)


def _where_possible(urn: Urn, value: tf.Tensor, event_ndims: int) -> tf.Tensor:
    """NaN where `n` elements can't be drawn."""
    possible = urn.is_possible()
    for _ in range(event_ndims):
        possible = possible[..., tf.newaxis]
    return tf.where(possible, value, np.nan)


def _finite(values: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(values), values, 0.0)
