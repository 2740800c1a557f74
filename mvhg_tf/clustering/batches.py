"""Batches whose order depends only on the seed and the number of the epoch."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def batches(
    arrays: np.ndarray | tuple[np.ndarray, ...],
    batch_size: int,
    seed: int,
    epochs: int,
    initial_epoch: int = 0,
) -> tuple[tf.data.Dataset, int]:
    """All the batches of the epochs, in a new order each epoch.

    So a run resumed from epoch 7 sees the same batches as a run that never stopped.

    Args:
      arrays: with N rows each.
      batch_size: B, at most N; the last batch of an epoch may be smaller.
      seed: of the order.
      epochs: the epoch after the last.
      initial_epoch: the first.

    Returns:
      The batches, and how many an epoch has.
    """
    arrays = tf.nest.map_structure(tf.constant, arrays)
    num_samples = len(tf.nest.flatten(arrays)[0])

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(num_samples), tf.stack([tf.constant(seed, tf.int64), epoch])
        )
        rows = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return rows.map(
            lambda row: tf.nest.map_structure(lambda a: tf.gather(a, row), arrays)
        )

    data = tf.data.Dataset.range(initial_epoch, epochs).flat_map(batches_of)
    return data.prefetch(2), -(-num_samples // batch_size)
