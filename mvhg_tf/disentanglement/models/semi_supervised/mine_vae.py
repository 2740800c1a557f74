"""A VAE with few labels, of which the other latents carry no information (MINE)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.semi_supervised import supervised_losses
from mvhg_tf.disentanglement.models.semi_supervised.semi_supervised_vae import (
    SemiSupervisedVAE,
)
from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.disentanglement.models.unsupervised.adversarial_vae import AdversarialVAE
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import permute_latents

_HIDDEN = 20  # units of each network, as in the library
_STREAM = 2  # of noise; `VAE.losses_of` takes the others


@register_keras_serializable(package="mvhg_tf")
class MutualInformation(layers.Layer):
    """MINE (Belghazi et al. 2018) between each of L labels and each of d latents.

    Network f of a pair has one hidden layer of ELUs. Trained to be largest, its
    `mean f(z, y) - log mean exp f(z, y')`, in which each y' is the label of another
    image, is the mutual information from below (their definition 3.1).

    Args:
      label_sizes: how many values each of the L labels may have.
      num_latent: d.
    """

    def __init__(self, label_sizes: Sequence[int], num_latent: int, **kwargs: Any):
        # In the precision that the means are given in, whatever the networks'.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.label_sizes = [int(size) for size in label_sizes]
        self.num_latent = num_latent
        pairs = (len(self.label_sizes), num_latent)
        # Glorot's, of the layers 1 -> 20 and 20 -> 1.
        limit = math.sqrt(6.0 / (1 + _HIDDEN))

        def weight(name: str, *shape: int, limit: float = limit) -> keras.Variable:
            uniform = keras.initializers.RandomUniform(-limit, limit)
            return self.add_weight(shape=pairs + shape, initializer=uniform, name=name)

        self.of_latent = weight("of_latent", _HIDDEN)
        self.of_label = weight("of_label", _HIDDEN)
        self.hidden_bias = weight("hidden_bias", _HIDDEN, limit=0.0)
        self.output_weight = weight("output_weight", _HIDDEN)
        self.output_bias = weight("output_bias", limit=0.0)
        self.built = True  # weights are made with the layer

    def call(self, means: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Estimates in nats, `[L, d]`, which may be negative.

        Args:
          means: posterior means, float32 `[B, d]`.
          labels: float32 `[B, L]`.
          seed: of the order of the y', stateless.
        """
        means, labels = replicas.all_gather(means), replicas.all_gather(labels)
        of_pairs = tf.repeat(labels, self.num_latent, axis=1)
        permuted = permute_latents(of_pairs, seed)
        num_images = tf.cast(tf.shape(means)[0], tf.float32)
        joint = self._networks(means, of_pairs)
        product = self._networks(means, permuted)
        log_mean = tf.reduce_logsumexp(product, axis=0) - tf.math.log(num_images)
        return tf.reduce_mean(joint, axis=0) - log_mean

    def _networks(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """f of latents `[B, d]` and each pair's label `[B, L d]`, `[B, L, d]`."""
        labels = tf.reshape(labels, [-1, len(self.label_sizes), self.num_latent])
        of_latent = means[:, None, :, None] * self.of_latent
        of_label = labels[..., None] * self.of_label
        hidden = tf.nn.elu(of_latent + of_label + self.hidden_bias)
        return tf.reduce_sum(hidden * self.output_weight, -1) + self.output_bias

    def get_config(self) -> dict:
        own = {"label_sizes": self.label_sizes, "num_latent": self.num_latent}
        return {**super().get_config(), **own}


@register_keras_serializable(package="mvhg_tf")
class MineVAE(SemiSupervisedVAE, AdversarialVAE):
    """Latent j should carry no information about any label except label j.

    Its supervised loss is the sum of the squares of those estimates of mutual
    information that should be none; `supervised_loss` is a `MutualInformation`, which
    an optimizer of its own trains. No term asks a latent for its own label.
    """

    adversary_loss_name = "mine_loss"

    @property
    def adversary(self) -> MutualInformation:
        return self.supervised_loss

    @property
    def log_names(self) -> tuple[str, ...]:
        return (*super().log_names, self.adversary_loss_name)

    def supervised_losses_of(
        self, means: tf.Tensor, labels: tf.Tensor, step: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """`supervised_loss`, and `mine_loss`, minus the sum of all estimates."""
        seed = tf.stack([self.seed, tf.cast(step, tf.int32)])
        seed = tf.random.experimental.stateless_fold_in(seed, _STREAM)
        estimates = self.supervised_loss(means, labels, seed)
        return {
            "supervised_loss": supervised_losses.squares_off_diagonal(estimates),
            "mine_loss": -tf.reduce_sum(estimates),
        }
