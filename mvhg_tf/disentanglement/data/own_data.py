"""Images and factors of the user's own, from one npz file: `dataset.name = "npz"`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np

from mvhg_tf.disentanglement.data import grid, npz
from mvhg_tf.runs.errors import UserError


class OwnData(grid.StoredGridData):
    """One image for each combination of the factors, in any order.

    Pairs and metrics draw each factor on its own, so that no combination may be
    missing. The file's arrays are unpacked once, beside it, and mapped into memory.
    """

    def __init__(self, path: str, factor_names: Sequence[str] | None = None):
        """Opens the data set.

        Args:
          path: Of an npz file that holds `images`, uint8 `[N, H, W, C]` with 1 or 3
            channels, 255 for 1, and `factors`, integers `[N, F]` from 0 on.
          factor_names: F names; by default "factor 0", "factor 1" and so on.

        Raises:
          UserError: If the file is missing, damaged, holds anything else, or does
            not hold each combination of the factors once.
        """
        if not (Path(path).exists() or Path(path).with_suffix(".images.npy").exists()):
            raise UserError(
                f"npz.path is {path!r}, but {Path(path).absolute()} does not exist: "
                "bind it to your file."
            )
        remedy = "store it again"
        images = npz.open_array(Path(path), "images", ".images.npy", remedy)
        factors = npz.open_array(Path(path), "factors", ".factors.npy", remedy)
        _check_images(images, path)
        _check_factors(factors, len(images), path)
        sizes = [int(size) for size in factors.max(axis=0) + 1]
        names = factor_names or [f"factor {i}" for i in range(len(sizes))]
        if len(names) != len(sizes):
            raise UserError(
                f"npz.factor_names holds {len(names)} names, but {path} has "
                f"{len(sizes)} factors: give one name for each."
            )
        self._rows = _rows_of_combinations(np.array(factors, np.int64), sizes, path)
        super().__init__(names, sizes, images)

    def sample_bytes_from_factors(self, factors: np.ndarray) -> np.ndarray:
        factors = self.check_factors(factors)
        places = np.ravel_multi_index(tuple(factors.T), self.factors_num_values)
        return self._images[self._rows[places]]


@gin.configurable("npz")
def open_own_data(
    path: str = gin.REQUIRED, factor_names: Sequence[str] | None = None
) -> OwnData:
    """Opens the data set that gin's `npz.path` names; see `OwnData`."""
    return OwnData(os.path.expanduser(path), factor_names)


def _check_images(images: np.ndarray, path: str) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(
            f"The images of {path} are {images.dtype} {list(images.shape)}, but must "
            "be uint8 [N, H, W, C], 255 for 1, with 1 or 3 channels: store them so."
        )


def _check_factors(factors: np.ndarray, num_images: int, path: str) -> None:
    if factors.ndim != 2 or len(factors) != num_images or not factors.size:
        raise UserError(
            f"The factors of {path} have the shape {list(factors.shape)}, but must "
            f"have a row for each of the {num_images} images and a column for each "
            "factor, at least one of each: store them so."
        )
    if factors.dtype.kind not in "iu" or factors.min() < 0:
        raise UserError(
            f"The factors of {path} ({factors.dtype}, from {factors.min()}) must be "
            "integers from 0 on: number the values of each factor, as "
            "np.unique(values, return_inverse=True) does."
        )


def _rows_of_combinations(
    factors: np.ndarray, sizes: Sequence[int], path: str
) -> np.ndarray:
    """The row of each combination, the last factor varying fastest, `[N]`."""
    # Tells a missing combination without a table of all, which may be huge.
    ordered, first, counts = np.unique(
        factors, axis=0, return_index=True, return_counts=True
    )
    if counts.max() > 1:
        twice = ordered[np.argmax(counts > 1)].tolist()
        raise UserError(
            f"{path} holds several images of the factors {twice}: keep one, or make "
            "what tells them apart a factor."
        )
    wanted = np.prod(np.array(sizes, object))
    if len(ordered) != wanted:
        raise UserError(
            f"{path} holds {len(ordered)} of the {wanted} combinations of factors of "
            f"sizes {list(sizes)}, but pairs and metrics need all: add the missing "
            "images, or leave out the values (or the factor) that lack some."
        )
    return first
