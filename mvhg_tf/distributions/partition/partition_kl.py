"""The Kullback-Leibler divergence of partitions, registered with TFP."""

import tensorflow as tf
from tensorflow_probability.python.distributions import kullback_leibler

from mvhg_tf.distributions.partition.random_partition import RandomPartition


@kullback_leibler.RegisterKL(RandomPartition, RandomPartition)
def _kl_partition_partition(
    p: RandomPartition, q: RandomPartition, name: str | None = None
) -> tf.Tensor:
    """`kl_divergence_estimate` with 256 draws: exact only for the sizes."""
    return p.kl_divergence_estimate(q, name=name or "kl_partition_partition")
