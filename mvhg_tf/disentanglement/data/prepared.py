"""Data sets that tensorflow_datasets has prepared on this machine.

They are used if the library's own files are missing and the package is installed;
nothing is downloaded. The images are copied once, as they come, to
`$XDG_CACHE_HOME/mvhg_tf` (`~/.cache/mvhg_tf`), and mapped into memory.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mvhg_tf.disentanglement.data.unpacked import cache_path
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import written_whole

_PACKAGE = "tensorflow_datasets"
_SPLITS = {"smallnorb": ("train", "test")}  # of others all is in "train"
_BATCH_SIZE = 256


class Prepared(NamedTuple):
    """N images with L labels each, in any order.

    Attributes:
      images: uint8 `[N, ...]`, mapped into memory.
      labels: int64 `[N, L]`.
    """

    images: np.ndarray
    labels: np.ndarray


class GridOrder:
    """Images of a grid in its order, the last label varying fastest, `[N, ...]`.

    Args:
      prepared: one image for each combination of the labels.
      name: of the data set, for messages.

    Raises:
      UserError: If a combination is missing or there twice.
    """

    def __init__(self, prepared: Prepared, name: str):
        labels = prepared.labels
        self.sizes = tuple(int(size) for size in labels.max(axis=0) + 1)
        places = np.ravel_multi_index(tuple(labels.T), self.sizes)
        self._rows = np.argsort(places)
        if not np.array_equal(places[self._rows], np.arange(np.prod(self.sizes))):
            raise UserError(
                f"The data set {name} of {_PACKAGE} lacks a combination of its labels: "
                "prepare it again."
            )
        self._images = prepared.images
        self.shape, self.dtype = self._images.shape, self._images.dtype

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, places: Any) -> np.ndarray:
        return self._images[self._rows[places]]


def is_prepared(name: str) -> bool:
    """Whether the package is installed and has prepared a data set of its own name."""
    builder = _builder(name)
    return builder is not None and os.path.isdir(_folder(builder))


def open_prepared(
    name: str, labels: Sequence[str], convert: Callable[[np.ndarray], np.ndarray]
) -> Prepared:
    """Opens a data set that is prepared.

    Args:
      name: the package's name of it.
      labels: the names of the features that are wanted, integers.
      convert: from an image, uint8 `[H, W, C]`, to what is kept of it, uint8.
    """
    builder = _builder(name)
    source = Path(_folder(builder))
    images = cache_path(source, ".images.npy")
    codes = cache_path(source, ".labels.npy")
    if not (images.exists() and codes.exists()):
        images.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(str(images)) as part:
            found = _copy(_examples(builder, name), labels, convert, part, name)
            with written_whole(str(codes)) as labels_part:
                np.save(labels_part, found)
    return Prepared(np.load(images, mmap_mode="r"), np.load(codes))


def _builder(name: str) -> Any | None:
    """The package's builder of a data set, None without the package or the set."""
    try:
        package = importlib.import_module(_PACKAGE)
    except ImportError:
        return None
    try:
        return package.builder(name)
    except Exception:  # the package raises its own kinds where it lacks something
        return None


def _folder(builder: Any) -> str:
    return os.fspath(builder.data_dir)


def _examples(builder: Any, name: str) -> Iterator[dict[str, np.ndarray]]:
    for split in _SPLITS.get(name, ("train",)):
        batches = builder.as_dataset(split=split).batch(_BATCH_SIZE)
        yield from batches.as_numpy_iterator()


def _copy(
    batches: Iterator[dict[str, np.ndarray]],
    labels: Sequence[str],
    convert: Callable[[np.ndarray], np.ndarray],
    path: str,
    name: str,
) -> np.ndarray:
    """Writes the images as an npy file as they come; returns the labels `[N, L]`."""
    found, num, shape = [], 0, ()
    with (
        open(path, "wb") as file,
        tqdm(desc=f"Copying {name}, once", unit="image", leave=False) as progress,
    ):
        # The header's length is the same for any number of images.
        write_header = functools.partial(_write_header, file)
        for batch in batches:
            kept = np.stack([convert(image) for image in batch["image"]])
            if not num:
                shape = kept.shape[1:]
                write_header((0, *shape))
            file.write(np.ascontiguousarray(kept, np.uint8).tobytes())
            found.append(np.stack([batch[label] for label in labels], axis=1))
            num += len(kept)
            progress.update(len(kept))
        file.seek(0)
        write_header((num, *shape))
    return np.concatenate(found).astype(np.int64)


def _write_header(file: Any, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
