"""A VAE with an adversary that estimates a part of its loss, trained alongside."""

from typing import Any

import keras
import tensorflow as tf

from mvhg_tf.disentanglement.models.shared.reconstruction import ReconstructionLoss
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE


class AdversarialVAE(VAE):
    """Base class: a subclass gives `adversary` and `adversary_loss_name`.

    Each step updates the autoencoder by `loss` and the adversary by its own loss, both
    from the weights before the step. (The library counts the updates of FactorVAE's
    discriminator as steps, so that its `training_steps` are half as many of each.)
    """

    adversary_loss_name: str  # which of the logs the adversary minimises

    @property
    def adversary(self) -> keras.layers.Layer:
        """The layer that has an optimizer of its own."""
        raise NotImplementedError

    def compile(  # type: ignore[override]
        self,
        optimizer: keras.optimizers.Optimizer,
        reconstruction_loss: ReconstructionLoss,
        adversary_optimizer: keras.optimizers.Optimizer,
        **kwargs: Any,
    ) -> None:
        """Sets both optimizers and the loss of images against logits, `[B]`."""
        super().compile(optimizer, reconstruction_loss, **kwargs)
        self.adversary_optimizer = adversary_optimizer

    def build_optimizers(self) -> None:
        self.optimizer.build(self._autoencoder_variables)
        self.adversary_optimizer.build(self.adversary.trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All of them."""
        return [self.optimizer, self.adversary_optimizer]

    @property
    def _autoencoder_variables(self) -> list[keras.Variable]:
        return self.encoder.trainable_variables + self.decoder.trainable_variables

    def take_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of both optimizers; returns the batch's logs."""
        step = self.step
        with tf.GradientTape(persistent=True) as tape:
            logs = self.losses_of(batch, step, training=True)
            loss = self.share_of(logs["loss"], self.optimizer)
            adversary_loss = self.share_of(
                logs[self.adversary_loss_name], self.adversary_optimizer
            )
        own = self._autoencoder_variables
        adversary = self.adversary.trainable_variables
        gradients = tape.gradient(loss, own)
        adversary_gradients = tape.gradient(adversary_loss, adversary)
        # A weight's gradient may need no more of a forward pass than its shape, as that
        # of MINE's last layer. Then TensorFlow 2.21 was seen to lose the order of the
        # pass and the update, so that the pass, at times, read the new weight.
        passes = [*logs.values(), *gradients, *adversary_gradients]
        with tf.control_dependencies([value for value in passes if value is not None]):
            self.optimizer.apply(gradients, own)
            self.adversary_optimizer.apply(adversary_gradients, adversary)
        return logs
