"""Checks of the data before training, each with one clear sentence."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from mvhg_tf.runs.errors import UserError


def as_samples(
    x: ArrayLike, num_features: int, bounds: tuple[float, float] | None = None
) -> np.ndarray:
    """x as float32 `[N, D]`.

    Args:
      x: what a user gave.
      num_features: D.
      bounds: in which the likelihood needs x to lie, inclusive; None for no bounds.

    Raises:
      UserError: if it is not a non-empty table of `num_features` finite numbers a row,
        or a value is out of bounds.
    """
    try:
        x = np.asarray(x, np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(
            "x does not hold only numbers: pass an array of numbers of shape [N, "
            f"{num_features}]."
        ) from error
    if x.ndim != 2 or x.shape[1] != num_features or not len(x):
        raise UserError(
            f"x has the shape {list(x.shape)}, but must be [N, {num_features}] with "
            "N > 0: reshape it to one row a sample, or change num_features."
        )
    if not np.isfinite(x).all():
        raise UserError(
            f"x holds {np.sum(~np.isfinite(x))} values that are NaN or infinite, but "
            "all must be finite: fill or drop them."
        )
    if bounds is not None and not (bounds[0] <= x.min() and x.max() <= bounds[1]):
        raise UserError(
            f"x holds values from {x.min():g} to {x.max():g}, but must lie in "
            f"[{bounds[0]:g}, {bounds[1]:g}], as the likelihood needs: scale it, as "
            "sklearn.preprocessing.MinMaxScaler does, or pass another likelihood, such "
            'as "gaussian".'
        )
    return x


def as_training_data(
    x: ArrayLike,
    num_features: int,
    num_clusters: int,
    bounds: tuple[float, float] | None,
) -> np.ndarray:
    """x as float32 `[N, D]`, suitable for training.

    Args and raises as `as_samples`; also a UserError if all samples are the same, or
    there are fewer samples than clusters. Constant features, such as the border of
    images, are allowed.
    """
    x = as_samples(x, num_features, bounds)
    if len(x) < num_clusters:
        raise UserError(
            f"x has {len(x)} samples, fewer than the {num_clusters} clusters: give "
            "more samples or fewer clusters."
        )
    if np.all(x == x[0]):
        raise UserError(
            "Every feature of x is constant in float32, so the samples can't be "
            "distinguished: give samples that differ by more than one ten-millionth of "
            "their values."
        )
    return x


def as_responsibilities(
    responsibilities: ArrayLike, shape: tuple[int, int]
) -> np.ndarray:
    """Responsibilities as float32 `[N, K]`.

    Raises:
      UserError: if the shape is another, or a row is not nonnegative with sum 1.
    """
    q = np.asarray(responsibilities, np.float32)
    if q.shape != shape:
        raise UserError(
            f"responsibilities have the shape {list(q.shape)}, but must be "
            f"{list(shape)}: give a row for each sample, as pretrain returns."
        )
    if not (np.all(q >= 0.0) and np.allclose(q.sum(axis=1), 1.0, atol=1e-3)):
        raise UserError(
            "responsibilities hold rows that are not probabilities: give nonnegative "
            "rows that sum to 1, as pretrain returns."
        )
    return q


def check_environment() -> None:
    """Raises a UserError under several replicas, or a dtype policy not float32."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        raise UserError(
            f"VaDE was created under a distribution strategy of {replicas} replicas, "
            "but its prior counts the clusters of whole batches on one device: create "
            "it outside the strategy's scope."
        )
    policy = keras.config.dtype_policy().name
    if policy != "float32":
        raise UserError(
            f"The dtype policy is {policy!r}, but VaDE needs float32: call "
            'keras.config.set_dtype_policy("float32") before.'
        )


def check_batch_size(batch_size: int, num_samples: int) -> None:
    """Raises a UserError unless `1 <= batch_size <= num_samples`."""
    whole = isinstance(batch_size, int | np.integer) and batch_size > 0
    if not whole or batch_size > num_samples:
        raise UserError(
            f"batch_size is {batch_size!r}, but must be a whole number from 1 to the "
            f"{num_samples} samples of x: pass one in that range."
        )


def check_whole(name: str, value: int, least: int) -> int:
    """The value as an int; a UserError unless it is whole and at least `least`."""
    if not isinstance(value, int | np.integer) or value < least:
        raise UserError(
            f"{name} is {value!r}, but must be a whole number of at least {least}: "
            "pass such a number."
        )
    return int(value)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises a UserError unless the value is one of the choices."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        allowed = " or ".join(f'"{choice}"' for choice in choices)
        raise UserError(f"{name} is {value!r}, but must be {allowed}: pass one.")
