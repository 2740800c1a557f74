"""The mixture of diagonal Gaussians over the embeddings."""

import math

import keras
import tensorflow as tf
from keras.saving import register_keras_serializable

_LOG_2_PI = math.log(2.0 * math.pi)


@register_keras_serializable(package="mvhg_tf")
class GaussianMixture(keras.layers.Layer):
    """p(z | c = k) = N(z; mu_k, diag sigma_k^2), trainable (paper, eq. 54).

    Attributes:
      means: float32 `[K, d]`.
      log_variances: float32 `[K, d]`.
    """

    def build(self, num_clusters: int, latent_dim: int, seed: int = 0) -> None:
        """Makes standard normal means and unit variances."""
        self.means = self.add_weight(
            shape=[num_clusters, latent_dim],
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=seed),
            name="means",
        )
        self.log_variances = self.add_weight(
            shape=[num_clusters, latent_dim], initializer="zeros", name="log_variances"
        )
        self.built = True

    def log_prob(self, z: tf.Tensor) -> tf.Tensor:
        """log p(z | c = k), `[B, d]` -> `[B, K]`."""
        return self._log_prob(z, 0.0)

    def expected_log_prob(self, mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
        """E log p(z | c = k) for z ~ N(mean, exp log_variance), `[B, d]` -> `[B, K]`.

        The closed form of Jiang et al., eq. 12.
        """
        return self._log_prob(mean, tf.exp(log_variance)[:, tf.newaxis])

    def _log_prob(self, mean: tf.Tensor, variance: tf.Tensor | float) -> tf.Tensor:
        log_variances = tf.convert_to_tensor(self.log_variances)
        squares = tf.square(mean[:, tf.newaxis] - self.means) + variance
        terms = _LOG_2_PI + log_variances + squares * tf.exp(-log_variances)
        return -0.5 * tf.reduce_sum(terms, axis=-1)
