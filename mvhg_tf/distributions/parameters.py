"""Converting and checking the parameters of the distribution classes."""

from collections.abc import Sequence
from typing import TypeAlias, overload

import numpy as np
import tensorflow as tf
from tensorflow_probability.python.internal import (
    assert_util,
    dtype_util,
    tensor_util,
)

from mvhg_tf.distributions.urn import CORE_DTYPE, Size, Urn

TensorLike: TypeAlias = tf.types.experimental.TensorLike
# As `tfp.random.sanitize_seed` takes it.
Seed: TypeAlias = int | TensorLike | None


def floating_dtype(values: Sequence[TensorLike | None]) -> tf.DType:
    """The common dtype of the floating values; float32 if there are none.

    Integers of any kind are cast.
    """
    floating = [
        value
        for value in values
        if (dtype := dtype_util.common_dtype([value])) is not None
        and dtype_util.is_floating(dtype)
    ]
    return dtype_util.common_dtype(floating, dtype_hint=tf.float32)


@overload
def convert(value: None, dtype: tf.DType, name: str) -> None: ...
@overload
def convert(value: TensorLike, dtype: tf.DType, name: str) -> tf.Tensor: ...
def convert(value: TensorLike | None, dtype: tf.DType, name: str) -> tf.Tensor | None:
    """A tensor of the dtype; variables and None are returned unchanged."""
    if value is None or tensor_util.is_ref(value):
        return value
    return as_tensor(value, dtype, name)


def as_tensor(value: TensorLike, dtype: tf.DType, name: str | None = None) -> tf.Tensor:
    """A tensor of the dtype, without rounding to another dtype first."""
    if not tf.is_tensor(value):
        try:
            # Not a cast, which would first turn Python's numbers into float32.
            return tf.convert_to_tensor(np.asarray(value, dtype.as_numpy_dtype), dtype)
        except (TypeError, ValueError, NotImplementedError):
            pass  # A list of tensors.
    return tf.cast(tf.convert_to_tensor(value, name=name), dtype)


def safe_log(weights: TensorLike) -> tf.Tensor:
    """Logs in float64; `-inf` for 0, with a gradient of 0."""
    weights = tf.cast(tf.convert_to_tensor(weights), CORE_DTYPE)
    positive = weights > 0.0
    return tf.where(positive, tf.math.log(tf.where(positive, weights, 1.0)), -np.inf)


def one_of(
    first: TensorLike | None,
    second: TensorLike | None,
    first_name: str,
    second_name: str,
) -> None:
    """Raises ValueError unless exactly one of two arguments is given."""
    if (first is None) == (second is None):
        given = "neither" if first is None else "both"
        raise ValueError(
            f"{given} of {first_name} and {second_name} given: pass exactly one."
        )


def choice(value: object, allowed: Sequence[object], name: str) -> None:
    """Raises ValueError unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(
            f"{name} is {value!r}: pass one of {', '.join(map(repr, allowed))}."
        )


def broadcastable(shapes: dict[str, tf.TensorShape]) -> None:
    """Raises ValueError unless the batch shapes broadcast, where known."""
    shape = tf.TensorShape([])
    for name, batch_shape in shapes.items():
        try:
            shape = tf.broadcast_static_shape(shape, batch_shape)
        except ValueError:
            raise ValueError(
                f"the batch shape of {name} is {batch_shape}, which does not broadcast "
                f"with {shape}, that of the other parameters: make them agree."
            ) from None


def check_event(value: tf.Tensor, num_groups: int | None, name: str) -> None:
    """Raises ValueError unless there is a number for each group, where known."""
    if value.shape.rank is None or num_groups is None:
        return
    event = value.shape[-1:]
    if value.shape.rank == 0 or not event.is_compatible_with([num_groups]):
        raise ValueError(
            f"{name} has the shape {value.shape}, but there are {num_groups} groups: "
            f"pass one number for each group, [..., {num_groups}]."
        )


def assert_event(value: tf.Tensor, num_groups: Size, name: str) -> list[tf.Operation]:
    """As `check_event`, when the graph runs."""
    return [
        assert_util.assert_equal(
            tf.shape(value)[-1],
            num_groups,
            message=f"{name} must have one number for each group",
        )
    ]


# Of what float32 may have rounded.
_MEAN_TOLERANCE = 1e-4


def check_mean(mean: tf.Tensor, total_count: tf.Tensor, group_sizes: tf.Tensor) -> None:
    """Raises ValueError unless the means can be those of an urn, where known."""
    check_event(mean, tf.compat.dimension_value(group_sizes.shape[-1]), "mean")
    values = [tf.get_static_value(value) for value in (mean, total_count, group_sizes)]
    if any(value is None for value in values):
        return
    mean, total_count, group_sizes = map(np.asarray, values)
    if np.any(mean < 0) or np.any(mean > (1 + _MEAN_TOLERANCE) * group_sizes):
        raise ValueError(
            "the mean of a group is negative or greater than its group size: "
            "pass means of counts that can be drawn."
        )
    error = mean.sum(axis=-1) - total_count
    if np.any(~(np.abs(error) <= _MEAN_TOLERANCE * np.maximum(total_count, 1.0))):
        raise ValueError(
            f"the groups' counts, or their means, sum to {mean.sum(axis=-1)}, but "
            f"total_count is {total_count}: pass some that sum to it."
        )


def assert_mean(mean: tf.Tensor, urn: Urn) -> list[tf.Operation]:
    """As `check_mean`, when the graph runs."""
    largest = (1.0 + _MEAN_TOLERANCE) * urn.group_sizes
    error = tf.abs(tf.reduce_sum(mean, axis=-1) - urn.total_count)
    allowed = _MEAN_TOLERANCE * tf.maximum(urn.total_count, 1.0)
    return [
        assert_util.assert_equal(
            tf.reduce_all((mean >= 0.0) & (mean <= largest)),
            True,
            message="the mean of a group is negative or greater than its group size",
        ),
        assert_util.assert_equal(
            tf.reduce_all(error <= allowed),
            True,
            message="the groups' counts, or their means, must sum to total_count",
        ),
    ]


def defined(value: tf.Tensor, urn: Urn, allow_nan_stats: bool) -> tf.Tensor:
    """A statistic of the urns; raises where NaN is not allowed."""
    if allow_nan_stats:
        return value
    message = "total_count exceeds what can be drawn: the statistic is undefined"
    possible = assert_util.assert_equal(urn.is_possible(), True, message=message)
    with tf.control_dependencies([] if possible is None else [possible]):
        return tf.identity(value)


def assert_whole(value: tf.Tensor, name: str) -> list[tf.Operation]:
    """Asserts whole numbers of at least 0."""
    if not value.dtype.is_floating:
        value = tf.cast(value, tf.float64)
    return [
        assert_util.assert_non_negative(value, message=f"{name} must not be negative"),
        assert_util.assert_equal(
            tf.math.floor(value), value, message=f"{name} must hold whole numbers"
        ),
    ]


def assert_log_weights(log_weights: tf.Tensor, name: str) -> list[tf.Operation]:
    """Asserts log-weights that are numbers below infinity."""
    return [
        assert_util.assert_less(
            log_weights,
            tf.constant(float("inf"), log_weights.dtype),
            message=f"{name} must be finite or -inf, not NaN or +inf",
        )
    ]


def assert_weights(weights: tf.Tensor, name: str) -> list[tf.Operation]:
    """Asserts weights that are finite and at least 0."""
    return [
        assert_util.assert_non_negative(
            weights, message=f"{name} must not be negative or NaN"
        ),
        assert_util.assert_less(
            weights,
            tf.constant(float("inf"), weights.dtype),
            message=f"{name} must be finite",
        ),
    ]
