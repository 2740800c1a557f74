"""dSprites and its variants: the library's classes, over a memory-mapped file.

The library's own reader unpickles the file's metadata, which can run arbitrary code.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import PIL.Image

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import npz, prepared, unpacked
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import dsprites, util  # isort: skip

# Color, shape, scale, orientation, position x and position y.
PUBLISHED_SIZES = (1, 3, 6, 40, 32, 32)
_IMAGE_SHAPE = (64, 64)
_PREPARED_LABELS = (  # of tensorflow_datasets, which leaves out the color
    "label_shape",
    "label_scale",
    "label_orientation",
    "label_x_position",
    "label_y_position",
)
_LARGEST_PICTURE = (350, 274)  # the library's; crops are taken from it


class _Sprites:
    """Base class of the variants, which differ in how an image is colored.

    Args:
      latent_factor_indices: The factors of `PUBLISHED_SIZES` that are observed; the
        others are random.

    Raises:
      UserError: If the file is damaged or not the dSprites file.
    """

    _channels = 3

    def __init__(self, latent_factor_indices: list[int]):
        self.images: np.ndarray | prepared.GridOrder
        path = Path(dsprites.DSPRITES_PATH)
        if unpacked.is_missing(path) and prepared.is_prepared("dsprites"):
            self.images, sizes = _prepared_images()
        else:
            self.images, sizes = open_images(path)
        self.factor_sizes = np.array(sizes)
        self.factor_bases = np.prod(self.factor_sizes) / np.cumprod(self.factor_sizes)
        self.full_factor_sizes = self.factor_sizes.tolist()
        self.latent_factor_indices = latent_factor_indices
        self.data_shape = [*_IMAGE_SHAPE, self._channels]
        self.state_space = util.SplitDiscreteStateSpace(
            self.factor_sizes, latent_factor_indices
        )

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from."""
        return [dsprites.DSPRITES_PATH]


class DSprites(_Sprites, dsprites.DSprites):
    """White sprites on black."""

    _channels = 1


class ColorDSprites(_Sprites, dsprites.ColorDSprites):
    """Sprites of random colors on black."""


class NoisyDSprites(_Sprites, dsprites.NoisyDSprites):
    """White sprites on noise."""


class AbstractDSprites(_Sprites, dsprites.AbstractDSprites):
    """Sprites of 6 colors on 5, which are factors too; for abstract reasoning."""


class ScreamDSprites(_Sprites, dsprites.ScreamDSprites):
    """Sprites on random crops of a picture, whose colors they invert."""

    def __init__(self, latent_factor_indices: list[int]):
        self.scream = read_picture(dsprites.SCREAM_PATH)
        super().__init__(latent_factor_indices)

    @classmethod
    def files(cls) -> list[str]:
        return [*super().files(), dsprites.SCREAM_PATH]


def open_images(path: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    """Opens a file of sprites: its images, uint8 `[N, 64, 64]`, and factor sizes.

    Raises:
      UserError: If the file is missing, damaged or not the dSprites file.
    """
    images = npz.open_array(path, "imgs")
    return images, _sizes_of(images, path)


def _prepared_images() -> tuple[prepared.GridOrder, tuple[int, ...]]:
    """Those of tensorflow_datasets, 0 or 1, and the factors' sizes."""
    found = prepared.open_prepared(
        "dsprites", _PREPARED_LABELS, lambda image: (image[..., 0] > 0).astype(np.uint8)
    )
    in_order = prepared.GridOrder(found, "dsprites")
    return in_order, (1, *in_order.sizes)


def _sizes_of(images: np.ndarray, path: Path) -> tuple[int, ...]:
    """The published sizes, or those that a file cut down for tests says it has."""
    published = math.prod(PUBLISHED_SIZES)
    if images.dtype == np.uint8 and images.shape[1:] == _IMAGE_SHAPE:
        if len(images) == published:
            return PUBLISHED_SIZES
        sizes = _stated_sizes(path)
        if len(sizes) == len(PUBLISHED_SIZES) and len(images) == math.prod(sizes):
            return sizes
    raise UserError(
        f"The file {path} is not the dSprites file: its array 'imgs' should hold "
        f"[{published}, 64, 64] uint8, but holds {list(images.shape)} {images.dtype}: "
        "download it again."
    )


def _stated_sizes(path: Path) -> tuple[int, ...]:
    try:
        metadata = npz.read_plain_object(path, "metadata")
        return tuple(int(size) for size in metadata["latents_sizes"])
    except (KeyError, IndexError, TypeError, ValueError):
        return ()


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """Reads the picture that crops are taken from: `[H, W, 3]` in [0, 1].

    Raises:
      UserError: If it can't be read, or is too small for crops of 64 x 64 pixels.
    """
    try:
        with PIL.Image.open(path) as image:
            image.thumbnail(_LARGEST_PICTURE)
            picture = np.asarray(image.convert("RGB")) / 255.0
    except (
        OSError,
        SyntaxError,
        ValueError,
        PIL.Image.DecompressionBombError,
    ) as error:
        raise UserError(
            f"The picture {path} could not be read ({error}): download it again."
        ) from error
    if min(picture.shape[:2]) <= _IMAGE_SHAPE[0]:
        raise UserError(
            f"The picture {path} is too small or narrow: scaled to fit "
            f"{_LARGEST_PICTURE[0]} x {_LARGEST_PICTURE[1]} pixels, it must be more "
            f"than 64 pixels high and wide, but is {picture.shape[1]} x "
            f"{picture.shape[0]}: download it again."
        )
    return picture
