"""smallnorb: the library's class, once its files are known to be whole."""

from __future__ import annotations

import math
import os

import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.errors import UserError

from disentanglement_lib.data.ground_truth import norb  # isort: skip

# By the number that a file begins with; numbers are little-endian.
_TYPES = {507333717: np.dtype(np.uint8), 507333716: np.dtype(np.int32)}
_LARGEST_RANK = 4
# What a chunk's files hold for each example: two pictures, a category, and instance,
# elevation, azimuth and lighting. None is any size.
_ROWS = {"dat": (2, None, None), "cat": (), "info": (4,)}


class SmallNORB(norb.SmallNORB):
    """smallnorb (LeCun et al. 2004), scaled to 64 x 64 pixels.

    Raises:
      UserError: If a file is damaged or not one of smallnorb.
    """

    def __init__(self) -> None:
        for chunk in norb.SMALLNORB_CHUNKS:
            shapes = {part: _shape_of(chunk, part) for part in _ROWS}
            if len({shape[0] for shape in shapes.values()}) != 1:
                lengths = ", ".join(f"{p}: {s[0]}" for p, s in shapes.items())
                raise UserError(
                    f"The files {norb.SMALLNORB_TEMPLATE.format(chunk, '*')} hold "
                    f"different numbers of examples ({lengths}); get them again."
                )
        try:
            super().__init__()
        except ValueError as error:
            raise UserError(
                f"The files of smallnorb don't fit each other ({error}); get "
                f"{', '.join(self.files())} again."
            ) from error

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from."""
        return [
            norb.SMALLNORB_TEMPLATE.format(chunk, part)
            for chunk in norb.SMALLNORB_CHUNKS
            for part in _ROWS
        ]


def _shape_of(chunk: str, part: str) -> tuple[int, ...]:
    """The shape that the header of a file tells, if the file is as long as that."""
    path = norb.SMALLNORB_TEMPLATE.format(chunk, part)
    magic, shape, header_size = _read_header(path)
    expected = header_size + _TYPES[magic].itemsize * math.prod(shape)
    if os.path.getsize(path) != expected:
        raise UserError(
            f"The file {path} is cut off or has been added to: it should have "
            f"{expected} bytes, but has {os.path.getsize(path)}; get it again."
        )
    rows = _ROWS[part]
    if len(shape) != 1 + len(rows) or any(
        size not in (None, actual) for size, actual in zip(rows, shape[1:], strict=True)
    ):
        wanted = ", ".join(str(size or "any") for size in (None, *rows))
        raise UserError(
            f"The file {path} is not one of smallnorb: it should hold [{wanted}] "
            f"numbers, but holds {list(shape)}; get it again."
        )
    return shape


def _read_header(path: str) -> tuple[int, tuple[int, ...], int]:
    """The number that tells the type, the shape, and how many bytes say so."""
    with open(path, "rb") as file:
        content = file.read(4 * (2 + _LARGEST_RANK))
    words = np.frombuffer(content, "<i4", len(content) // 4).tolist()
    magic, rank, *sizes = words if len(words) > 2 else (0, 0)
    if magic not in _TYPES or not 0 < rank <= len(sizes):
        raise UserError(
            f"The file {path} is damaged or not one of smallnorb (its first bytes are "
            "not those of a matrix); get it again, and unpack it."
        )
    # With fewer than three dimensions there are still three numbers.
    return magic, tuple(sizes[:rank]), 4 * (2 + max(3, rank))
