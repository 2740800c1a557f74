"""shapes3d, read lazily from a memory-mapped file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import grid, npz, prepared, unpacked
from mvhg_tf.runs.errors import UserError

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
_PREPARED_LABELS = (  # of tensorflow_datasets
    "label_floor_hue",
    "label_wall_hue",
    "label_object_hue",
    "label_scale",
    "label_shape",
    "label_orientation",
)


class Shapes3D(grid.StoredGridData):
    """shapes3d (Kim and Mnih 2018): 480 000 images of six factors.

    The array "images" of the library's file is unpacked once, next to it (see
    `npz.open_array`): 6 GB. The library keeps it in memory, as 24 GB of float32.

    Raises:
      UserError: If the file is damaged or not the shapes3d file.
    """

    def __init__(self) -> None:
        path = Path(shapes3d.SHAPES3D_PATH)
        if unpacked.is_missing(path) and prepared.is_prepared("shapes3d"):
            found = prepared.open_prepared("shapes3d", _PREPARED_LABELS, np.asarray)
            in_order = prepared.GridOrder(found, "shapes3d")
            super().__init__(FACTOR_NAMES, in_order.sizes, in_order)
            return
        images, sizes = open_images(path)
        super().__init__(FACTOR_NAMES, sizes, images.reshape(-1, *_IMAGE_SHAPE))

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from."""
        return [shapes3d.SHAPES3D_PATH]


def open_images(path: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    """Opens the library's file of shapes3d: its images and the factors' sizes.

    Raises:
      UserError: If the file is missing, damaged or not that of shapes3d.
    """
    images = npz.open_array(path, "images")
    return images, _sizes_of(images, path)


def _sizes_of(images: np.ndarray, path: Path) -> tuple[int, ...]:
    """The published sizes, or those of a file cut down for tests."""
    factors, image = images.shape[:-3], images.shape[-3:]
    if images.dtype == np.uint8 and image == _IMAGE_SHAPE:
        if factors == (math.prod(PUBLISHED_SIZES),):
            return PUBLISHED_SIZES
        if len(factors) == len(PUBLISHED_SIZES) and all(
            0 < size <= published
            for size, published in zip(factors, PUBLISHED_SIZES, strict=True)
        ):
            return factors
    wanted = [*PUBLISHED_SIZES, *_IMAGE_SHAPE]
    raise UserError(
        f"The file {path} is not the shapes3d file: its array 'images' should hold "
        f"{wanted} or {[math.prod(PUBLISHED_SIZES), *_IMAGE_SHAPE]} uint8, but holds "
        f"{list(images.shape)} {images.dtype}: create it again."
    )
