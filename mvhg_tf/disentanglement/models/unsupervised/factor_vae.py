"""FactorVAE (Kim and Mnih 2018): total correlation estimated by a discriminator."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.unsupervised.adversarial_vae import AdversarialVAE
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import ImageTerms

_EPSILON = 1e-6  # of the library: keeps probabilities off 0 and 1


@register_keras_serializable(package="mvhg_tf")
class AdversarialTotalCorrelation(layers.Layer):
    """KL + gamma times the discriminator's estimate of the total correlation (eq. 2).

    A regulariser (see `regularizers`) with weights. The discriminator separates latents
    of the batch (class 0) from permuted ones, in which every latent comes from another
    image (class 1); the log-odds of class 0 estimate the log density ratio of the joint
    to the product of its marginals, whose mean is the total correlation.

    Args:
      discriminator: latents `[B, d]` -> logits of the two classes `[B, 2]`.
      gamma: weight of the total correlation.
    """

    log_names = ("regularizer", "tc_loss", "discriminator_loss")

    def __init__(self, discriminator: keras.Model, gamma: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.discriminator = discriminator
        self.gamma = gamma
        self.built = True  # the discriminator is

    def regularize(self, terms: ImageTerms) -> dict[str, tf.Tensor]:
        """Scalars by name, in nats.

        Returns:
          `regularizer`; `tc_loss`, the total correlation; `discriminator_loss`, the
          cross-entropy of the two classes, which is the discriminator's to minimise.
        """
        logits = tf.cast(self.discriminator(terms.latents), tf.float32)
        tc_loss = tf.reduce_mean(logits[:, 0] - logits[:, 1])
        permuted = permute_latents(replicas.all_gather(terms.latents), terms.seed)
        permuted = self.discriminator(replicas.local_rows(permuted))
        permuted = tf.cast(permuted, tf.float32)
        cross_entropy = _cross_entropy(logits, 0) + _cross_entropy(permuted, 1)
        return {
            "regularizer": terms.kl_loss + self.gamma * tc_loss,
            "tc_loss": tc_loss,
            "discriminator_loss": 0.5 * tf.reduce_mean(cross_entropy),
        }

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "gamma": self.gamma,
        }

    @classmethod
    def from_config(cls, config: dict) -> "AdversarialTotalCorrelation":
        discriminator = keras.saving.deserialize_keras_object(config["discriminator"])
        return cls(**{**config, "discriminator": discriminator})


def permute_latents(latents: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Each column of `[B, d]` in a random order of its own; `seed` is stateless."""
    by_latent = tf.transpose(latents)
    keys = tf.random.stateless_uniform(tf.shape(by_latent), seed)
    order = tf.argsort(keys, axis=-1)
    return tf.transpose(tf.gather(by_latent, order, batch_dims=1))


def _cross_entropy(logits: tf.Tensor, label: int) -> tf.Tensor:
    probability = tf.nn.softmax(logits)[:, label]
    return -tf.math.log(tf.clip_by_value(probability, _EPSILON, 1.0 - _EPSILON))


@register_keras_serializable(package="mvhg_tf")
class FactorVAE(AdversarialVAE):
    """A VAE regularised by the total correlation that a discriminator estimates."""

    adversary_loss_name = "discriminator_loss"
    regularizer: AdversarialTotalCorrelation

    @property
    def adversary(self) -> AdversarialTotalCorrelation:
        return self.regularizer
