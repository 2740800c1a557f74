"""Pairs of the user's own, with or without known factors: `dataset.name = "pairs"`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import numpy as np

from mvhg_tf.disentanglement.data import npz, picture_folders
from mvhg_tf.disentanglement.data.image_table import (
    ImageTable,
    PairDynamics,
    check_factors,
    check_images,
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import Decay, PositiveInt

_HOLD_OUT_SEED = 0
_REMEDY = "store it again"


class ListedPairs(ImageTable):
    """P pairs of images; the number of factors that differ may be known.

    Attributes:
      pairs: int64 `[P, 2]`, the rows of both images.
      k: int64 `[P]`, how many factors differ, or None if that is not known.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        pairs: np.ndarray,
        held_out: np.ndarray,
        source: str,
        k: np.ndarray | None = None,
        factors: np.ndarray | None = None,
    ):
        """Initializes the pairs.

        Args:
          arrays: Images, see `ImageTable`.
          pairs: int64 `[P, 2]`, the rows of both images.
          held_out: bool `[P]`, which pairs are not trained on.
          source: Where they come from, for messages.
          k: int64 `[P]`, how many factors differ, if that is known.
          factors: Integers `[N, F]`, a row for each image, if they are known.
        """
        num_factors = 0 if factors is None else factors.shape[1]
        names = [f"factor {i}" for i in range(num_factors)]
        super().__init__(arrays, factors, names, source)
        self.pairs = pairs
        self.k = k
        self._held_out = held_out

    def split(self) -> tuple[ListedPairs, ListedPairs]:
        """The pairs for training, and the held-out pairs (all, if none are held out).

        Each part draws from the images of its own pairs.
        """
        if not self._held_out.any():
            return self, self
        return self._part(~self._held_out), self._part(self._held_out)

    def _part(self, chosen: np.ndarray) -> ListedPairs:
        part = copy.copy(self)
        part.pairs = self.pairs[chosen]
        part.k = None if self.k is None else self.k[chosen]
        part._held_out = np.zeros(len(part.pairs), bool)
        part.draw_from(np.unique(part.pairs))
        return part

    def draw_pairs(
        self,
        num: int,
        dynamics: PairDynamics | None,
        random_state: np.random.RandomState,
    ) -> np.ndarray:
        """Draws some of the pairs uniformly, whatever `dynamics` says."""
        del dynamics
        return self.pairs[random_state.randint(len(self.pairs), size=num)]


@gin_config.configurable("pairs")
def open_pairs(
    path: str = gin.REQUIRED, gap: PositiveInt | None = None, held_out: Decay = 0.1
) -> ListedPairs:
    """Opens the pairs that gin's `pairs.path` names.

    Args:
      path: One of
        - an npz file with `images_1` and `images_2`, `[P, H, W, C]`, uint8 (255 for 1)
          or float in [0, 1], with 1, 3 or 4 channels; and, if they are known, `k`,
          integers `[P]`, how many factors differ, or `factors_1` and `factors_2`,
          integers `[P, F]` from 0 on;
        - a folder with folders `a` and `b`, in which pictures of the same name are a
        pair; - a folder of frames, each of which is a pair with the one `gap` frames
        later.
      gap: In frames, at least 1; by default 1.
      held_out: The fraction, in [0, 1), of the pairs that are not for training, rounded
        up: the losses after training and the scores are of these. Of frames, the last
        ones are held out, and a pair that crosses the border belongs to neither part.
        Other pairs are held out at random, the same in every run.

    Raises:
      UserError: If the path is none of these, something in it can't be read or is of
        another kind, or a value is not allowed.
    """
    place = Path(path).expanduser()
    is_folder = place.is_dir()
    has_views = [is_folder and (place / name).is_dir() for name in ("a", "b")]
    if is_folder and not any(has_views):
        return _open_frames(place, 1 if gap is None else gap, held_out)
    if gap is not None:
        raise UserError(
            f"pairs.gap is {gap!r}, but {path} is not a folder of frames: leave "
            "pairs.gap out."
        )
    if all(has_views):
        return _open_views(place, held_out)
    if is_folder:
        raise UserError(
            f"{path} has only one of the folders a and b: add the other, with the "
            "second picture of each pair under the name of the first."
        )
    return _open_npz(place, held_out)


def _open_npz(path: Path, held_out: float) -> ListedPairs:
    unpacked = path.with_suffix(".images_1.npy")
    if not (path.exists() or unpacked.exists()):
        raise UserError(
            f"pairs.path is {str(path)!r}, but {path.absolute()} does not exist: bind "
            "it to your npz file or folder."
        )

    def open_array(name: str) -> np.ndarray:
        return npz.open_array(path, name, f".{name}.npy", _REMEDY)

    def open_known(name: str) -> np.ndarray | None:
        there = npz.has_array(path, name, f".{name}.npy", _REMEDY)
        return open_array(name) if there else None

    arrays = [open_array(name) for name in ("images_1", "images_2")]
    for name, array in zip(("images_1", "images_2"), arrays, strict=True):
        check_images(array, name, str(path))
    kinds = [(array.shape, array.dtype) for array in arrays]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"images_1 of {path} is {kinds[0][1]} {list(kinds[0][0])} and images_2 "
            f"{kinds[1][1]} {list(kinds[1][0])}, but both must have the same shape and "
            "type: store them like that."
        )
    num = len(arrays[0])
    factors = _known_factors(path, num, open_known)
    k = _known_k(path, num, open_known("k"), factors)
    rows = np.arange(num)
    return ListedPairs(
        arrays,
        np.stack([rows, rows + num], axis=1),
        _held_out_at_random(num, held_out, str(path)),
        str(path),
        k,
        factors,
    )


def _known_factors(
    path: Path, num: int, open_known: Callable[[str], np.ndarray | None]
) -> np.ndarray | None:
    """Those of both views, integers `[2 P, F]`, or None."""
    names = ("factors_1", "factors_2")
    known = {name: open_known(name) for name in names}
    views = {name: view for name, view in known.items() if view is not None}
    if not views:
        return None
    for name in names:
        if name not in views:
            raise UserError(
                f"{path} holds no {name}, but the factors of the other images: store "
                "both or neither."
            )
        check_factors(views[name], num, name, str(path))
    first, second = views.values()
    if first.shape != second.shape:
        raise UserError(
            f"factors_1 and factors_2 of {path} have the shapes {list(first.shape)} "
            f"and {list(second.shape)}, but must have the same shape: store them like "
            "that."
        )
    return np.concatenate([first, second])


def _known_k(
    path: Path, num: int, k: np.ndarray | None, factors: np.ndarray | None
) -> np.ndarray | None:
    """How many factors differ in each pair, int64 `[P]`, or None."""
    counted = None
    if factors is not None:
        counted = np.sum(factors[:num] != factors[num:], axis=1)
    if k is None:
        return counted
    if k.shape != (num,) or k.dtype.kind not in "iu" or np.any(k < 0):
        raise UserError(
            f"k of {path} is {k.dtype} {list(k.shape)}, but must be integers [{num}] "
            "of at least 0, one for each pair: store it like that."
        )
    if counted is not None and np.any(k != counted):
        pair = int(np.argmax(k != counted))
        raise UserError(
            f"k of {path} is {k[pair]} for pair {pair}, but {counted[pair]} of its "
            "factors differ: leave k out, or correct it."
        )
    return np.asarray(k, np.int64)


def _open_views(folder: Path, held_out: float) -> ListedPairs:
    found = [picture_folders.pictures_in(folder / name) for name in ("a", "b")]
    views = [{path.stem: path for path in paths} for paths in found]
    if list(map(len, views)) != list(map(len, found)):
        raise UserError(
            f"{folder} has pictures whose names differ only in the extension, such as "
            "1.png and 1.jpg: give each pair one name."
        )
    for (own, other), name in ((views, "b"), (views[::-1], "a")):
        missing = [stem for stem in own if stem not in other]
        if missing:
            raise UserError(
                f"{folder / name} lacks {len(missing)} of the other folder's pictures, "
                f"such as {missing[0]}: give both pictures of a pair the same name."
            )
    num = len(views[0])
    if not num:
        raise UserError(f"{folder} holds no pictures in a and b: put the pairs there.")
    paths = [view[stem] for view in views for stem in views[0]]
    rows = np.arange(num)
    return ListedPairs(
        [picture_folders.open_pictures(paths, folder)],
        np.stack([rows, rows + num], axis=1),
        _held_out_at_random(num, held_out, str(folder)),
        str(folder),
    )


def _open_frames(folder: Path, gap: int, held_out: float) -> ListedPairs:
    paths = picture_folders.pictures_in(folder)
    if not paths:
        raise UserError(
            f"{folder} holds neither pictures ({', '.join(picture_folders.SUFFIXES)}) "
            "nor folders a and b of them: bind pairs.path to one that does."
        )
    if not 1 <= gap < len(paths):
        raise UserError(
            f"pairs.gap is {gap!r}, but must be from 1 to {len(paths) - 1}, because "
            f"{folder} holds {len(paths)} frames: bind it to such a number."
        )
    images = picture_folders.open_pictures(paths, folder)
    first = np.arange(len(paths) - gap)
    border = len(paths) - math.ceil(held_out * len(paths))
    is_later = first >= border
    kept = (first + gap < border) | is_later
    if not (kept & ~is_later).any() or (held_out and not is_later.any()):
        raise UserError(
            f"pairs.held_out is {held_out!r}, which leaves one part without pairs of "
            f"the {len(paths)} frames of {folder}, {gap} apart: bind it to another "
            "fraction, or pairs.gap to a smaller number."
        )
    pairs = np.stack([first, first + gap], axis=1)
    return ListedPairs([images], pairs[kept], is_later[kept], str(folder))


def _held_out_at_random(num: int, held_out: float, source: str) -> np.ndarray:
    """bool `[num]`, the same in every run."""
    last = math.ceil(held_out * num)
    if last >= num:
        raise UserError(
            f"pairs.held_out is {held_out!r}, which leaves none of the {num} pairs of "
            f"{source} for training: bind it to 0, or add pairs."
        )
    order = np.random.RandomState(_HOLD_OUT_SEED).permutation(num)
    chosen = np.zeros(num, bool)
    chosen[order[num - last :]] = True
    return chosen
