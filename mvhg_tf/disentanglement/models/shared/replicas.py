"""The part of one replica in a step that several replicas take together.

With R replicas (`tf.distribute`), each has B / R rows of a batch of B. Noise is drawn
for the whole batch, of which each replica takes its rows, and what a loss takes from
the batch as a whole is exchanged, so that a step of R replicas is that of one device,
up to the rounding of sums. On one device all of these return their argument.
"""

import tensorflow as tf


def count() -> int:
    """R, how many replicas take the step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def own_rows(tensor: tf.Tensor) -> tf.Tensor:
    """This replica's rows, `[B / R, ...]`, of a tensor of the whole batch."""
    if count() == 1:
        return tensor
    return tf.stack(tf.split(tensor, count()))[index()]


def whole_shape(own: tf.Tensor) -> tf.Tensor:
    """The shape of the whole batch's tensor, given this replica's rows of it."""
    shape = tf.shape(own)
    if count() == 1:
        return shape
    return tf.concat([count() * shape[:1], shape[1:]], axis=0)


def among_all(own: tf.Tensor) -> tf.Tensor:
    """This replica's rows at their places in the whole batch, `[B, ...]`, zeros else.

    For noise that is drawn inside of what is called: each row gets the noise that it
    would get on one device.
    """
    if count() == 1:
        return own
    mine = tf.one_hot(index(), count(), dtype=own.dtype)
    return tf.concat([mine[i] * own for i in range(count())], axis=0)


def of_all(own: tf.Tensor) -> tf.Tensor:
    """The whole batch's tensor, `[B, ...]`, given this replica's rows of it.

    Gradients flow back to the replicas whose rows they are of.
    """
    if count() == 1:
        return own
    return _reduced(tf.distribute.ReduceOp.SUM, among_all(own))


def mean_of_all(own: tf.Tensor) -> tf.Tensor:
    """The mean over the whole batch, given the one over this replica's rows."""
    if count() == 1:
        return own
    return _reduced(tf.distribute.ReduceOp.MEAN, own)


def _reduced(operation: tf.distribute.ReduceOp, value: tf.Tensor) -> tf.Tensor:
    return tf.distribute.get_replica_context().all_reduce(operation, value)


def index() -> tf.Tensor | int:
    """This replica's place among them, from 0."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group
