"""FactorVAE (Kim and Mnih 2018): total correlation as a discriminator sees it."""

import keras
import tensorflow as tf
from keras import layers
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement import replicas
from mvhg_tf.disentanglement.regularizers import ImageTerms
from mvhg_tf.disentanglement.vae import VAE

_EPSILON = 1e-6  # of the library: keeps probabilities off 0 and 1


@register_keras_serializable(package="mvhg_tf")
class AdversarialTotalCorrelation(layers.Layer):
    """KL + gamma times the discriminator's estimate of the total correlation (eq. 2).

    A regulariser (see `regularizers`) with weights. The discriminator tells latents
    of the batch (class 0) from permuted ones, in which every latent comes from another
    image (class 1); the log-odds of class 0 estimate the log density ratio of the
    joint to the product of its marginals, whose mean is the total correlation.

    Args:
      discriminator: latents `[B, d]` -> logits of the two classes `[B, 2]`.
      gamma: weight of the total correlation.
    """

    log_names = ("regularizer", "tc_loss", "discriminator_loss")

    def __init__(self, discriminator: keras.Model, gamma: float, **kwargs):
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
        permuted = permute_latents(replicas.of_all(terms.latents), terms.seed)
        permuted = self.discriminator(replicas.own_rows(permuted))
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
class FactorVAE(VAE):
    """A VAE whose regulariser is trained too, by an optimizer of its own.

    Each step updates the autoencoder by `loss` and the discriminator by
    `discriminator_loss`, both from the weights before the step. (The library counts
    both updates, so that its `training_steps` are half as many of each.)
    """

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        reconstruction_loss,
        discriminator_optimizer: keras.optimizers.Optimizer,
        **kwargs,
    ) -> None:
        """Sets both optimizers and the loss of images against logits, `[B]`."""
        super().compile(optimizer, reconstruction_loss, **kwargs)
        self.discriminator_optimizer = discriminator_optimizer

    def build_optimizers(self) -> None:
        self.optimizer.build(self._autoencoder_variables)
        self.discriminator_optimizer.build(self.regularizer.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All of them."""
        return [self.optimizer, self.discriminator_optimizer]

    @property
    def _autoencoder_variables(self) -> list[keras.Variable]:
        return self.encoder.trainable_variables + self.decoder.trainable_variables

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of both optimizers."""
        step = self.step
        with tf.GradientTape(persistent=True) as tape:
            logs = self.losses_of(batch, step, training=True)
            loss = self.share_of(logs["loss"], self.optimizer)
            discriminator_loss = self.share_of(
                logs["discriminator_loss"], self.discriminator_optimizer
            )
        own = self._autoencoder_variables
        discriminator = self.regularizer.trainable_variables
        gradients = tape.gradient(loss, own)
        discriminator_gradients = tape.gradient(discriminator_loss, discriminator)
        self.optimizer.apply(gradients, own)
        self.discriminator_optimizer.apply(discriminator_gradients, discriminator)
        return logs
