"""Diagonal Gaussian posteriors: divergences and averages of a pair of them."""

import math
from typing import NamedTuple

import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import replicas

# A latent in use carries some nats of an image (its posterior's mean KL to the prior),
# an unused one less than 0.1.
IN_USE_NATS = 0.5


class Gaussian(NamedTuple):
    """Diagonal Gaussians over d latents.

    Attributes:
      mean: `[B, d]`.
      log_variance: `[B, d]`.
    """

    mean: tf.Tensor
    log_variance: tf.Tensor


def sample(posterior: Gaussian, seed: tf.Tensor) -> tf.Tensor:
    """A reparameterised draw, `[B, d]`; `seed` is stateless, int32 `[2]`."""
    mean, log_variance = posterior
    shape = replicas.global_shape(mean)
    noise = tf.random.stateless_normal(shape, seed, dtype=mean.dtype)
    return mean + tf.exp(0.5 * log_variance) * replicas.local_rows(noise)


def kl_to_standard_normal(posterior: Gaussian) -> tf.Tensor:
    """KL(posterior || N(0, 1)) of each latent, in nats, `[B, d]`."""
    mean, log_variance = posterior
    return 0.5 * (tf.square(mean) + tf.exp(log_variance) - log_variance - 1.0)


def kl(p: Gaussian, q: Gaussian) -> tf.Tensor:
    """KL(p || q) of each latent, in nats, `[B, d]`."""
    difference = p.log_variance - q.log_variance
    distance = tf.square(p.mean - q.mean) * tf.exp(-q.log_variance)
    return 0.5 * (tf.exp(difference) + distance - 1.0 - difference)


def symmetric_kl(p: Gaussian, q: Gaussian) -> tf.Tensor:
    """gamma of the paper (C.2.2): the mean of both KLs, in nats, `[B, d]`."""
    return 0.5 * (kl(p, q) + kl(q, p))


@register_keras_serializable(package="mvhg_tf")
def average_moments(p: Gaussian, q: Gaussian) -> Gaussian:
    """GroupVAE's average (Hosoya 2018): of the means and of the variances."""
    log_variance = -math.log(2.0) + tf.reduce_logsumexp(
        tf.stack([p.log_variance, q.log_variance]), axis=0
    )
    return Gaussian(0.5 * (p.mean + q.mean), log_variance)


@register_keras_serializable(package="mvhg_tf")
def average_precisions(p: Gaussian, q: Gaussian) -> Gaussian:
    """ML-VAE's average (Bouchacourt et al. 2018): the normalised product.

    The mean is weighted by the precisions; the variance is the harmonic mean of the
    two, as in the library (a product of densities would have half of it).
    """
    weight = tf.sigmoid(q.log_variance - p.log_variance)
    log_variance = math.log(2.0) - tf.reduce_logsumexp(
        -tf.stack([p.log_variance, q.log_variance]), axis=0
    )
    return Gaussian(weight * p.mean + (1.0 - weight) * q.mean, log_variance)


def mix(weight: tf.Tensor, p: Gaussian, q: Gaussian) -> Gaussian:
    """`p` where `weight` `[B, d]` is 1 and `q` where it is 0, differentiably."""
    return Gaussian(
        weight * p.mean + (1.0 - weight) * q.mean,
        weight * p.log_variance + (1.0 - weight) * q.log_variance,
    )
