"""The interface of a prior over cluster assignments."""

import keras
import numpy as np
import tensorflow as tf


class ClusterPrior(keras.layers.Layer):
    """p(c; pi) of the assignments c of a batch to K clusters (paper, eq. 54).

    It is a Keras layer, so its parameters are trained and saved with the model. A
    subclass implements `build`, `log_proportions`, `expected_log_prob` and, if its
    proportions can be set, `set_proportions`. If it has arguments other than a name, it
    also implements `get_config`. Register it with
    `keras.saving.register_keras_serializable` to load saved models. A prior that does
    not depend on the batch needs only this:

    ```python
    class FixedPrior(ClusterPrior):
        def log_proportions(self):
            return tf.math.log([0.5, 0.25, 0.25])

        def expected_log_prob(self, responsibilities, assignments):
            usage = tf.reduce_mean(responsibilities, axis=0)
            return tf.reduce_sum(usage * self.log_proportions())
    ```
    """

    def build(self, num_clusters: int) -> None:
        """Makes the parameters for K clusters."""
        self.num_clusters = num_clusters
        self.built = True

    def check_sizes(self, batch_size: int, num_samples: int) -> None:
        """Called before pretraining and training; may reject a batch size or N.

        Args:
          batch_size: B.
          num_samples: N.

        Raises:
          UserError: if the prior can't handle these sizes.
        """

    def configure(self, batch_size: int, num_samples: int) -> None:
        """Called before training, with sizes that passed `check_sizes`.

        The default does nothing.
        """

    def log_proportions(self) -> tf.Tensor:
        """log p(c_i = k), float32 `[K]`, whose exponentials sum to 1.

        It is the log pi of the responsibilities (eq. 63).
        """
        raise NotImplementedError

    def expected_log_prob(
        self, responsibilities: tf.Tensor, assignments: tf.Tensor
    ) -> tf.Tensor:
        """E_q[log p(c; pi)] of a batch (eqs. 60 to 62), in nats a sample.

        Args:
          responsibilities: q(c_i = k | z_i), float32 `[B, K]` (eq. 63).
          assignments: one-hot draws of them, float32 `[B, K]`, with straight-through
            Gumbel-softmax gradients.

        Returns:
          The term divided by B, a float32 scalar.
        """
        raise NotImplementedError

    def set_proportions(self, proportions: np.ndarray) -> None:
        """Sets the initial proportions, `[K]`; a prior without parameters can't."""

    def proportions(self) -> np.ndarray:
        """The share of each cluster that the prior expects, float32 `[K]`."""
        return np.exp(self.log_proportions())
