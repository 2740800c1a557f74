"""smallnorb: the library's class, after its files have been checked."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import numpy as np
import PIL.Image

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import prepared
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import norb, util  # isort: skip


class _Part(NamedTuple):
    """A file of a chunk: the number that it begins with, and what it holds."""

    magic: int
    itemsize: int  # bytes
    row: tuple[int | None, ...]  # the shape of each example's; None is any size


_BYTES, _INTEGERS = (507333717, 1), (507333716, 4)
_PARTS = {
    "dat": _Part(*_BYTES, (2, None, None)),  # two pictures
    "cat": _Part(*_INTEGERS, ()),  # the category
    "info": _Part(*_INTEGERS, (4,)),  # instance, elevation, azimuth, lighting
}
_LARGEST_RANK = 4
_PREPARED_LABELS = (  # of tensorflow_datasets
    "label_category",
    "instance",
    "label_elevation",
    "label_azimuth",
    "label_lighting",
)


class SmallNORB(norb.SmallNORB):
    """smallnorb (LeCun et al. 2004), scaled to 64 x 64 pixels.

    Raises:
      UserError: If a file is damaged or not one of smallnorb.
    """

    def __init__(self) -> None:
        missing = not any(map(os.path.exists, self.files()))
        if missing and prepared.is_prepared("smallnorb"):
            self._open_prepared()
            return
        check_files(norb.SMALLNORB_TEMPLATE)
        try:
            super().__init__()
        except ValueError as error:
            raise UserError(
                f"The files of smallnorb don't fit each other ({error}): download "
                f"{', '.join(self.files())} again."
            ) from error

    def _open_prepared(self) -> None:
        """Sets what the library's class sets, from tensorflow_datasets."""
        found = prepared.open_prepared("smallnorb", _PREPARED_LABELS, _resized)
        self.images = found.images / np.float32(255)
        self.factor_sizes = [5, 10, 9, 18, 6]
        self.latent_factor_indices = [0, 2, 3, 4]  # the instance is random
        self.num_total_factors = len(self.factor_sizes)
        self.index = util.StateSpaceAtomIndex(self.factor_sizes, found.labels)
        self.state_space = util.SplitDiscreteStateSpace(
            self.factor_sizes, self.latent_factor_indices
        )

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from."""
        return [
            norb.SMALLNORB_TEMPLATE.format(chunk, part)
            for chunk in norb.SMALLNORB_CHUNKS
            for part in _PARTS
        ]


def check_files(template: str) -> None:
    """Checks that the files are complete and fit each other, by their headers.

    Args:
      template: The files' paths, with `{}` in place of the chunk and of the part.

    Raises:
      UserError: If they don't.
      OSError: If a file can't be read.
    """
    for chunk in norb.SMALLNORB_CHUNKS:
        shapes = {
            part: _shape_of(template.format(chunk, part), kind)
            for part, kind in _PARTS.items()
        }
        if len({shape[0] for shape in shapes.values()}) != 1:
            lengths = ", ".join(f"{p}: {s[0]}" for p, s in shapes.items())
            raise UserError(
                f"The files {template.format(chunk, '*')} hold different numbers of "
                f"examples ({lengths}): download them again."
            )


def _shape_of(path: str, kind: _Part) -> tuple[int, ...]:
    """The shape in the header of a file, if the file has that length."""
    shape, header_size = _read_header(path, kind.magic)
    expected = header_size + kind.itemsize * math.prod(shape)
    if os.path.getsize(path) != expected:
        raise UserError(
            f"The file {path} is truncated or too long: it should have {expected} "
            f"bytes, but has {os.path.getsize(path)}: download it again."
        )
    if len(shape) != 1 + len(kind.row) or any(
        size not in (None, actual)
        for size, actual in zip(kind.row, shape[1:], strict=True)
    ):
        wanted = ", ".join(str(size or "any") for size in (None, *kind.row))
        raise UserError(
            f"The file {path} is not one of smallnorb: it should hold [{wanted}] "
            f"numbers, but holds {list(shape)}: download it again."
        )
    return shape


def _read_header(path: str, magic: int) -> tuple[tuple[int, ...], int]:
    """The shape in a file's header, and the header's length in bytes."""
    with open(path, "rb") as file:
        content = file.read(4 * (2 + _LARGEST_RANK))
    words = np.frombuffer(content, "<i4", len(content) // 4).tolist()
    first, rank, *sizes = words if len(words) > 2 else (0, 0)
    if first != magic or not 0 < rank <= len(sizes):
        raise UserError(
            f"The file {path} is damaged or not one of smallnorb (its first bytes are "
            "not those of such a matrix): download it again, and unpack it."
        )
    # With fewer than three dimensions there are still three numbers.
    return tuple(sizes[:rank]), 4 * (2 + max(3, rank))


def _resized(image: np.ndarray) -> np.ndarray:
    """An image uint8 `[96, 96, 1]` as `[64, 64]`, as the library does it."""
    grey = PIL.Image.fromarray(image[..., 0], mode="L")
    return np.asarray(grey.resize((64, 64), PIL.Image.Resampling.LANCZOS))
