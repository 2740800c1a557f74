"""Data to cluster, in a training and a test part.

Labels, if there are any, are used for the split and the scores; a model never sees
them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import gin
import numpy as np
from sklearn.model_selection import train_test_split

from mvhg_tf.clustering import files, scaling
from mvhg_tf.clustering.checks import check_choice
from mvhg_tf.clustering.scaling import Scaling
from mvhg_tf.runs.errors import UserError

# The share of its samples that each class in the first half of the classes keeps
# (section 5.3 of the paper).
VERSIONS = {"uniform": 1.0, "subsampled_80": 0.8, "subsampled_60": 0.6}
NAMES = ("digits", "mnist", "fashion_mnist")
PARTS = ("all", "test")
TEST_SHARE = 0.2  # if the data come without a test part


# Samples, and labels where there are any.
_Pair: TypeAlias = tuple[np.ndarray, np.ndarray | None]


class Part(NamedTuple):
    """Samples and their classes.

    Attributes:
      x: float32 `[N, D]`.
      labels: int64 `[N]`, from 0 to the number of classes - 1; None where there are
        none.
      rows: int64 `[N]`, the place of each sample in the source's array, from 0.
    """

    x: np.ndarray
    labels: np.ndarray | None
    rows: np.ndarray

    def take(self, indices: np.ndarray) -> Part:
        labels = None if self.labels is None else self.labels[indices]
        return Part(self.x[indices], labels, self.rows[indices])


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run trains on and is scored on.

    Attributes:
      train: its training part.
      test: its test part.
      classes: the classes' names; empty if there are no labels.
      sample_shape: of a sample before it was flattened to D features.
      scaling: the scaling applied to x of both parts, fitted to the training part.
    """

    train: Part
    test: Part
    classes: tuple[str, ...]
    sample_shape: tuple[int, ...]
    scaling: Scaling

    @property
    def is_table(self) -> bool:
        """Whether samples are rows of numbers, rather than intensities."""
        return self.scaling.is_table


@gin.configurable("data", denylist=["seed"])
def load(
    source: str = "digits",
    version: str = "uniform",
    part: str = "all",
    seed: int = 0,
) -> Data:
    """Loads data, subsamples half of the classes, and splits what is left.

    Args:
      source: "digits" (8x8, scikit-learn's own), "mnist" or "fashion_mnist" (Keras
        downloads them once), or a path: of an npz file with x `[N, ...]` and optionally
        labels y `[N]`, or with x_train, x_test and optionally y_train and y_test, or of
        a folder with MNIST's idx files, gzipped or not; those of its test part are
        enough. `scaling.fit` says how numbers are scaled.
      version: "uniform", as it is; "subsampled_80" or "subsampled_60": each class of
        the first half keeps that percentage of its samples.
      part: "all", or "test" for only the test part of a source that has one.
      seed: of the samples that are kept, the split and the order.

    Returns:
      The data in their own parts, or else with a fifth of each class for the test.

    Raises:
      UserError: if the source can't be read, holds anything but finite numbers, labels
        only some of its samples, has too few samples of a class, or has no labels
        although the version needs them.
    """
    check_choice("data.version", version, VERSIONS)
    check_choice("data.part", part, PARTS)
    source = os.path.expanduser(source)
    parts = _read(source)
    if part == "test":
        parts = parts[-1:]
    classes = _classes(source, version, parts)
    random = np.random.default_rng(seed)
    sample_shape = parts[0][0].shape[1:]
    rows = [
        Part(
            _as_rows(source, x),
            None if labels is None else np.searchsorted(classes, labels),
            np.arange(len(x)),
        )
        for x, labels in parts
    ]
    if len(classes):
        share = VERSIONS[version]
        rows = [
            _subsample(part, part.labels, share, len(classes), random)
            for part in rows
            if part.labels is not None
        ]
    train, test = rows if len(rows) == 2 else _split(source, rows[0], seed)
    train = train.take(random.permutation(len(train.x)))
    found = scaling.fit(train.x, is_image=len(sample_shape) > 1)
    train, test = (part._replace(x=found.apply(part.x)) for part in (train, test))
    return Data(train, test, tuple(map(str, classes)), sample_shape, found)


def _classes(source: str, version: str, parts: Sequence[_Pair]) -> np.ndarray:
    """The labels that occur, in order; none if there are no labels."""
    labels = [labels for _, labels in parts if labels is not None]
    if labels:
        classes = np.unique(np.concatenate(labels))
        if len(classes) < 2:
            raise UserError(
                f"{source} holds only one class: give data with at least two classes, "
                "or without labels."
            )
        return classes
    if version != "uniform":
        raise UserError(
            f"data.version is {version!r}, but {source} has no labels to subsample by: "
            'give labels y, or data.version = "uniform".'
        )
    return np.array([])


def _read(source: str) -> list[_Pair]:
    """Samples and labels: of the training and the test part, or of both in one."""
    if source == "digits":
        return [_digits()]
    if source in NAMES:
        return _downloaded(source)
    if os.path.isdir(source):
        parts = _idx_folder(source)
    elif os.path.exists(source):
        parts = _npz(source)
    else:
        raise UserError(
            f"There is no data set, file or folder {source!r}: give "
            f"{', '.join(NAMES)}, or the path of an npz file or of a folder with idx "
            "files."
        )
    for x, labels in parts:
        _check_pair(source, x, labels)
    if len({x.shape[1:] for x, _ in parts}) > 1:
        raise UserError(
            f"{source} has samples of shape {parts[0][0].shape[1:]} for training and "
            f"{parts[1][0].shape[1:]} for the test, but the shapes must be equal: give "
            "parts of one data set."
        )
    return parts


def _digits() -> _Pair:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images / 16.0).astype(np.float32), digits.target


def _downloaded(name: str) -> list[_Pair]:
    import keras

    try:
        return list(getattr(keras.datasets, name).load_data())
    except Exception as error:  # of urllib, of the file system, or a plain Exception
        raise UserError(
            f"{name} can't be downloaded ({str(error).partition(chr(10))[0]}): give "
            "a folder with its idx files instead, as --data=PATH."
        ) from error


def _idx_folder(folder: str) -> list[_Pair]:
    parts: list[_Pair] = []
    for part in ("train", "t10k"):
        images = _idx_path(folder, part, "images-idx3")
        labels = _idx_path(folder, part, "labels-idx1")
        if images and labels:
            parts.append((files.read_idx(images), files.read_idx(labels)))
    if not parts:
        raise UserError(
            f"{folder} holds no t10k-images-idx3-ubyte with t10k-labels-idx1-ubyte "
            "(or .gz): give the folder of MNIST's idx files."
        )
    return parts


def _idx_path(folder: str, part: str, kind: str) -> str | None:
    for ending in ("", ".gz"):
        path = os.path.join(folder, f"{part}-{kind}-ubyte{ending}")
        if os.path.exists(path):
            return path
    return None


def _npz(path: str) -> list[_Pair]:
    layouts = ([("x", "y")], [("x_train", "y_train"), ("x_test", "y_test")])
    arrays = files.read_npz(
        path, [name for layout in layouts for pair in layout for name in pair]
    )
    for layout in layouts:
        labelled = [y in arrays for _, y in layout]
        if all(x in arrays for x, _ in layout) and len(set(labelled)) == 1:
            return [(arrays[x], arrays.get(y)) for x, y in layout]
    raise UserError(
        f"{path} holds neither x nor x_train and x_test, or labels only one part: save "
        "it with numpy.savez(path, x=...), and y=... if there are labels."
    )


def _check_pair(source: str, x: np.ndarray, labels: np.ndarray | None) -> None:
    if labels is None:
        labels = np.zeros(x.shape[:1], int)
    if x.ndim < 2 or labels.shape != x.shape[:1] or not x.size:
        raise UserError(
            f"{source} holds samples of the shape {list(x.shape)} and labels of "
            f"{list(labels.shape)}, but they must be [N, ...] and [N] with N > 0: give "
            "one label for each sample."
        )
    if labels.dtype.kind not in "biufSU" or x.dtype.kind not in "biuf":
        raise UserError(
            f"{source} holds samples of the type {x.dtype} and labels of "
            f"{labels.dtype}, but samples must be numbers, and labels numbers or "
            "strings: convert them."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise UserError(
            f"{source} holds labels that are NaN: give each sample a label."
        )


def _as_rows(source: str, x: np.ndarray) -> np.ndarray:
    """Samples as `[N, D]`, of their own type."""
    x = x.reshape(len(x), -1)
    if not np.isfinite(x).all():
        raise UserError(
            f"{source} holds {np.sum(~np.isfinite(x))} values that are NaN or "
            "infinite, but all must be finite: fill or drop them."
        )
    return x


def _subsample(
    part: Part,
    labels: np.ndarray,
    share: float,
    num_classes: int,
    random: np.random.Generator,
) -> Part:
    kept = []
    for label in range(num_classes):
        indices = np.flatnonzero(labels == label)
        if label < num_classes // 2:
            size = round(share * len(indices))
            indices = random.choice(indices, size, replace=False)
        kept.append(indices)
    return part.take(np.sort(np.concatenate(kept)))


def _split(source: str, part: Part, seed: int) -> tuple[Part, Part]:
    """Splits each class alike, where there are classes."""
    try:
        train, test = train_test_split(
            np.arange(len(part.x)),
            test_size=TEST_SHARE,
            stratify=part.labels,
            random_state=seed,
        )
    except ValueError as error:
        raise UserError(
            f"{source} has {len(part.x)} samples, or fewer than 2 of some class, which "
            "can't be split into a training and a test part: give more samples."
        ) from error
    return part.take(train), part.take(test)
