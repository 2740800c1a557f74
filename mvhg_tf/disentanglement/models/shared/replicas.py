"""The part of one replica in a step that several replicas take together.

With R replicas (`tf.distribute`), each has B / R rows of a batch of B: its local rows.
Noise is drawn for the global batch, of which each replica takes its rows, and what a
loss takes from the batch as a whole is exchanged. So a step of R replicas is that of
one device, up to the rounding of sums. On one device each of these functions returns
its argument.
"""

import tensorflow as tf


def count() -> int:
    """R, how many replicas take the step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def local_rows(tensor: tf.Tensor) -> tf.Tensor:
    """This replica's rows, `[B / R, ...]`, of a tensor of the global batch."""
    if count() == 1:
        return tensor
    return tf.stack(tf.split(tensor, count()))[index()]


def global_shape(local: tf.Tensor) -> tf.Tensor:
    """The shape of the global batch's tensor, given this replica's rows of it."""
    shape = tf.shape(local)
    if count() == 1:
        return shape
    return tf.concat([count() * shape[:1], shape[1:]], axis=0)


def pad_to_global(local: tf.Tensor) -> tf.Tensor:
    """This replica's rows at their places in the global batch, `[B, ...]`, zeros else.

    For functions that draw noise themselves: each row gets the noise that it would get
    on one device.
    """
    if count() == 1:
        return local
    mine = tf.one_hot(index(), count(), dtype=local.dtype)
    return tf.concat([mine[i] * local for i in range(count())], axis=0)


def all_gather(local: tf.Tensor) -> tf.Tensor:
    """The global batch's tensor, `[B, ...]`, given this replica's rows of it.

    Each row's gradient flows back to the replica that has the row.
    """
    if count() == 1:
        return local
    return _reduced(tf.distribute.ReduceOp.SUM, pad_to_global(local))


def all_reduce_mean(local: tf.Tensor) -> tf.Tensor:
    """The mean over the global batch, given the one over this replica's rows."""
    if count() == 1:
        return local
    return _reduced(tf.distribute.ReduceOp.MEAN, local)


def _reduced(operation: tf.distribute.ReduceOp, value: tf.Tensor) -> tf.Tensor:
    return tf.distribute.get_replica_context().all_reduce(operation, value)


def index() -> tf.Tensor | int:
    """This replica's place among them, from 0."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group
