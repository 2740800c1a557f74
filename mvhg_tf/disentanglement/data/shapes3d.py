"""shapes3d, read lazily from a memory-mapped file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import grid, npz
from mvhg_tf.errors import UserError

from disentanglement_lib.data.ground_truth import shapes3d  # isort: skip

FACTOR_NAMES = (
    "floor color",
    "wall color",
    "object color",
    "object size",
    "object type",
    "azimuth",
)
PUBLISHED_SIZES = (10, 10, 10, 8, 4, 15)
_IMAGE_SHAPE = (64, 64, 3)


class Shapes3D(grid.StoredGridData):
    """shapes3d (Kim and Mnih 2018): 480 000 images of six factors.

    The array "images" of the file that the library reads is unpacked beside it once
    (see `npz.open_array`), 6 GB; the library holds it as 24 GB of float32.

    Raises:
      UserError: If the file is damaged or not that of shapes3d.
    """

    def __init__(self) -> None:
        path = Path(shapes3d.SHAPES3D_PATH)
        images = npz.open_array(path, "images")
        sizes = images.shape[: len(PUBLISHED_SIZES)]
        # One cut down, for tests, says its sizes by its shape.
        fits = images.shape[len(sizes) :] == _IMAGE_SHAPE and all(
            0 < size <= published
            for size, published in zip(sizes, PUBLISHED_SIZES, strict=True)
        )
        if not fits or images.dtype != np.uint8:
            wanted = [*PUBLISHED_SIZES, *_IMAGE_SHAPE]
            raise UserError(
                f"The file {path} is not that of shapes3d: its array 'images' should "
                f"hold {wanted} uint8, but holds {list(images.shape)} {images.dtype}; "
                "make it again."
            )
        super().__init__(FACTOR_NAMES, sizes, images.reshape(-1, *_IMAGE_SHAPE))

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from."""
        return [shapes3d.SHAPES3D_PATH]
