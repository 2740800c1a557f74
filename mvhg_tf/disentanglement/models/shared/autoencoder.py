"""What the autoencoders of pairs and of single images have in common."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from mvhg_tf.disentanglement.models.shared import gaussian, replicas
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.models.shared.reconstruction import (
    ReconstructionLoss,
    bernoulli_loss,
)
from mvhg_tf.runs.errors import UserError


class EpochMeans:
    """Means over an epoch; not part of the model or its checkpoints.

    Args:
      names: of the logs.
    """

    def __init__(self, names: Iterable[str]):
        self.metrics = [keras.metrics.Mean(name) for name in names]

    def update(self, logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The means with these logs; the logs themselves where there are no names."""
        for metric in self.metrics:
            metric.update_state(logs[metric.name])
        return {metric.name: metric.result() for metric in self.metrics} or logs


class Autoencoder(keras.Model):
    """Base class: a subclass implements `log_names` and `losses_of`.

    It trains as any Keras model does: `fit` and `evaluate` take a `tf.data.Dataset` of
    batches, or arrays, and average what `losses_of` returns over the batches. A batch
    is a dict by `batch_names`, or a tuple in their order; images are float in [0, 1],
    or uint8 (255 for 1).

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      seed: of all the noise in training.
    """

    batch_names: tuple[str, ...] = ("images",)

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, seed: int = 0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.seed = seed
        self.built = True  # the parts are
        self._means = EpochMeans(())

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str,
        reconstruction_loss: ReconstructionLoss | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer and the loss of images against logits, `[B]`.

        Args:
          optimizer: or its Keras name.
          reconstruction_loss: by default Bernoulli's, in nats.
          **kwargs: further arguments of `keras.Model.compile`.
        """
        # XLA draws other noise, and takes long to compile.
        super().compile(optimizer=optimizer, **{"jit_compile": False, **kwargs})
        self.reconstruction_loss = reconstruction_loss or ReconstructionLoss(
            bernoulli_loss
        )

    def get_compile_config(self) -> None:
        """Nothing: a loaded model only infers; compile it again to train it further."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Notes the images' shape for `export`; the parts are built already."""

    def build_optimizers(self) -> None:
        """Makes the optimizers' variables, so that a checkpoint can restore them."""
        self.optimizer.build(self.trainable_variables)

    @property
    def step(self) -> tf.Tensor:
        """How many steps have been taken, an int64 scalar."""
        # Up to Keras 3.5 at least, an optimizer that scales the loss counts no steps.
        counting: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
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

    def export(self, filepath: str, *args: Any, **kwargs: Any) -> None:
        """Exports `call` as Keras's `export` does: the SavedModel needs no mvhg_tf.

        Args:
          filepath: the folder to make.
          *args: further arguments of `keras.Model.export`.
          **kwargs: the same by their names.
        """
        # Keras exports the signature of a call, and training makes no call.
        shape = self.encoder.input_shape
        self.build(shape)
        self(tf.zeros([1, *shape[1:]]))
        super().export(filepath, *args, **kwargs)

    def schedules_at(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scalars that depend only on the step, by name."""
        del step
        optimizer: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        return {"learning_rate": tf.convert_to_tensor(optimizer.learning_rate)}

    def latents_of(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """What the latents of a batch are like; no noise.

        Returns:
          `kl`, float32 `[d]`: the mean KL of each latent's posterior to the prior, in
          nats; of a model of pairs also `k_hat`, float32 `[B]`.
        """
        divergences = gaussian.kl_to_standard_normal(self.encode(batch["images"]))
        return {"kl": tf.reduce_mean(divergences, axis=0)}

    @property
    def optional_names(self) -> tuple[str, ...]:
        """The names that may be missing from a batch."""
        return ()

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of what `losses_of` returns."""
        raise NotImplementedError

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

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means of an epoch of `fit` or `evaluate`, which Keras resets."""
        return self._means.metrics

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains on batches, as `keras.Model.fit` does; see the class."""
        self._start_means()
        return super().fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> object:
        """Losses on batches, as `keras.Model.evaluate` gives them; see the class."""
        self._start_means()
        return super().evaluate(*args, **kwargs)

    def _start_means(self) -> None:
        if not self._means.metrics:
            with self.distribute_strategy.scope():
                self._means = EpochMeans(self.log_names)

    def batch_of(self, data: object) -> dict[str, tf.Tensor]:
        """A batch of Keras's as one by name, of float32 images.

        Raises:
          UserError: if a part of it is missing.
        """
        if not isinstance(data, Mapping):
            parts = data if isinstance(data, list | tuple) else [data]
            data = dict(zip(self.batch_names, parts, strict=False))
        batch = {name: value for name, value in data.items() if value is not None}
        missing = [
            name
            for name in self.batch_names
            if name not in batch and name not in self.optional_names
        ]
        if missing:
            raise UserError(
                f"A batch has {', '.join(batch) or 'nothing'}, but no "
                f"{' and no '.join(missing)}: give a dict of "
                f"{', '.join(self.batch_names)}, or a tuple in that order."
            )
        return {name: _scaled(name, value) for name, value in batch.items()}

    def train_step(self, data: object) -> dict[str, tf.Tensor]:
        """One step of the optimizer; its count of steps drives noise and schedules.

        Returns:
          The batch's logs, in `fit` their means over the epoch so far.
        """
        return self._means.update(self.take_step(self.batch_of(data)))

    def take_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the optimizer on a batch by name; returns its logs."""
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

    def test_step(self, data: object) -> dict[str, tf.Tensor]:
        """The same numbers without a step of the optimizer."""
        batch = self.batch_of(data)
        return self._means.update(self.losses_of(batch, self.step, training=False))

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


def _scaled(name: str, value: Any) -> tf.Tensor:
    """Images as float32 in [0, 1]; other values as they are."""
    value = tf.convert_to_tensor(value)
    if "images" not in name:
        return value
    if value.dtype == tf.uint8:
        return tf.cast(value, tf.float32) / 255
    return tf.cast(value, tf.float32)
