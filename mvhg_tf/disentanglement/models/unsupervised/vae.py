"""VAE: a variational autoencoder of single images."""

from typing import Any

import keras
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import (
    ImageTerms,
    Regularizer,
)


@register_keras_serializable(package="mvhg_tf")
class VAE(Autoencoder):
    """beta-VAE, AnnealedVAE, DIP-VAE and beta-TC-VAE, which differ in `regularizer`.

    A batch is a dict of `images`, float32 `[B, H, W, C]` in [0, 1].

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      regularizer: from the terms of a batch.
      seed: of all the noise in training.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        regularizer: Regularizer,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, seed, **kwargs)
        self.regularizer = regularizer

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of what `losses_of` returns."""
        own = self.regularizer.log_names
        return ("loss", "reconstruction_loss", "kl_loss", "elbo", *own)

    def losses_of(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Means over a batch of images, in nats for one image, as scalars.

        Returns:
          `loss`, the sum of `reconstruction_loss` and `regularizer`; `kl_loss`;
          `elbo`; and the regulariser's own scalars.
        """
        images = batch["images"]
        step = tf.cast(step, tf.int32)
        seeds = tf.random.split(tf.stack([self.seed, step]), 2)
        posterior = self.encode(images, training)
        latents = gaussian.sample(posterior, seeds[0])
        logits = self.decode(latents, training)
        reconstruction_loss = tf.reduce_mean(self.reconstruction_loss(images, logits))
        kl = tf.reduce_sum(gaussian.kl_to_standard_normal(posterior), axis=-1)
        kl_loss = tf.reduce_mean(kl)
        regularization = self.regularizer.regularize(
            ImageTerms(posterior, latents, kl_loss, step, seeds[1])
        )
        return {
            "loss": reconstruction_loss + regularization["regularizer"],
            "reconstruction_loss": reconstruction_loss,
            "kl_loss": kl_loss,
            "elbo": -(reconstruction_loss + kl_loss),
            **regularization,
        }

    def reconstructions_of(self, batch: dict[str, tf.Tensor]) -> list:
        return [(batch["images"], self.decode(self.encode(batch["images"]).mean))]

    def get_config(self) -> dict:
        regularizer = keras.saving.serialize_keras_object(self.regularizer)
        return {**super().get_config(), "regularizer": regularizer}
