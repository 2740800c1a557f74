"""GroupVAE: a variational autoencoder of pairs that share some of their latents."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.pairs import pair_regularizers
from mvhg_tf.disentanglement.models.pairs.selection import (
    LabelSelection,
    PairSelection,
    Selection,
)
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian


class PairInference(NamedTuple):
    """A model's inference for B pairs, without random draws.

    Attributes:
      own_1: posteriors of the first views, before aggregation.
      own_2: of the second views.
      view_1: posteriors of the first views, after aggregation.
      view_2: of the second views.
      selection: at its mode.
    """

    own_1: Gaussian
    own_2: Gaussian
    view_1: Gaussian
    view_2: Gaussian
    selection: Selection


@register_keras_serializable(package="mvhg_tf")
class GroupVAE(Autoencoder):
    """Encodes, aggregates and decodes both views (Locatello et al. 2020; C.2.1).

    LabelVAE, AdaVAE and HGVAE differ in `selection`; GroupVAE and ML-VAE differ in
    `average`; the paper's objective and the pair bound differ in `regularizer`.

    A batch is a dict of `images_1` and `images_2`, `[B, H, W, C]`, float32 in [0, 1] or
    uint8, and `labels`, int32 `[B]`, a factor that differs, for LabelVAE alone.

    ```python
    model = GroupVAE(encoder, decoder, HypergeometricSelection(num_latent=10))
    model.compile(keras.optimizers.Adam(1e-3))
    pairs = tf.data.Dataset.from_tensor_slices((images_1, images_2))
    model.fit(pairs.shuffle(500).batch(32), epochs=20)
    ```

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      selection: which latents are independent.
      average: of the two posteriors of a shared latent.
      regularizer: `[B]` nats, from the terms of a batch.
      beta: weight of the regulariser; a number, or a schedule over the steps.
      seed: of all the noise in training.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        selection: PairSelection,
        average: Callable[[Gaussian, Gaussian], Gaussian] = gaussian.average_moments,
        regularizer: Callable[
            [pair_regularizers.PairTerms], tf.Tensor
        ] = pair_regularizers.pair_elbo,
        beta: float | LearningRateSchedule = 1.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(encoder, decoder, seed, **kwargs)
        self.selection = selection
        self.average = average
        self.regularizer = regularizer
        self.beta = beta

    batch_names = ("images_1", "images_2", "labels")

    @property
    def optional_names(self) -> tuple[str, ...]:
        """Labels, except for LabelVAE."""
        return () if isinstance(self.selection, LabelSelection) else ("labels",)

    @property
    def log_names(self) -> tuple[str, ...]:
        """The names of what `losses_of` returns."""
        return (
            "loss",
            "reconstruction_loss",
            "regularizer",
            "kl_loss",
            "elbo",
            "k_hat",
            *self.selection.scalar_names,
        )

    def encode_pair(
        self, images_1: tf.Tensor, images_2: tf.Tensor, training: bool = False
    ) -> tuple[Gaussian, Gaussian]:
        """The posteriors of both views, before aggregation, in one pass."""
        both = self.encode(tf.concat([images_1, images_2], axis=0), training)
        means, log_variances = (tf.split(x, 2) for x in both)
        return Gaussian(means[0], log_variances[0]), Gaussian(
            means[1], log_variances[1]
        )

    def aggregate(
        self, posterior_1: Gaussian, posterior_2: Gaussian, selection: Selection
    ) -> tuple[Gaussian, Gaussian, Gaussian]:
        """Both views' posteriors after aggregation, and the average (eqs. 50, 51)."""
        shared = self.average(posterior_1, posterior_2)
        return (
            gaussian.mix(selection.independent, posterior_1, shared),
            gaussian.mix(selection.independent, posterior_2, shared),
            shared,
        )

    def infer_pair(
        self, images_1: tf.Tensor, images_2: tf.Tensor, labels: tf.Tensor | None
    ) -> PairInference:
        """Both views' posteriors before and after aggregation at the selection's mode.

        Args:
          images_1: float32 `[B, H, W, C]` in [0, 1].
          images_2: the same of the second views.
          labels: int32 `[B]`; only LabelVAE uses them, others take None.
        """
        own_1, own_2 = self.encode_pair(images_1, images_2)
        selection = self.selection.select(
            own_1,
            own_2,
            labels,
            step=self.step,
            seed=tf.zeros([2], tf.int32),
            training=False,
        )
        view_1, view_2, _ = self.aggregate(own_1, own_2, selection)
        return PairInference(own_1, own_2, view_1, view_2, selection)

    def schedules_at(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            **super().schedules_at(step),
            "beta": tf.convert_to_tensor(self._beta_at(step), tf.float32),
        }

    def latents_of(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        inferred = self.infer_pair(
            batch["images_1"], batch["images_2"], batch.get("labels")
        )
        divergences = [
            gaussian.kl_to_standard_normal(posterior)
            for posterior in (inferred.own_1, inferred.own_2)
        ]
        return {
            "kl": tf.reduce_mean(tf.concat(divergences, axis=0), axis=0),
            "k_hat": tf.reduce_sum(inferred.selection.independent, axis=-1),
        }

    def reconstructions_of(self, batch: dict[str, tf.Tensor]) -> list:
        images_1, images_2 = batch["images_1"], batch["images_2"]
        inferred = self.infer_pair(images_1, images_2, batch.get("labels"))
        return [
            (images_1, self.decode(inferred.view_1.mean)),
            (images_2, self.decode(inferred.view_2.mean)),
        ]

    def losses_of(
        self, batch: dict[str, tf.Tensor], step: tf.Tensor, training: bool
    ) -> dict[str, tf.Tensor]:
        """Means over a batch of pairs, in nats for one image, as scalars.

        Returns:
          `loss`; `reconstruction_loss`; `regularizer` (beta times the KL, with the
          selection's divergence); `kl_loss` (the same at beta = 1); `elbo`; `k_hat`,
          the number of independent latents; and the selection's own scalars.
        """
        images_1, images_2 = batch["images_1"], batch["images_2"]
        step = tf.cast(step, tf.int32)
        seeds = tf.random.split(tf.stack([self.seed, step]), 3)
        own_1, own_2 = self.encode_pair(images_1, images_2, training)
        selection = self.selection.select(
            own_1, own_2, batch.get("labels"), step, seeds[0], training
        )
        view_1, view_2, shared = self.aggregate(own_1, own_2, selection)
        latents = tf.concat(
            [gaussian.sample(view_1, seeds[1]), gaussian.sample(view_2, seeds[2])], 0
        )
        reconstruction = self.reconstruction_loss(
            tf.concat([images_1, images_2], 0), self.decode(latents, training)
        )
        kl_loss = self.regularizer(
            pair_regularizers.PairTerms(
                kl_1=gaussian.kl_to_standard_normal(own_1),
                kl_2=gaussian.kl_to_standard_normal(own_2),
                kl_shared=gaussian.kl_to_standard_normal(shared),
                independent=selection.independent,
                divergence=selection.divergence,
            )
        )
        reconstruction_loss = tf.reduce_mean(reconstruction)
        kl_loss = tf.reduce_mean(kl_loss)
        regularizer = self._beta_at(step) * kl_loss
        return {
            "loss": reconstruction_loss + regularizer,
            "reconstruction_loss": reconstruction_loss,
            "regularizer": regularizer,
            "kl_loss": kl_loss,
            "elbo": -(reconstruction_loss + kl_loss),
            "k_hat": tf.reduce_mean(tf.reduce_sum(selection.independent, axis=-1)),
            **self.selection.scalars(step),
        }

    def _beta_at(self, step: tf.Tensor) -> float | tf.Tensor:
        return self.beta(step) if callable(self.beta) else self.beta

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "selection": serialize(self.selection),
            "average": serialize(self.average),
            "regularizer": serialize(self.regularizer),
            "beta": serialize(self.beta),
        }
