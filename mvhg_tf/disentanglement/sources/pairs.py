"""Weakly supervised pairs: two images that share some of their factors.

The library draws one pair at a time in Python. Here a batch is drawn at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.sources.dynamics import Dynamics
from mvhg_tf.disentanglement.sources.grid_parts import GridPart
from mvhg_tf.disentanglement.sources.images import Source, uniform_values
from mvhg_tf.runs.errors import UserError

_MOST_DRAWS = 200  # of batches, of which in a usual grid a quarter lies in a part


class FactorPairs(NamedTuple):
    """Factors of B pairs of images, F factors an image, all int32.

    Attributes:
      factors_1: `[B, F]`.
      factors_2: `[B, F]`.
      k: `[B]`, how many factors differ within the pair.
      labels: `[B]`, the index of one factor that was redrawn (-1 if none was): what
        LabelVAE is given.
    """

    factors_1: tf.Tensor
    factors_2: tf.Tensor
    k: tf.Tensor
    labels: tf.Tensor


class ImagePairs(NamedTuple):
    """B pairs of images with their truth, as NumPy arrays.

    Attributes:
      images_1: float32 `[B, H, W, C]` in [0, 1].
      images_2: float32 `[B, H, W, C]` in [0, 1].
      factors_1: int32 `[B, F]`.
      factors_2: int32 `[B, F]`.
      shared: bool `[B, F]`, which factors have the same value in both.
      k: int32 `[B]`, how many factors differ.
      labels: int32 `[B]`, one factor that was redrawn, -1 if none was.
    """

    images_1: np.ndarray
    images_2: np.ndarray
    factors_1: np.ndarray
    factors_2: np.ndarray
    shared: np.ndarray
    k: np.ndarray
    labels: np.ndarray


def sample_factor_pairs(
    factors_num_values: Sequence[int], num: int, seed: tf.Tensor, dynamics: Dynamics
) -> FactorPairs:
    """Draws the factors of `num` pairs.

    Args:
      factors_num_values: number of values of each of the F factors.
      num: B, the number of pairs.
      seed: int32 `[2]`, a stateless seed.
      dynamics: which of them differ.

    Raises:
      UserError: if so many factors can't differ.
    """
    dynamics.check_factors(factors_num_values)
    sizes = np.asarray(factors_num_values, np.int32)
    seeds = tf.random.split(seed, 5)
    first = uniform_values(seeds[0], num, sizes)
    rank = _random_rank(seeds[1], num, sizes)
    redrawn = _redrawn(seeds[2:4], rank, sizes, dynamics)
    if dynamics.mode == "dlib":
        values = uniform_values(seeds[4], num, sizes)
    else:
        step = 1 + uniform_values(seeds[4], num, np.maximum(sizes - 1, 1))
        values = (first + step) % sizes
    second = tf.where(redrawn, values, first)
    last = tf.argmax(tf.where(redrawn, rank, -1), -1, tf.int32)
    return FactorPairs(
        factors_1=first,
        factors_2=second,
        k=tf.reduce_sum(tf.cast(first != second, tf.int32), axis=-1),
        labels=tf.where(tf.reduce_any(redrawn, axis=-1), last, -1),
    )


def dynamics_of(ground_truth_data: GroundTruthData) -> Dynamics | None:
    """As gin says for a data set; None where its pairs are given."""
    return None if isinstance(ground_truth_data, ListedPairs) else Dynamics()


def sample_pairs(
    ground_truth_data: GroundTruthData,
    num: int,
    random_state: np.random.RandomState,
    dynamics: Dynamics | None,
    part: GridPart | None = None,
) -> ImagePairs:
    """Draws `num` pairs of images and their truth.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      num: B, the number of pairs.
      random_state: `np.random.RandomState`; the draw depends on it alone.
      dynamics: which factors differ; `ListedPairs` ignore it.
      part: if given, both images of each pair are of this part of the grid.

    Raises:
      UserError: if so many factors can't differ, no factors are known, or no pair lies
        in the part.
    """
    is_table = isinstance(ground_truth_data, ImageTable)
    draw = _pairs_of_table if is_table else _pairs_of_grid
    sizes = ground_truth_data.factors_num_values
    kept: list[tuple[np.ndarray, ...]] = []
    num_kept = 0
    for _ in range(_MOST_DRAWS):
        drawn = draw(ground_truth_data, num, random_state, dynamics)
        if part is not None:
            inside = part.holds(drawn[0], sizes) & part.holds(drawn[1], sizes)
            drawn = tuple(x[inside] for x in drawn)
        kept.append(drawn)
        num_kept += len(drawn[0])
        if num_kept >= num:
            break
    if num_kept < num:
        raise UserError(
            "Hardly any pair of this data set lies within one half of its grid, so "
            "training and test images can't be kept apart: bind "
            "shared_independent_downstream.disjoint to False."
        )
    first, second, labels, *rows = (
        np.concatenate(x)[:num] for x in zip(*kept, strict=True)
    )
    images_1, images_2 = _images_of(
        ground_truth_data, (first, second), rows, random_state
    )
    return ImagePairs(
        images_1=images_1,
        images_2=images_2,
        factors_1=first,
        factors_2=second,
        shared=first == second,
        k=np.count_nonzero(first != second, axis=-1).astype(np.int32),
        labels=labels,
    )


def _pairs_of_grid(
    ground_truth_data: GroundTruthData,
    num: int,
    random_state: np.random.RandomState,
    dynamics: Dynamics | None,
) -> tuple[np.ndarray, ...]:
    """Both views' factors `[num, F]`, and the labels `[num]`."""
    assert dynamics is not None  # which listed pairs alone may do without
    seed = tf.constant(random_state.randint(2**31, size=2), tf.int32)
    sizes = ground_truth_data.factors_num_values
    pairs = sample_factor_pairs(sizes, num, seed, dynamics)
    return pairs.factors_1.numpy(), pairs.factors_2.numpy(), pairs.labels.numpy()


def _pairs_of_table(
    table: ImageTable,
    num: int,
    random_state: np.random.RandomState,
    dynamics: Dynamics | None,
) -> tuple[np.ndarray, ...]:
    """Both views' factors `[num, F]`, the labels `[num]` and both rows `[num]`."""
    factors = table.check_factors_known()
    rows = table.draw_pairs(num, dynamics, random_state)
    first, second = (factors[view].astype(np.int32) for view in rows.T)
    differs = first != second
    noise = np.where(differs, random_state.uniform(size=differs.shape), -1.0)
    labels = np.where(differs.any(axis=-1), np.argmax(noise, axis=-1), -1)
    return first, second, labels.astype(np.int32), *rows.T


def _images_of(
    data: GroundTruthData,
    factors: tuple[np.ndarray, np.ndarray],
    rows: Sequence[np.ndarray],
    random_state: np.random.RandomState,
) -> list[np.ndarray]:
    """The images of both views, `[num, H, W, C]` each; of a table, those of `rows`."""
    if rows:
        return np.split(data.observations_of_rows(np.concatenate(rows)), 2)
    observe = data.sample_observations_from_factors
    return [np.asarray(observe(view, random_state), np.float32) for view in factors]


class PairSource(Source):
    """Batches of pairs, see `Source`; its batch size counts pairs.

    Args:
      ground_truth_data: see `Source`.
      batch_size: B.
      seed: of the whole stream.
      dynamics: which factors differ.

    Raises:
      UserError: if so many factors can't differ.
    """

    def __init__(
        self,
        ground_truth_data: GroundTruthData,
        batch_size: int,
        seed: int,
        dynamics: Dynamics,
    ):
        super().__init__(ground_truth_data, batch_size, seed)
        dynamics.check_factors(ground_truth_data.factors_num_values)
        self._dynamics = dynamics

    def draw(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The batch of `step` (int scalar).

        Returns:
          `images_1` and `images_2`, uint8 or float32 `[B, H, W, C]`; `labels` and `k`,
          int32 `[B]`.
        """
        seed = self._seed_of(step)
        pairs = sample_factor_pairs(
            self._data.factors_num_values, self._batch_size, seed, self._dynamics
        )
        factors = tf.concat([pairs.factors_1, pairs.factors_2], axis=0)
        images_1, images_2 = tf.split(self._images_of(factors, seed), 2)
        return {
            "images_1": images_1,
            "images_2": images_2,
            "labels": pairs.labels,
            "k": pairs.k,
        }


def _random_rank(seed: tf.Tensor, num: int, sizes: np.ndarray) -> tf.Tensor:
    """Each pair's random order of its factors, int32 `[num, F]`.

    Factors with one value only come last: they can't differ.
    """
    uniform = tf.random.stateless_uniform([num, len(sizes)], seed)
    order = tf.argsort(tf.where(sizes > 1, uniform, 2.0), axis=-1)
    return tf.argsort(order, axis=-1)


def _redrawn(
    seeds: tf.Tensor, rank: tf.Tensor, sizes: np.ndarray, dynamics: Dynamics
) -> tf.Tensor:
    """Which factors of each pair are redrawn, bool `[num, F]`, by a random order."""
    num = rank.shape[0]
    if dynamics.mode == "fixed":
        sets = dynamics.fixed_sets(sizes)
        chosen = uniform_values(seeds[0], num, np.array([len(sets)], np.int32))
        return tf.gather(tf.constant(sets), chosen[:, 0])
    num_varying = int(np.sum(sizes > 1))
    if dynamics.k == -1:
        upper = np.array([max(num_varying - 1, 1)], np.int32)
        count = 1 + uniform_values(seeds[0], num, upper)[:, 0]
    else:
        count = tf.fill([num], dynamics.k)
    if dynamics.mode == "dlib":
        coin = tf.random.stateless_uniform([num], seeds[1]) < 0.5
        count = tf.where(coin, tf.minimum(count, 1), count)
    return rank < count[:, None]
