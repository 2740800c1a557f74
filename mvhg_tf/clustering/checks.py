"""What is asked of the data before training, each in one clear sentence."""

from collections.abc import Iterable

import numpy as np

from mvhg_tf.runs.errors import UserError


def as_samples(x, num_features: int) -> np.ndarray:
    """x as float32 `[N, D]`.

    Raises:
      UserError: if it is not a non-empty table of `num_features` finite numbers a row.
    """
    try:
        x = np.asarray(x, np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(
            "x does not hold numbers alone: pass an array of shape "
            f"[N, {num_features}] of numbers."
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
    return x


def as_training_data(x, num_features: int, num_clusters: int) -> np.ndarray:
    """x as float32 `[N, D]`, fit to train on.

    Raises:
      UserError: as `as_samples`, and if a value is outside [0, 1], all samples are
        the same, or there are fewer samples than clusters. Some constant features,
        such as the border of images, are no fault.
    """
    x = as_samples(x, num_features)
    if x.min() < 0.0 or x.max() > 1.0:
        raise UserError(
            f"x holds values from {x.min():g} to {x.max():g}, but must lie in [0, 1]: "
            "scale it, as sklearn.preprocessing.MinMaxScaler does."
        )
    if len(x) < num_clusters:
        raise UserError(
            f"x has {len(x)} samples, fewer than the {num_clusters} clusters: give "
            "more samples or fewer clusters."
        )
    if np.all(x == x[0]):
        raise UserError(
            "Every feature of x is constant, so that nothing tells the samples apart: "
            "give samples that differ."
        )
    return x


def as_responsibilities(responsibilities, shape: tuple[int, int]) -> np.ndarray:
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
