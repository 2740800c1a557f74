"""Gets a data set: downloads, unpacks and checks it, and then moves it into place.

All work happens in `<directory>/download.part/<folder>`, where an unfinished download
is kept for the next call. The folder that the loaders read appears complete, in one
step.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import shutil
import types
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from mvhg_tf.disentanglement.data.downloads import catalogue, transfer
from mvhg_tf.disentanglement.data.downloads.catalogue import (
    PublishedDataSet,
    PublishedFile,
    gigabytes,
)
from mvhg_tf.disentanglement.installation import data_folder
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError

STAGING = "download.part"


def get(
    name: str,
    directory: str | os.PathLike | None = None,
    base_url: str | None = None,
    overwrite: bool = False,
) -> tuple[Path, bool]:
    """Gets a data set, unless it is already there.

    Args:
      name: One of `catalogue.DATA_SETS`.
      directory: The folder of all data; by default where the loaders look.
      base_url: A mirror: the address of a folder that holds the published files. By
        default each file comes from its publisher.
      overwrite: Whether an existing data set is replaced, once the new one is complete.

    Returns:
      The data set's folder, and whether it was there already.

    Raises:
      UserError: If the download fails. What has arrived is kept for the next call,
        unless it is damaged; the folder itself is unchanged.
    """
    data_set = catalogue.find(name)
    prefix = None if base_url is None else _checked_prefix(base_url)
    directory = Path(data_folder() if directory is None else directory)
    folder = directory / data_set.folder
    if _holds_anything(folder) and not overwrite:
        _check_present(data_set, folder)
        return folder, True
    with _staging(directory, data_set) as staging:
        for file in data_set.files:
            url = file.url if prefix is None else prefix + file.name
            room_besides = _room_besides(data_set, file, staging)
            transfer.fetch(file, url, staging / file.saved_as, room_besides)
        _prepare(data_set, staging)
        _put_in_place(staging, folder)
    _delete_archives(data_set, folder)
    return folder, False


def _checked_prefix(base_url: str) -> str:
    """The address of a mirror's folder, with a slash at its end."""
    try:
        parts = urllib.parse.urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.netloc)
    except ValueError:
        is_address = False
    if not is_address:
        raise UserError(
            f"--base_url is {base_url!r}, but must be the address of a folder, such as "
            "https://example.org/data."
        )
    return base_url.rstrip("/") + "/"


def _holds_anything(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(
            f"{folder} can't be read ({error.strerror}): give another --directory."
        ) from error


def _check_present(data_set: PublishedDataSet, folder: Path) -> None:
    try:
        _formats().check(data_set, folder)
    except (UserError, OSError) as error:
        raise UserError(
            f"The folder {folder} exists, but {data_set.name} can't be read from it "
            f"({str(error).rstrip('.')}): use --overwrite to download it again, or "
            "give another --directory."
        ) from error


def _formats() -> types.ModuleType:
    """The module that needs TensorFlow, whose import takes seconds."""
    with quiet_imports():
        return importlib.import_module("mvhg_tf.disentanglement.data.downloads.formats")


@contextlib.contextmanager
def _staging(directory: Path, data_set: PublishedDataSet) -> Iterator[Path]:
    """The folder in which this process alone prepares the data set."""
    staging = directory / STAGING / data_set.folder
    try:
        staging.mkdir(parents=True, exist_ok=True)
        lock = os.open(staging, os.O_RDONLY)
    except OSError as error:
        raise UserError(
            f"The folder {staging} can't be created ({error.strerror}): give a "
            "--directory that you may write to."
        ) from error
    try:
        if not _is_alone(lock, staging):
            raise UserError(
                f"Another download of {data_set.name} to {directory} is running: wait "
                "for it to end, or give another --directory."
            )
        yield staging
    finally:
        os.close(lock)
        # What has arrived stays.
        with contextlib.suppress(OSError):
            staging.rmdir()
        with contextlib.suppress(OSError):
            staging.parent.rmdir()


def _is_alone(lock: int, staging: Path) -> bool:
    """Whether no other process is working there. A killed process releases its lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A process that has just finished has given the folder its name.
        return os.path.samestat(os.fstat(lock), os.stat(staging))
    except (BlockingIOError, FileNotFoundError):
        return False


def _room_besides(
    data_set: PublishedDataSet, file: PublishedFile, staging: Path
) -> int:
    """Bytes that the data set needs besides a file of it."""
    others = sum(
        other.num_bytes or 0
        for other in data_set.files
        if other is not file and not (staging / other.saved_as).exists()
    )
    return others + data_set.unpacked_bytes


def _prepare(data_set: PublishedDataSet, staging: Path) -> None:
    """Unpacks and checks; deletes what turns out to be unusable."""
    free = shutil.disk_usage(staging).free
    if free < data_set.unpacked_bytes:
        raise UserError(
            f"Unpacking {data_set.name} takes {gigabytes(data_set.unpacked_bytes)}, "
            f"but {gigabytes(free)} are free in {staging}: free some space and run "
            "this again, which continues from there."
        )
    try:
        _formats().unpack(data_set, staging)
        _formats().check(data_set, staging)
    except (UserError, OSError) as error:
        reason = str(error).rstrip(".")
        # A file that is damaged is an OSError too, but one without a number.
        if getattr(error.__cause__ or error, "errno", None) is not None:
            raise UserError(
                f"Unpacking {data_set.name} in {staging} failed ({reason}): free some "
                "space there or make it writable, and run this again, which continues "
                "from there."
            ) from error
        shutil.rmtree(staging)
        raise UserError(
            f"The download is not {data_set.name} as published, and was deleted "
            f"({reason}): run this again, or give another --base_url."
        ) from error


def _put_in_place(staging: Path, folder: Path) -> None:
    """Moves the data set's folder into place, replacing an earlier one."""
    replaced = staging.with_name(f"{folder.name}.replaced")
    try:
        _remove(replaced)  # of a run that was killed right here
        if _holds_anything(folder):
            os.rename(folder, replaced)
        os.rename(staging, folder)
        _remove(replaced)
    except OSError as error:
        raise UserError(
            f"{folder} can't be moved into place ({error.strerror}): make "
            f"{folder.parent} writable, and run this again."
        ) from error


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def _delete_archives(data_set: PublishedDataSet, folder: Path) -> None:
    for file in data_set.files:
        if file.is_archive:
            (folder / file.saved_as).unlink(missing_ok=True)
