"""What the autoencoders of pairs and of single images have in common."""

import keras
import tensorflow as tf

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.models.shared.reconstruction import ReconstructionLoss


class Autoencoder(keras.Model):
    """Base class: a subclass gives `log_names` and `losses_of`.

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      seed: of all the noise in training.
    """

    log_names: tuple[str, ...]  # the names of what `losses_of` returns

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, seed: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed
        self.built = True  # the parts are

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer,
        reconstruction_loss: ReconstructionLoss,
        **kwargs,
    ) -> None:
        """Sets the optimizer and the loss of images against logits, `[B]`."""
        super().compile(optimizer=optimizer, **kwargs)
        self.reconstruction_loss = reconstruction_loss

    def get_compile_config(self) -> None:
        """Nothing: a loaded model can infer; to train it on, compile it again."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Notes the images' shape for `export`; the parts are built already."""

    def build_optimizers(self) -> None:
        """Makes the optimizers' variables, so that a checkpoint can restore them."""
        self.optimizer.build(self.trainable_variables)

    @property
    def step(self) -> tf.Tensor:
        """How many steps have been taken, an int64 scalar."""
        # Up to Keras 3.5 at least, an optimizer that scales the loss counts no steps.
        counting = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return tf.convert_to_tensor(counting.iterations)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """All of them."""
        return [self.optimizer]

    @property
    def num_latent(self) -> int:
        """d, the number of latents."""
        return self.encoder.outputs[0].shape[-1]

    def encode(self, images: tf.Tensor, training: bool = False) -> Gaussian:
        """Images `[B, H, W, C]` -> their posteriors over d latents."""
        parts = self.encoder(images, training=training)
        return Gaussian(*(tf.cast(part, tf.float32) for part in parts))

    def decode(self, latents: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Latents `[B, d]` -> logits float32 `[B, H, W, C]`."""
        return tf.cast(self.decoder(latents, training=training), tf.float32)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images `[B, H, W, C]` -> logits of the posterior means, the same shape."""
        return self.decode(self.encode(images, training).mean, training)

    def export(self, filepath: str, *args, **kwargs) -> None:
        """Writes `call` as Keras's `export` does: a SavedModel without this package.

        Args:
          filepath: the folder to make.
          *args: further arguments of `keras.Model.export`.
          **kwargs: the same by their names.
        """
        # Keras exports the signature of a call, which training does not make.
        shape = self.encoder.input_shape
        self.build(shape)
        self(tf.zeros([1, *shape[1:]]))
        super().export(filepath, *args, **kwargs)

    def losses_of(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Means over a batch, in nats for one image, as scalars; one is `loss`."""
        raise NotImplementedError

    def reconstructions_of(
        self, batch: dict[str, tf.Tensor]
    ) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Images and their logits, `[B, H, W, C]` each, of each view; no noise."""
        raise NotImplementedError

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the optimizer; its count of steps drives noise and schedules."""
        step = self.step
        with tf.GradientTape() as tape:
            logs = self.losses_of(batch, step, training=True)
            loss = self.share_of(logs["loss"], self.optimizer)
        variables = self.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply(gradients, variables)
        return logs

    @staticmethod
    def share_of(loss: tf.Tensor, optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
        """What a replica differentiates: the optimizer sums over the replicas.

        In float16 the optimizer scales it, so that small gradients are not lost.
        """
        if replicas.count() > 1:
            loss /= replicas.count()
        return optimizer.scale_loss(loss)

    def test_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The same numbers without a step of the optimizer."""
        return self.losses_of(batch, self.step, training=False)

    def get_config(self) -> dict:
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Autoencoder":
        return cls(
            **{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()}
        )
