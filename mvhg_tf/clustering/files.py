"""Reads arrays from the files of data sets: idx, gzipped or not, and npz.

Nothing in a file is executed, and a header alone never makes memory be allocated.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from mvhg_tf.runs.errors import UserError

_MOST_UNPACKED = 1032  # bytes that deflate can make of one
_IDX_BYTES = 0x08  # the type code of unsigned bytes, the only one of MNIST's kin


def read_idx(path: str) -> np.ndarray:
    """The array of an idx file of unsigned bytes, unpacked if its name ends in .gz.

    Args:
      path: of a file as http://yann.lecun.com/exdb/mnist describes.

    Returns:
      uint8, of any rank.

    Raises:
      UserError: if there is no such file, or it is damaged or of another kind.
    """
    is_packed = path.endswith(".gz")
    try:
        most = os.path.getsize(path) * (_MOST_UNPACKED if is_packed else 1)
        with (gzip.open if is_packed else open)(path, "rb") as file:
            shape = _idx_shape(path, file, most)
            size = math.prod(shape)
            values = file.read(size)
            is_whole = len(values) == size and not file.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        _fail(path, "is damaged or truncated")
    except OSError as error:
        _fail(path, f"can't be read ({error.strerror or error})")
    if not is_whole:
        _fail(path, f"does not hold the {list(shape)} bytes that its header announces")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _idx_shape(
    path: str, file: gzip.GzipFile | io.BufferedReader, most: int
) -> tuple[int, ...]:
    """The shape in the header of an idx file that holds at most so many bytes."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _IDX_BYTES or not magic[3]:
        _fail(path, "is not an idx file of unsigned bytes")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        _fail(path, "is damaged or truncated")
    shape = struct.unpack(f">{magic[3]}I", header)
    _check_possible(path, math.prod(shape), most)
    return shape


def read_npz(path: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of an npz file.

    Args:
      path: of the file.
      names: of the arrays.

    Returns:
      Those of them that the file has.

    Raises:
      UserError: if there is no such file, it is damaged, or an array is of Python
        objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = {entry.filename: entry for entry in archive.infolist()}
            return {
                name: _read_member(path, archive, found[f"{name}.npy"])
                for name in names
                if f"{name}.npy" in found
            }
    except UserError:
        raise
    except OSError as error:
        _fail(path, f"can't be read ({error.strerror or error})")
    except Exception:  # damage makes the libraries raise every kind
        _fail(path, "is damaged or not an npz file")


def _read_member(
    path: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> np.ndarray:
    name = entry.filename.removesuffix(".npy")
    most = _MOST_UNPACKED * entry.compress_size
    _check_possible(path, entry.file_size, most)
    with archive.open(entry) as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(file)
        except (KeyError, ValueError):
            _fail(path, f"holds a {name!r} that is not an array")
    if dtype.hasobject:
        _fail(path, f"holds Python objects in {name!r}, which are not read")
    _check_possible(path, math.prod(shape) * dtype.itemsize, most)
    with archive.open(entry) as file:
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except ValueError:
            _fail(path, f"holds less of {name!r} than its header announces")


def _check_possible(path: str, size: int, most: int) -> None:
    if size > most:
        _fail(path, f"announces {size} bytes, but is too small to hold them")


def _fail(path: str, problem: str) -> NoReturn:
    raise UserError(f"{path} {problem}: give an intact file, such as --data=PATH.")
