"""Arrays that are unpacked from files once, kept on disk and mapped into memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mvhg_tf.runs.errors import UserError


def digest_of(contents: object) -> bytes:
    """A digest of contents, by their `repr`."""
    return hashlib.sha256(repr(contents).encode()).digest()


def cache_path(source: Path, suffix: str) -> Path:
    """The path for data unpacked from a file or folder, if not next to it.

    It is in `$XDG_CACHE_HOME/mvhg_tf` (`~/.cache/mvhg_tf`).
    """
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    digest = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:16]
    return Path(root, "mvhg_tf", f"{source.stem}-{digest}{suffix}")


def is_missing(source: Path) -> bool:
    """Whether neither a file is there nor the array that was unpacked from it."""
    return not (source.exists() or source.with_suffix(".npy").exists())


def open_unpacked(
    candidates: Sequence[Path],
    target: Path,
    digest: bytes | None,
    source: Path,
    unpack: Callable[[BinaryIO], None],
) -> np.ndarray:
    """Maps an unpacked array into memory, read-only; unpacks it if necessary.

    It is unpacked under a temporary name, by one process while others wait. After the
    array, the file holds the digest of its source.

    Args:
      candidates: `.npy` files that may hold the array.
      target: the one of them to write if none does.
      digest: of the source's current contents; None if the source is gone, and any
        array of that name is accepted.
      source: the file or folder, for messages.
      unpack: writes the `.npy` file's bytes.

    Raises:
      UserError: if the source is gone and nothing was unpacked from it, or there is no
        place for the unpacked array.
    """
    for path in candidates:
        if _is_current(path, digest):
            return _map(path)
    if digest is None:
        raise UserError(f"The file {source} does not exist.")
    try:
        with _only_writer(target) as part:
            if not _is_current(target, digest):  # else another process has made it
                unpack(part)
                part.write(digest)
                part.flush()
                os.fsync(part.fileno())
                os.replace(part.name, target)
    except OSError as error:
        raise UserError(
            f"Unpacking {source} to {target} failed ({error}): make the first readable "
            "and the second writable."
        ) from error
    return _map(target)


def check_room(source: Path, part: BinaryIO, size: int) -> None:
    """Raises a UserError if there is no room for so many bytes."""
    folder = Path(part.name).parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"Unpacking {source} to {folder} takes {size / 1e9:.1f} GB, but "
            f"{free / 1e9:.1f} GB are free there: free some space."
        )


def _is_current(path: Path, digest: bytes | None) -> bool:
    """Whether a file was unpacked from contents with that digest; None: any digest."""
    if digest is None or not path.exists():
        return path.exists()
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - len(digest)))
        return file.read() == digest


def _map(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damage makes NumPy raise every kind
        raise UserError(
            f"The file {path} is damaged ({error}): delete it, and it will be unpacked "
            "again."
        ) from error


@contextlib.contextmanager
def _only_writer(target: Path) -> Iterator[BinaryIO]:
    """Yields the part file of `target`, empty, to one process at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(target.name + ".part")
    while True:
        part = open(path, "ab")  # noqa: SIM115
        fcntl.flock(part, fcntl.LOCK_EX)
        # The process that held the lock may have renamed or deleted the file.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(part.fileno()), path.stat()):
                break
        part.close()
    with part:
        try:
            part.truncate(0)
            yield part
        finally:
            path.unlink(missing_ok=True)
