"""Log binomial coefficients and probabilities that keep their digits at any size.

`lgamma(m + 1) - lgamma(m - x + 1)` loses all of them for large m: at m = 1e12 both are
of the order of 1e13. Here Stirling's formula is subtracted explicitly, so that only its
small remainder is left of each factorial (Loader, "Fast and Accurate Computation of
Binomial Probabilities", 2000).
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

# From here on the series of the remainder is exact to the last digit.
_LARGE = 8.0
_MOST_NATS = 150.0


def log_choose(sizes: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """`log C(m, x)`, with `-inf` outside `0 <= x <= m`; shapes broadcast.

    Its relative error is that of rounding for any m up to 2^53. Counts that are not
    whole numbers enter through the gamma function.

    Args:
      sizes: m, float64.
      counts: x, float64.
    """
    inside = (counts >= 0.0) & (counts <= sizes)
    sizes = tf.where(inside, sizes, 1.0)
    counts = tf.where(inside, counts, 0.0)
    fewer = tf.minimum(counts, sizes - counts)
    more = sizes - fewer
    filled = tf.maximum(sizes, 1.0)
    value = (
        _log_stirling_ratio(sizes)
        - _log_stirling_ratio(more)
        - more * tf.math.log1p(-fewer / filled)
        + fewer * (tf.math.log(filled) - 1.0)
        - tf.math.lgamma(fewer + 1.0)
    )
    return tf.where(inside, value, -np.inf)


def log_binomial(sizes: tf.Tensor, counts: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """`log Binomial(x; m, p)`, `-inf` off the support; shapes broadcast.

    Near the mean its absolute error is that of rounding for any m up to 2^53, where
    the sum of `log C(m, x)`, `x log p` and `(m - x) log(1 - p)` would cancel.

    Args:
      sizes: m, float64.
      counts: x, float64.
      logits: log p / (1 - p), float64; `-inf` for p = 0.
    """
    present = logits > -np.inf
    inside = (counts >= 0.0) & (counts <= sizes) & ((counts == 0.0) | present)
    # Certain and impossible outcomes are handled separately, so that gradients are not
    # NaN.
    ordinary = inside & present & (sizes > 0.0)
    sizes = tf.where(ordinary, sizes, 1.0)
    counts = tf.where(ordinary, counts, 0.0)
    logits = tf.where(ordinary, logits, 0.0)
    # Beyond, the powers of p that derivatives take would underflow; but there the value
    # is linear in the logits to the last digit.
    steep = logits
    logits = tf.clip_by_value(logits, -_MOST_NATS, _MOST_NATS)
    taken, left = probability(logits) * sizes, probability(-logits) * sizes
    excess = tf.where(logits < 0.0, counts - taken, left - (sizes - counts))
    value = (
        _log_stirling_ratio(sizes)
        - _log_poisson_ratio(counts, taken, excess)
        - _log_poisson_ratio(sizes - counts, left, -excess)
        + tf.where(logits < 0.0, counts, counts - sizes) * (steep - logits)
    )
    certain = tf.where(inside, tf.zeros([], value.dtype), -np.inf)
    return tf.where(ordinary, value, certain)


def probability(logits: tf.Tensor) -> tf.Tensor:
    """The sigmoid; its derivatives, too, are accurate for logits of either sign."""
    return tf.exp(-tf.math.softplus(-logits))


def _log_stirling_ratio(x: tf.Tensor) -> tf.Tensor:
    """`log x! - (x log x - x)`, for x >= 0: small even where log x! is large."""
    large = x > _LARGE
    many = tf.where(large, x, _LARGE)
    few = tf.where(~large, x, 1.0)
    some = tf.where(few > 0.0, few, 1.0)
    series = 0.5 * tf.math.log(2.0 * math.pi * many) + _remainder(many)
    direct = tf.math.lgamma(few + 1.0) - few * (tf.math.log(some) - 1.0)
    return tf.where(large, series, direct)


def _log_poisson_ratio(x: tf.Tensor, mean: tf.Tensor, excess: tf.Tensor) -> tf.Tensor:
    """`log x! - x log(mean) + x`, for x >= 0 and a mean above 0.

    Args:
      x: the count.
      mean: what is expected.
      excess: x - mean, free of cancellation.
    """
    large = x > _LARGE
    many = tf.where(large, x, _LARGE)
    few = tf.where(~large, x, 1.0)
    series = 0.5 * tf.math.log(2.0 * math.pi * many) + _remainder(many)
    series += many * tf.math.log1p(tf.where(large, excess / mean, 0.0))
    direct = tf.math.lgamma(few + 1.0) + few * (1.0 - tf.math.log(mean))
    return tf.where(large, series, direct)


def _remainder(x: tf.Tensor) -> tf.Tensor:
    """`log x! - (x + 1/2) log x + x - 1/2 log(2 pi)`, for x >= 8."""
    return tfp.math.log_gamma_correction(x)
