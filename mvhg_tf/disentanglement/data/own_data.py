"""Images and factors of the user's own, from one npz file: `dataset.name = "npz"`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np

from mvhg_tf.disentanglement.data import grid, image_table, npz
from mvhg_tf.runs.errors import UserError


class OwnGrid(grid.StoredGridData):
    """One image for each combination of the factors, in any order.

    It supports every metric and every kind of pairs.
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: np.ndarray,
        sizes: Sequence[int],
        names: Sequence[str],
    ):
        """Initializes the factors and images.

        Args:
          images: uint8 `[N, H, W, C]`, 255 for 1.
          rows: The row of each combination, the last factor varying fastest, `[N]`.
          sizes: How many values each factor has.
          names: A name for each factor.
        """
        self._rows = rows
        super().__init__(names, sizes, images)

    def sample_bytes_from_factors(self, factors: np.ndarray) -> np.ndarray:
        factors = self.check_factors(factors)
        places = np.ravel_multi_index(tuple(factors.T), self.factors_num_values)
        return self._images[self._rows[places]]


@gin.configurable("npz")
def open_own_data(
    path: str = gin.REQUIRED, factor_names: Sequence[str] | None = None
) -> OwnGrid | image_table.ImageTable:
    """Opens the data set that gin's `npz.path` names.

    The file's arrays are unpacked once, next to it, and mapped into memory.

    Args:
      path: Of an npz file that holds `images`, `[N, H, W, C]` with 1, 3 or 4 channels,
        uint8 (255 for 1) or float in [0, 1], and `factors`, integers `[N, F]` from 0
        on, in any order and with any combinations.
      factor_names: F names; by default "factor 0", "factor 1" and so on.

    Returns:
      A grid, if the images are bytes and each combination occurs once; otherwise a
      table, whose factors are drawn as they occur.

    Raises:
      UserError: If the file is missing, damaged or holds anything else.
    """
    file = Path(path).expanduser()
    if not (file.exists() or file.with_suffix(".images.npy").exists()):
        raise UserError(
            f"npz.path is {path!r}, but {file.absolute()} does not exist: bind it to "
            "your file."
        )
    remedy = "store it again"
    images = npz.open_array(file, "images", ".images.npy", remedy)
    factors = npz.open_array(file, "factors", ".factors.npy", remedy)
    image_table.check_images(images, "images", path)
    image_table.check_factors(factors, len(images), "factors", path)
    factors = np.array(factors)
    names = factor_names or [f"factor {i}" for i in range(factors.shape[1])]
    if len(names) != factors.shape[1]:
        raise UserError(
            f"npz.factor_names holds {len(names)} names, but {path} has "
            f"{factors.shape[1]} factors: give one name for each."
        )
    rows = _rows_of_grid(factors)
    if rows is None or images.dtype != np.uint8:
        return image_table.ImageTable([images], factors, names, path)
    sizes = (factors.max(axis=0) + 1).tolist()
    return OwnGrid(images, rows, sizes, names)


def _rows_of_grid(factors: np.ndarray) -> np.ndarray | None:
    """The row of each combination, the last factor varying fastest, `[N]`.

    None if a combination is missing or repeated.
    """
    # Found without a table of all, which may be huge.
    ordered, first = np.unique(factors, axis=0, return_index=True)
    wanted = np.prod((factors.max(axis=0) + 1).astype(object))
    return first if len(ordered) == len(factors) == wanted else None
