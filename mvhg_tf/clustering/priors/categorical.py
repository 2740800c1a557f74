"""Categorical prior: independent assignments with trainable proportions."""

import numpy as np
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.clustering.priors.base import ClusterPrior


@register_keras_serializable(package="mvhg_tf")
class CategoricalPrior(ClusterPrior):
    """p(c; pi) = prod_i Cat(c_i | pi): the paper's prior (i), section 5.3.

    Its term is exact: sum_k log pi_k times the mean responsibility of cluster k.
    """

    def build(self, num_clusters: int) -> None:
        self.logits = self.add_weight(
            shape=[num_clusters], initializer="zeros", name="logits"
        )
        super().build(num_clusters)

    def log_proportions(self) -> tf.Tensor:
        return tf.nn.log_softmax(tf.convert_to_tensor(self.logits))

    def expected_log_prob(
        self, responsibilities: tf.Tensor, assignments: tf.Tensor
    ) -> tf.Tensor:
        usage = tf.reduce_mean(responsibilities, axis=0)
        return tf.reduce_sum(usage * self.log_proportions())

    def set_proportions(self, proportions: np.ndarray) -> None:
        self.logits.assign(np.log(np.maximum(proportions, 1e-6)))
