"""VAEs that are given the factors of some images (Locatello et al. 2020)."""

from typing import Any

import keras
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.semi_supervised.annealers import SupervisedWeight
from mvhg_tf.disentanglement.models.semi_supervised.supervised_losses import (
    SupervisedLoss,
)
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import FactorVAE
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE, Regularizer


@register_keras_serializable(package="mvhg_tf")
class SemiSupervisedVAE(VAE):
    """A VAE that also minimises a loss of labels.

    In addition to `images`, a batch has `labelled_images`, float32 `[B, H, W, C]`, and
    their `labels`, float32 `[B, L]`.

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      regularizer: from the terms of a batch.
      supervised_loss: of posterior means `[B, d]` and labels `[B, L]`.
      supervised_weight: of that loss, by the step.
      seed: of all the noise in training.
    """

    batch_names = ("images", "labelled_images", "labels")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        regularizer: Regularizer,
        supervised_loss: SupervisedLoss,
        supervised_weight: SupervisedWeight,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, regularizer, seed, **kwargs)
        self.supervised_loss = supervised_loss
        self.supervised_weight = supervised_weight

    @property
    def log_names(self) -> tuple[str, ...]:
        return (*super().log_names, "supervised_loss")

    def losses_of(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Those of `VAE`, and `supervised_loss`, whose weighted value is in `loss`."""
        logs = super().losses_of(batch, step, training)
        means = self.encode(batch["labelled_images"], training).mean
        supervised = self.supervised_losses_of(means, batch["labels"], step)
        weighted = self.supervised_weight(step) * supervised["supervised_loss"]
        return {**logs, "loss": logs["loss"] + weighted, **supervised}

    def supervised_losses_of(
        self, means: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """`supervised_loss`, of posterior means `[B, d]` and labels `[B, L]`."""
        return {"supervised_loss": self.supervised_loss(means, labels)}

    def get_config(self) -> dict:
        parts = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in ("supervised_loss", "supervised_weight")
        }
        return {**super().get_config(), **parts}


@register_keras_serializable(package="mvhg_tf")
class SemiSupervisedFactorVAE(SemiSupervisedVAE, FactorVAE):
    """The same of FactorVAE; what the supervised loss learns, the first optimizer does.

    (The library leaves it as it was made in this one model.)
    """

    @property
    def _autoencoder_variables(self) -> list[keras.Variable]:
        own = super()._autoencoder_variables
        return own + self.supervised_loss.trainable_variables


@register_keras_serializable(package="mvhg_tf")
class SupervisedVAE(SemiSupervisedVAE):
    """Only the labels train the encoder; the decoder only learns to show its code."""

    def decode(self, latents: tf.Tensor, training: bool = False) -> tf.Tensor:
        return super().decode(tf.stop_gradient(latents), training)
