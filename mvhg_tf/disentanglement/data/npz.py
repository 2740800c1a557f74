"""Opens an array of an npz file as a memory map, whatever its size.

NumPy can map `.npy` files, but reads members of an `.npz` file completely. So the array
is streamed once to a `.npy` file, and mapped from there.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from tqdm import tqdm

from mvhg_tf.disentanglement.data import unpacked
from mvhg_tf.runs.errors import UserError

_CHUNK_BYTES = 1 << 24
_GET_AGAIN = "download it again"
# What makes arrays and numbers.
_PLAIN = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
}


def open_array(
    npz_path: Path, member: str, suffix: str = ".npy", remedy: str = _GET_AGAIN
) -> np.ndarray:
    """Maps an array of an npz file into memory, read-only.

    The array is kept in a `.npy` file next to the npz file or, if that folder is not
    writable, in `$XDG_CACHE_HOME/mvhg_tf` (`~/.cache/mvhg_tf`). It is created at the
    first call, and again if the contents of the npz file change, whatever the times of
    the files (see `unpacked`). The npz file may be deleted afterwards.

    Args:
      npz_path: The npz file.
      member: The array's name in it.
      suffix: The ending of the `.npy` file's name, in place of `.npz`; arrays of one
        file need different endings.
      remedy: What to do about a file that can't be used.

    Returns:
      The array, backed by the file.

    Raises:
      UserError: If neither file exists, if the npz file is damaged or holds no such
        array or an array of Python objects, or if there is no writable place with
        enough space.
    """
    candidates = [
        npz_path.with_suffix(suffix),
        unpacked.cache_path(npz_path, suffix),
    ]
    return unpacked.open_unpacked(
        candidates,
        candidates[0 if os.access(npz_path.parent, os.W_OK) else 1],
        _digest(npz_path, member, remedy) if npz_path.exists() else None,
        npz_path,
        lambda part: _extract(npz_path, member, part, remedy),
    )


def has_array(npz_path: Path, member: str, suffix: str, remedy: str) -> bool:
    """Whether `open_array` with these arguments would find the array.

    Raises:
      UserError: If the npz file is damaged.
    """
    if not npz_path.exists():
        return npz_path.with_suffix(suffix).exists()
    with _damage_explained(npz_path, remedy), zipfile.ZipFile(npz_path) as archive:
        return f"{member}.npy" in archive.namelist()


def read_plain_object(npz_path: Path, member: str) -> Any:
    """Reads an object of plain values and arrays, without running the file's code.

    Args:
      npz_path: The npz file.
      member: The object's name in it.

    Raises:
      UserError: If the file is damaged, holds no such object, or an object of other
        parts.
    """
    with (
        _damage_explained(npz_path, _GET_AGAIN),
        zipfile.ZipFile(npz_path) as archive,
    ):
        _check_member(archive, npz_path, member, _GET_AGAIN)
        with archive.open(f"{member}.npy") as source:
            _read_header(source)
            return _PlainUnpickler(source, encoding="latin1").load()[()]


class _PlainUnpickler(pickle.Unpickler):
    """Calls only the functions that create NumPy's arrays and numbers."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"it would call {module}.{name}")
        return super().find_class(module, name)


def _digest(npz_path: Path, member: str, remedy: str) -> bytes:
    """A digest of the contents of an npz file, from its directory's checksums."""
    try:
        with _damage_explained(npz_path, remedy), zipfile.ZipFile(npz_path) as archive:
            members = [(e.filename, e.file_size, e.CRC) for e in archive.infolist()]
    except OSError as error:
        raise UserError(
            f"The file {npz_path} could not be read ({error}): make it readable."
        ) from error
    return unpacked.digest_of((member, sorted(members)))


def _extract(npz_path: Path, member: str, part: BinaryIO, remedy: str) -> None:
    """Copies the npy file of an array out of an npz file, and checks its sum."""
    with _damage_explained(npz_path, remedy), zipfile.ZipFile(npz_path) as archive:
        _check_member(archive, npz_path, member, remedy)
        with archive.open(f"{member}.npy") as source:
            if _read_header(source).hasobject:
                raise UserError(
                    f"The array {member!r} of {npz_path} holds Python objects, which "
                    f"are not read, because they can run arbitrary code: {remedy}."
                )
        size = archive.getinfo(f"{member}.npy").file_size
        unpacked.check_room(npz_path, part, size)
        with archive.open(f"{member}.npy") as source:
            _copy(source, part, size, f"Unpacking {npz_path.name}, once")


@contextlib.contextmanager
def _damage_explained(npz_path: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except (UserError, OSError):
        raise
    except Exception as error:  # damage makes the libraries raise every kind
        raise UserError(
            f"The file {npz_path} is damaged ({error}); {remedy}."
        ) from error


def _check_member(
    archive: zipfile.ZipFile, npz_path: Path, member: str, remedy: str
) -> None:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if member not in names:
        raise UserError(
            f"The file {npz_path} holds no array {member!r}, only {names}; {remedy}."
        )


def _read_header(source: IO[bytes]) -> np.dtype:
    """Reads up to the data of an npy file: their type."""
    version = np.lib.format.read_magic(source)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read_header(source)[2]


def _copy(source: IO[bytes], target: IO[bytes], size: int, description: str) -> None:
    with tqdm(
        total=size, desc=description, unit="B", unit_scale=True, leave=False
    ) as progress:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
            progress.update(len(chunk))
