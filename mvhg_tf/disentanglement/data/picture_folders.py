"""Folders of pictures as one array, which is decoded once and mapped into memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from tqdm import tqdm

from mvhg_tf.disentanglement.data import unpacked
from mvhg_tf.runs.errors import UserError

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# The channels that a picture of each of Pillow's modes has here.
_MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA", "LA": "RGBA"}
_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, numbers in their names in the order of numbers."""
    found = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def open_pictures(paths: Sequence[Path], folder: Path) -> np.ndarray:
    """Maps pictures of one size into memory: uint8 `[N, H, W, C]`.

    They are decoded once, to a file in `$XDG_CACHE_HOME/mvhg_tf` (`~/.cache/mvhg_tf`);
    nothing is written next to them. Grey pictures have one channel, colour pictures
    three, or four with transparency.

    Args:
      paths: of the pictures, at least one.
      folder: that they are in, at any depth.

    Raises:
      UserError: if a picture can't be read, or differs from the first in size or
        channels.
    """
    target = unpacked.cache_path(folder, ".pictures.npy")
    stats = [(str(path), path.stat()) for path in paths]
    contents = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    def unpack(part: BinaryIO) -> None:
        first = _decode(paths[0])
        shape = (len(paths), *first.shape)
        unpacked.check_room(folder, part, int(np.prod(shape)))
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(part, header)
        description = f"Unpacking {folder.name}, once"
        for path in tqdm(paths, desc=description, unit="picture", leave=False):
            picture = _decode(path)
            if picture.shape != first.shape:
                raise UserError(
                    f"{path} is {_told(picture)}, but {paths[0]} is {_told(first)}: "
                    "give pictures of one size and one kind."
                )
            part.write(picture.tobytes())

    digest = unpacked.digest_of(contents)
    return unpacked.open_unpacked([target], target, digest, folder, unpack)


def _decode(path: Path) -> np.ndarray:
    """uint8 `[H, W, C]`."""
    try:
        with PIL.Image.open(path) as image:
            mode = _MODES.get(image.mode)
            pixels = None if mode is None else np.asarray(image.convert(mode))
    except (
        OSError,
        SyntaxError,
        ValueError,
        PIL.Image.DecompressionBombError,
    ) as error:
        raise UserError(
            f"The picture {path} could not be read ({error}): replace it, or take it "
            "out of the folder."
        ) from error
    if mode is None or pixels is None:
        raise UserError(
            f"The picture {path} is of Pillow's mode {image.mode!r}, which is not one "
            f"of {', '.join(_MODES)}: convert it to 8 bits a channel."
        )
    return pixels.reshape(*pixels.shape[:2], _CHANNELS[mode])


def _told(picture: np.ndarray) -> str:
    height, width, channels = picture.shape
    return f"{width} x {height} with {channels} channels"
