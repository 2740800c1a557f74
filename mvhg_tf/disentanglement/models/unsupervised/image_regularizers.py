"""Regularizers of images: what a VAE minimises in addition to its reconstruction loss.

The unsupervised models differ in nothing else. A regularizer is a small object with a
configuration, so that its model can be saved.

Where several replicas share a batch (see `replicas`), each is given its own rows, and
the mean of the replicas' penalties is that of the whole batch.
"""

import dataclasses
import math
from typing import ClassVar, Literal, NamedTuple

import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.runs.limits import Positive, check_fields

DipType = Literal["i", "ii"]


class ImageTerms(NamedTuple):
    """What a regulariser may use: terms of B images and their d latents.

    Attributes:
      posterior: `[B, d]`.
      latents: `[B, d]`, a draw from the posterior.
      kl_loss: scalar, the mean KL of the posterior to the prior, in nats.
      step: integer scalar, the training step.
      seed: int32 `[2]`, a stateless seed, for a regulariser that draws.
    """

    posterior: Gaussian
    latents: tf.Tensor
    kl_loss: tf.Tensor
    step: tf.Tensor
    seed: tf.Tensor


@dataclasses.dataclass(frozen=True)
class Regularizer:
    """Base class: a subclass implements `penalty`.

    Raises:
      UserError: if a field is not what its annotation allows.
    """

    log_names: ClassVar[tuple[str, ...]] = ("regularizer",)

    def __post_init__(self) -> None:
        check_fields(self)

    def penalty(self, terms: ImageTerms) -> tf.Tensor:
        """What is added to the reconstruction loss, a scalar."""
        raise NotImplementedError

    def regularize(self, terms: ImageTerms) -> dict[str, tf.Tensor]:
        """Scalars by the names in `log_names`; `regularizer` is the penalty."""
        return {"regularizer": self.penalty(terms)}

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Regularizer":
        return cls(**config)


@register_keras_serializable(package="mvhg_tf")
@dataclasses.dataclass(frozen=True)
class WeightedKL(Regularizer):
    """beta-VAE's (Higgins et al. 2017, eq. 4): beta KL."""

    beta: float

    def penalty(self, terms: ImageTerms) -> tf.Tensor:
        return self.beta * terms.kl_loss


@register_keras_serializable(package="mvhg_tf")
@dataclasses.dataclass(frozen=True)
class AnnealedCapacity(Regularizer):
    """AnnealedVAE's (Burgess et al. 2018, eq. 8): gamma |KL - C|.

    The capacity C grows linearly from 0 to `c_max` nats in the first
    `iteration_threshold` steps.
    """

    gamma: float
    c_max: float
    iteration_threshold: Positive

    def capacity(self, step: int | tf.Tensor) -> tf.Tensor:
        """C at a step, in nats, a float32 scalar."""
        done = tf.cast(step, tf.float32) / self.iteration_threshold
        return self.c_max * tf.minimum(done, 1.0)

    def penalty(self, terms: ImageTerms) -> tf.Tensor:
        kl_loss = replicas.all_reduce_mean(terms.kl_loss)
        return self.gamma * tf.abs(kl_loss - self.capacity(terms.step))


@register_keras_serializable(package="mvhg_tf")
@dataclasses.dataclass(frozen=True)
class MomentMatching(Regularizer):
    """DIP-VAE's (Kumar et al. 2018, eqs. 6 and 7): KL + the covariance's distance.

    The distance from the identity, of the covariance of the posterior means (type
    "i") or of the latents (type "ii"), is the sum of squares, weighted by `lambda_od`
    off the diagonal and by `lambda_d_factor * lambda_od` on it.
    """

    lambda_od: float
    lambda_d_factor: float
    dip_type: DipType = "i"

    def penalty(self, terms: ImageTerms) -> tf.Tensor:
        mean, log_variance = terms.posterior
        covariance = covariance_of(mean)
        if self.dip_type == "ii":
            variances = tf.reduce_mean(tf.exp(log_variance), axis=0)
            covariance += tf.linalg.diag(replicas.all_reduce_mean(variances))
        variances = tf.linalg.diag_part(covariance)
        off_diagonal = tf.linalg.set_diag(covariance, tf.zeros_like(variances))
        distance = tf.reduce_sum(tf.square(off_diagonal))
        distance += self.lambda_d_factor * tf.reduce_sum(tf.square(variances - 1.0))
        return terms.kl_loss + self.lambda_od * distance


@register_keras_serializable(package="mvhg_tf")
@dataclasses.dataclass(frozen=True)
class WeightedTotalCorrelation(Regularizer):
    """beta-TC-VAE's (Chen et al. 2018, eq. 4): KL + (beta - 1) total correlation.

    It is their alpha = gamma = 1.
    """

    beta: float

    def penalty(self, terms: ImageTerms) -> tf.Tensor:
        correlation = total_correlation(terms.latents, terms.posterior)
        return terms.kl_loss + (self.beta - 1.0) * correlation


def covariance_of(points: tf.Tensor) -> tf.Tensor:
    """The covariance of B points `[B, d]`, `[d, d]`; the sum is divided by B."""
    points = replicas.all_gather(points)
    centred = points - tf.reduce_mean(points, axis=0)
    num_points = tf.cast(tf.shape(points)[0], points.dtype)
    return tf.matmul(centred, centred, transpose_a=True) / num_points


def total_correlation(latents: tf.Tensor, posterior: Gaussian) -> tf.Tensor:
    """The total correlation of the latents of a batch, estimated on it, in nats.

    Densities of the aggregate posterior are sums over the batch. As in the library,
    the constant (d - 1) log(B N), for N images in the data set, is left out.

    Args:
      latents: `[B, d]`, drawn from `posterior`.
      posterior: `[B, d]`.

    Returns:
      A scalar, the mean over the given latents.
    """
    mean, log_variance = (replicas.all_gather(part) for part in posterior)
    distance = latents[:, None] - mean
    log_density = -0.5 * (
        tf.square(distance) * tf.exp(-log_variance)
        + log_variance
        + math.log(2.0 * math.pi)
    )  # [B, B, d], of each latent vector under each image's posterior
    joint = tf.reduce_logsumexp(tf.reduce_sum(log_density, axis=-1), axis=1)
    marginals = tf.reduce_sum(tf.reduce_logsumexp(log_density, axis=1), axis=-1)
    return tf.reduce_mean(joint - marginals)
