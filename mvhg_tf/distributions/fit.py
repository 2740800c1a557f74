"""The weights that explain counts or a mean, and the sizes that explain a mean."""

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import normalizer, support
from mvhg_tf.distributions.urn import CORE_DTYPE, Urn

_MAX_STEPS = 100
_TOLERANCE = 1e-10
_MAX_MOVE = 1.0
# Between a group that is always drawn whole, whose weight has no finite
# estimate, and the greatest of the others: exp(-60) is never drawn.
_GAP = 60.0


def log_weights_from_mean(urn: Urn, mean: tf.Tensor) -> tf.Tensor:
    """The maximum-likelihood estimate, which is where the means agree.

    log Z - mean . log_weights is convex in log_weights, and its gradient and
    Hessian are the error of the mean and the covariance. Damped Newton steps
    from Levin's approximation, log(mean / (m - mean)).

    Args:
      urn: the urns; their log_weights only give the shape.
      mean: `[B..., c]`, in the convex hull of the support up to rounding: the
        difference of its sum to `n` is shared among the groups in proportion to their
        variance.

    Returns:
      float64 `[B..., c]`; the finite ones have the average 0. `-inf` for a group that
      is never drawn; 60 above the others for one that is always drawn whole, or as far
      as `n` allows.
    """
    urn = urn._replace(log_weights=tf.zeros_like(mean)).broadcast()
    mean = tf.broadcast_to(mean, ps.shape(urn.log_weights))
    most = support.maximum(urn)
    never = mean <= 0.0
    always = (mean >= most) & ~never
    free = ~never & ~always
    sizes = tf.broadcast_to(urn.group_sizes, ps.shape(mean))
    # What is always drawn leaves the urn; the others share the rest.
    fixed = tf.reduce_sum(tf.where(always, most, 0.0), axis=-1)
    rest = urn._replace(
        total_count=tf.maximum(urn.total_count - fixed, 0.0),
        group_sizes=tf.where(free, sizes, 0.0),
    )
    mean = _with_sum(tf.where(free, mean, 0.0), rest)
    share = tf.where(free, mean / tf.where(free, sizes, 1.0), 0.5)
    start = tf.math.log(share) - tf.math.log1p(-share)
    fitted = _newton(rest, mean, start, free)
    some = tf.reduce_any(free, axis=-1, keepdims=True)
    greatest = tf.reduce_max(
        tf.where(free, fitted, -float("inf")), axis=-1, keepdims=True
    )
    fitted = tf.where(always, tf.where(some, greatest, 0.0) + _GAP, fitted)
    count = tf.reduce_sum(tf.cast(~never, CORE_DTYPE), axis=-1, keepdims=True)
    centre = tf.reduce_sum(tf.where(~never, fitted, 0.0), axis=-1, keepdims=True)
    return tf.where(~never, fitted - centre / count, -float("inf"))


def _with_sum(mean: tf.Tensor, urn: Urn) -> tf.Tensor:
    """The means moved so that they sum to n, `[B..., c]`.

    Each by its binomial variance: a mean near 0 or m keeps its relative distance from
    it, on which its weight depends.
    """
    sizes = tf.where(urn.group_sizes > 0.0, urn.group_sizes, 1.0)
    variance = mean * (1.0 - mean / sizes)
    missing = urn.total_count - tf.reduce_sum(mean, axis=-1)
    total = tf.reduce_sum(variance, axis=-1)
    step = tf.math.divide_no_nan(missing, total)[..., tf.newaxis]
    return mean + step * variance


def _newton(urn: Urn, mean: tf.Tensor, start: tf.Tensor, free: tf.Tensor) -> tf.Tensor:
    """Newton steps for the free groups; the others are out of the urn."""
    free_float = tf.cast(free, CORE_DTYPE)
    # Errors are relative to what a mean is away from the ends of its range.
    slack = tf.minimum(mean, urn.group_sizes - mean)
    slack = tf.where(free & (slack > 0.0), slack, 1.0)

    def step(
        i: tf.Tensor, log_weights: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        at = urn._replace(log_weights=log_weights)
        error = (mean - normalizer.mean(at)) * free_float
        matrix = normalizer.covariance(at)
        # Scaled to correlations, variances of any size are solved for alike. The
        # matrix is singular along the deviations, and zero for groups that are out.
        variance = tf.linalg.diag_part(matrix)
        scale = tf.sqrt(tf.where(free & (variance > 0.0), variance, 1.0))
        along = scale * free_float
        norm = tf.reduce_sum(along**2, axis=-1, keepdims=True)
        along = tf.math.divide_no_nan(along, tf.sqrt(norm))
        matrix /= scale[..., :, tf.newaxis] * scale[..., tf.newaxis, :]
        matrix += along[..., :, tf.newaxis] * along[..., tf.newaxis, :]
        settled = tf.where(free & (variance > 0.0), 1e-12, 1.0)
        matrix += tf.linalg.diag(tf.cast(settled, CORE_DTYPE))
        move = tf.linalg.solve(matrix, (error / scale)[..., tf.newaxis])[..., 0]
        move /= scale
        decrement = tf.sqrt(tf.maximum(tf.reduce_sum(move * error, axis=-1), 0.0))
        slower = 1.0 + tf.where(decrement > 0.25, decrement, 0.0)
        # In the tails the variance vanishes and Newton steps overshoot.
        move = tf.clip_by_value(move / slower[..., tf.newaxis], -_MAX_MOVE, _MAX_MOVE)
        done = tf.reduce_all(tf.abs(error) <= _TOLERANCE * slack)
        log_weights = tf.where(done, log_weights, log_weights + move)
        return i + 1, log_weights, done

    _, log_weights, _ = tf.while_loop(
        lambda i, _, done: (i < _MAX_STEPS) & ~done,
        step,
        (tf.constant(0), start, tf.constant(False)),
        maximum_iterations=_MAX_STEPS,
    )
    return log_weights


def group_sizes_from_mean(
    mean: tf.Tensor, log_weights: tf.Tensor, population: tf.Tensor
) -> tf.Tensor:
    """The sizes m of the groups that give a mean, by Levin's approximation.

    With mean_i = m_i omega_i t / (1 + omega_i t), the sizes sum to the
    population for t = sum_i (mean_i / omega_i) / (population - n): what stays in
    the urn is shared in proportion to mean_i / omega_i.

    Args:
      mean: `[B..., c]`, summing to n.
      log_weights: `[B..., c]`.
      population: `sum(m)`, `[B...]`, greater than n.

    Returns:
      `[B..., c]`, not rounded.
    """
    drawn = tf.reduce_sum(mean, axis=-1)
    share = tf.nn.softmax(tf.math.log(mean) - log_weights)
    return mean + share * (population - drawn)[..., tf.newaxis]
