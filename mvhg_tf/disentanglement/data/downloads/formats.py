"""Converts downloads to the files that the loaders read, and checks them."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import h5py
import numpy as np
from tqdm import tqdm

from mvhg_tf.disentanglement.data import cars3d, dsprites, mpi3d, shapes3d, smallnorb
from mvhg_tf.disentanglement.data.downloads.catalogue import PublishedDataSet
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import written_whole

from disentanglement_lib.data.ground_truth import norb  # isort: skip
from disentanglement_lib.data.ground_truth import (  # isort: skip
    shapes3d as library_shapes3d,
)

_CHUNK_BYTES = 1 << 24
_CARS = PurePosixPath("data/cars")  # the folder of the archive that is wanted
_IMAGES_AT_A_TIME = 1000  # where an array says nothing of its chunks


def unpack(data_set: PublishedDataSet, folder: Path) -> None:
    """Unpacks the archives of a data set to files next to them.

    Args:
      data_set: The data set.
      folder: Where its files have been downloaded to.

    Raises:
      UserError: If an archive is damaged, or would write outside of the folder.
      OSError: If a file can't be written.
    """
    for file in data_set.files:
        if file.is_archive:
            with _damage_explained(folder / file.saved_as):
                _UNPACKERS[data_set.name](folder / file.saved_as)


def check(data_set: PublishedDataSet, folder: Path) -> None:
    """Checks the files of a data set with their loader; converts mapped arrays.

    Args:
      data_set: The data set.
      folder: Where its files are.

    Raises:
      UserError: If they are damaged or of another shape.
      OSError: If a file is missing or can't be read.
    """
    _CHECKS[data_set.name](data_set, folder)


def _unpack_gzip(archive: Path) -> None:
    with (
        _reading(archive) as source,
        gzip.open(source) as unpacked,
        _new_file(archive.with_suffix("")) as target,
    ):
        shutil.copyfileobj(unpacked, target, _CHUNK_BYTES)


def _unpack_cars(archive: Path) -> None:
    """Extracts the cars from the archive, whatever their folder there."""
    with _reading(archive) as source, tarfile.open(fileobj=source, mode="r|gz") as tar:
        for member in tar:
            _check_stays_inside(archive, member)
            path = PurePosixPath(member.name)
            if path.parent == _CARS and path.suffix == ".mat" and member.isfile():
                car = tar.extractfile(member)
                assert car is not None  # it is a file
                with _new_file(archive.with_name(path.name)) as target:
                    shutil.copyfileobj(car, target, _CHUNK_BYTES)


def _check_stays_inside(archive: Path, member: tarfile.TarInfo) -> None:
    try:
        if PurePosixPath(member.name).is_absolute():
            raise tarfile.AbsolutePathError(member)
        tarfile.data_filter(member, str(archive.parent))
    except tarfile.FilterError as error:
        raise UserError(
            f"The archive {archive.name} holds {member.name!r}, which lies outside the "
            f"folder that it is unpacked to ({error}): download it from its publisher."
        ) from error


def _unpack_shapes3d(archive: Path) -> None:
    """Writes the images as the file that is mapped to memory (see `npz`)."""
    target_name = Path(library_shapes3d.SHAPES3D_PATH).with_suffix(".npy").name
    with h5py.File(archive, "r") as file:
        images = file["images"]
        rows = images.chunks[0] if images.chunks else _IMAGES_AT_A_TIME
        header = {
            "descr": np.lib.format.dtype_to_descr(images.dtype),
            "fortran_order": False,
            "shape": images.shape,
        }
        with _new_file(archive.with_name(target_name)) as target:
            np.lib.format.write_array_header_1_0(target, header)
            starts = range(0, len(images), rows)
            for start in tqdm(starts, f"Unpacking {archive.name}", leave=False):
                target.write(images[start : start + rows])


_UNPACKERS: dict[str, Callable[[Path], None]] = {
    "smallnorb": _unpack_gzip,
    "cars3d": _unpack_cars,
    "shapes3d": _unpack_shapes3d,
}


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[BinaryIO]:
    """Opens an archive; a bar shows how much of it has been read."""
    with (
        open(archive, "rb") as file,
        tqdm.wrapattr(
            file,
            "read",
            total=archive.stat().st_size,
            desc=f"Unpacking {archive.name}",
            leave=False,
        ) as source,
    ):
        yield source


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to be written, which has its name once it is whole."""
    with written_whole(str(path)) as part, open(part, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _damage_explained(archive: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # damage makes the libraries raise every kind
        # Theirs, of damage, have no number, unlike the system's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"The archive {archive.name} is damaged ({error}): download it again."
        ) from error


def _check_dsprites(data_set: PublishedDataSet, folder: Path) -> None:
    dsprites.open_images(folder / data_set.files[0].saved_as)


def _check_scream(data_set: PublishedDataSet, folder: Path) -> None:
    dsprites.read_picture(folder / data_set.files[0].saved_as)


def _check_mpi3d(data_set: PublishedDataSet, folder: Path) -> None:
    mpi3d.MPI3D(data_set.name, folder.parent)


def _check_shapes3d(data_set: PublishedDataSet, folder: Path) -> None:
    shapes3d.open_images(folder / Path(library_shapes3d.SHAPES3D_PATH).name)


def _check_cars3d(data_set: PublishedDataSet, folder: Path) -> None:
    cars3d.find_cars(folder)


def _check_smallnorb(data_set: PublishedDataSet, folder: Path) -> None:
    smallnorb.check_files(str(folder / Path(norb.SMALLNORB_TEMPLATE).name))


_CHECKS: dict[str, Callable[[PublishedDataSet, Path], None]] = {
    "dsprites": _check_dsprites,
    "scream": _check_scream,
    "smallnorb": _check_smallnorb,
    "cars3d": _check_cars3d,
    "shapes3d": _check_shapes3d,
    **dict.fromkeys(mpi3d.NAMES, _check_mpi3d),
}
