"""A batch of urns in chunks, so that only one chunk's working memory is held."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.cached import in_xla
from mvhg_tf.distributions.urn import CORE_DTYPE, Shape, Size


def in_chunks(
    function: Callable[..., tf.Tensor],
    batch_shape: Shape,
    urns: Any,
    draws: Any,
    most_urns: Size,
) -> tf.Tensor:
    """`function(urns, draws)` of a batch, evaluated for some urns at a time.

    Under XLA all are evaluated at once: it fuses what is wide, so that chunks would
    save little there and cost time.

    Args:
      function: gives float64 `[U, ...]` for structures like `urns` and `draws`, of
        tensors `[U, ...]` and `[S, U, ...]`.
      batch_shape: `[B...]`.
      urns: a structure of tensors `[B..., ...]`, or None in places.
      draws: a structure of tensors `[S, B..., ...]`, or None in places.
      most_urns: the greatest U, at least 1. But a batch of up to twice as many is
        evaluated whole: to divide it would save little, and cost time.

    Returns:
      float64 `[B..., ...]`.
    """
    num_urns = ps.reduce_prod(batch_shape)

    def flat(tensor: tf.Tensor, axis: Size) -> tf.Tensor:
        shape, stop = ps.shape(tensor), axis + ps.size(batch_shape)
        shape = ps.concat([shape[:axis], [num_urns], shape[stop:]], axis=0)
        return tf.reshape(tensor, shape)

    urns, draws = _each(flat, urns, draws)
    is_small = num_urns <= 2 * most_urns
    num_chunks = ps.where(is_small, 1, -(-num_urns // most_urns))
    size = -(-num_urns // num_chunks)

    def chunk(i: tf.Tensor) -> tf.Tensor:
        # The last is filled up with the last urn, so that they stack.
        index = tf.minimum(i * size + tf.range(size), num_urns - 1)
        return function(
            *_each(
                lambda tensor, axis: tf.gather(tensor, index, axis=axis), urns, draws
            )
        )

    if in_xla() or tf.get_static_value(num_chunks) == 1:
        rows = function(urns, draws)
    else:
        chunks = tf.map_fn(
            chunk,
            tf.range(num_chunks),
            parallel_iterations=1,  # one chunk's memory
            fn_output_signature=CORE_DTYPE,
        )
        rows = tf.reshape(chunks, ps.concat([[-1], ps.shape(chunks)[2:]], axis=0))
        rows = rows[:num_urns]
    return tf.reshape(rows, ps.concat([batch_shape, ps.shape(rows)[1:]], axis=0))


def _each(
    function: Callable[[tf.Tensor, int], tf.Tensor], urns: Any, draws: Any
) -> tuple[Any, Any]:
    """`function` of each tensor and the axis of its urns."""

    def of_all(structure: Any, axis: Size) -> Any:
        return tf.nest.map_structure(
            lambda tensor: None if tensor is None else function(tensor, axis), structure
        )

    return of_all(urns, 0), of_all(draws, 1)
