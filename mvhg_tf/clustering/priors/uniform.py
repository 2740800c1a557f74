"""Uniform prior: all clusters are equally likely."""

import math

import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.clustering.priors.base import ClusterPrior


@register_keras_serializable(package="mvhg_tf")
class UniformPrior(ClusterPrior):
    """pi_k = 1 / K, fixed: the paper's prior (ii), section 5.3."""

    def log_proportions(self) -> tf.Tensor:
        return tf.fill([self.num_clusters], -math.log(self.num_clusters))

    def expected_log_prob(
        self, responsibilities: tf.Tensor, assignments: tf.Tensor
    ) -> tf.Tensor:
        return tf.constant(-math.log(self.num_clusters))
