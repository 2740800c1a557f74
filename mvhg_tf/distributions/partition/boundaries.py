"""The elements on both sides of the boundaries between groups, and what a move does.

Group b and the next meet at the boundary C_b, the number of elements in the groups up
to b. The elements there are the only ones that change their group when C_b changes by
one, or when one element is put elsewhere in the order.
"""

from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps


class Side(NamedTuple):
    """One side of the K - 1 boundaries of each partition.

    Attributes:
      exists: whether there is an element on that side, bool `[..., K - 1]`.
      key: its key in the race, `[..., K - 1]`; of none that exists, any.
      gain: what the loss would gain, to first order, if the element were in the group
        before the boundary and not in that after it, `[..., K - 1]`; 0 if none exists.
    """

    exists: tf.Tensor
    key: tf.Tensor
    gain: tf.Tensor


def both_sides(
    sizes: tf.Tensor, keys: tf.Tensor, order: tf.Tensor, upstream: tf.Tensor
) -> tuple[Side, Side]:
    """The elements before and after the boundaries.

    Args:
      sizes: whole numbers, float64 `[..., K]`.
      keys: float64 `[..., n]`.
      order: the elements by their places, int32 `[..., n]`.
      upstream: the loss's gradient in the assignment, float64 `[..., n, K]`.

    Returns:
      Those before, and those after.
    """
    ends = tf.cast(tf.cumsum(sizes, axis=-1), tf.int32)[..., :-1]
    num_elements = ps.shape(keys)[-1]

    def side(place: tf.Tensor) -> Side:
        exists = (place >= 0) & (place < num_elements)
        element = _rows(order, tf.where(exists, place, 0))
        slopes = _rows(upstream, element)
        gain = tf.linalg.diag_part(slopes[..., :-1]) - tf.linalg.diag_part(
            slopes[..., 1:]
        )
        return Side(
            exists, _rows(keys, element), tf.where(exists, gain, tf.zeros_like(gain))
        )

    return side(ends - 1), side(ends)


def _rows(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """`values[..., index]`: `[..., n, R...]` and `[..., I]` to `[..., I, R...]`."""
    batch = ps.shape(index)[:-1]
    event = ps.shape(values)[ps.size(batch) :]
    flat = tf.reshape(values, ps.concat([[-1], event], axis=0))
    flat_index = tf.reshape(index, ps.concat([[-1], ps.shape(index)[-1:]], axis=0))
    taken = tf.gather(flat, flat_index, batch_dims=1)
    return tf.reshape(taken, ps.concat([ps.shape(index), event[1:]], axis=0))
