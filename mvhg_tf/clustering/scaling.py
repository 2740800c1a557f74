"""Scales samples to what a likelihood needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mvhg_tf.clustering import defaults


class Scaling(NamedTuple):
    """x -> (x - offset) / scale.

    Attributes:
      offset: float64 `[D]`.
      scale: positive, float64 `[D]`.
      is_table: whether x are rows of numbers, which are standardised, or intensities,
        which are mapped and clipped to [0, 1].
    """

    offset: np.ndarray
    scale: np.ndarray
    is_table: bool

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Scaled samples, `[N, D]` -> float32 `[N, D]`."""
        # In float64 first: float32 has no room for small differences of large numbers.
        x = (x.astype(np.float64) - self.offset) / self.scale
        x = x if self.is_table else np.clip(x, 0.0, 1.0)
        return x.astype(np.float32)


def fit(x: np.ndarray, is_image: bool) -> Scaling:
    """The scaling that fits training data.

    Bytes are divided by 255. Other intensities (`defaults.are_intensities`) and images
    stay as they are if they lie in [0, 1]; otherwise their common range is mapped to
    it.

    Args:
      x: finite numbers of any type, `[N, D]`.
      is_image: whether a sample had more than one axis.
    """
    ones = np.ones(x.shape[1])
    if x.dtype == np.uint8:
        return Scaling(0.0 * ones, 255.0 * ones, False)
    x = x.astype(np.float64)
    low, high = x.min(), x.max()
    in_unit = low >= 0.0 and high <= 1.0
    if (is_image and in_unit) or defaults.are_intensities(x):
        low, high = (0.0, 1.0) if in_unit else (low, high)
        return Scaling(low * ones, (high - low) * ones, False)
    spread = x.std(axis=0)
    # A constant column has only rounding for a spread.
    constant = x.min(axis=0) == x.max(axis=0)
    return Scaling(x.mean(axis=0), np.where(constant, 1.0, spread), True)
