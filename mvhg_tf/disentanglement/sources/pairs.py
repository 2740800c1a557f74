"""Weakly supervised pairs: two images that share some of their factors.

The library draws one pair at a time in Python. Here a batch is drawn at once.
"""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.sources.images import Source, uniform_values
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import Limit

_ALLOWED_K = "an integer from 0 {}, or -1 to draw it for each pair"


class FactorPairs(NamedTuple):
    """Factors of B pairs of images, F factors an image, all int32.

    Attributes:
      factors_1: `[B, F]`.
      factors_2: `[B, F]`.
      k: `[B]`, how many factors differ within the pair.
      labels: `[B]`, the index of one factor that was redrawn (-1 if none was): what
        LabelVAE is told.
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


@gin_config.configurable("dynamics")
@dataclasses.dataclass(frozen=True)
class Dynamics:
    """Which factors differ in a pair, as gin's `dynamics` says.

    The first image's factors are uniform. Then some factors are redrawn:

    - mode "exact" (the paper's setting): exactly k factors, chosen uniformly among
      those with more than one value, each getting another value.
    - mode "dlib" (the library's): 1 or k factors with equal probability, each
      redrawn uniformly, so that it may keep its value.

    Attributes:
      k: how many factors differ: 0 to F; -1 draws it for each pair uniformly from 1
        to F - 1, as the library does. F counts the factors with several values.
      mode: "exact" or "dlib".

    Raises:
      UserError: if `k` or `mode` is none of those.
    """

    k: Annotated[int, Limit(_ALLOWED_K.format("on"), lambda k: k >= -1)] = gin.REQUIRED
    mode: Literal["exact", "dlib"] = "exact"

    def check_factors(self, factors_num_values: Sequence[int]) -> None:
        """Raises a UserError if so many factors of a data set can't differ."""
        num_varying = int(np.sum(np.asarray(factors_num_values) > 1))
        if self.k > num_varying:
            raise UserError(
                f"dynamics.k is {self.k}, but must be "
                f"{_ALLOWED_K.format(f'to {num_varying}')}: {num_varying} factors of "
                "this data set have several values."
            )


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
    num_redrawn = _num_redrawn(seeds[2:4], num, sizes, dynamics)
    redrawn = rank < num_redrawn[:, None]
    if dynamics.mode == "exact":
        step = 1 + uniform_values(seeds[4], num, np.maximum(sizes - 1, 1))
        values = (first + step) % sizes
    else:
        values = uniform_values(seeds[4], num, sizes)
    second = tf.where(redrawn, values, first)
    last = tf.argmax(tf.equal(rank, num_redrawn[:, None] - 1), -1, tf.int32)
    return FactorPairs(
        factors_1=first,
        factors_2=second,
        k=tf.reduce_sum(tf.cast(first != second, tf.int32), axis=-1),
        labels=tf.where(num_redrawn > 0, last, -1),
    )


def dynamics_of(ground_truth_data) -> Dynamics | None:
    """As gin says for a data set; None where its pairs are given."""
    return None if isinstance(ground_truth_data, ListedPairs) else Dynamics()


def sample_pairs(
    ground_truth_data, num: int, random_state, dynamics: Dynamics | None
) -> ImagePairs:
    """Draws `num` pairs of images and their truth.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      num: B, the number of pairs.
      random_state: `np.random.RandomState`; the draw depends on it alone.
      dynamics: which factors differ; `ListedPairs` don't look at it.

    Raises:
      UserError: if so many factors can't differ, or no factors are known.
    """
    if isinstance(ground_truth_data, ImageTable):
        return _pairs_of_table(ground_truth_data, num, random_state, dynamics)
    seed = tf.constant(random_state.randint(2**31, size=2), tf.int32)
    pairs = sample_factor_pairs(
        ground_truth_data.factors_num_values, num, seed, dynamics
    )
    first, second = pairs.factors_1.numpy(), pairs.factors_2.numpy()
    observe = ground_truth_data.sample_observations_from_factors
    return ImagePairs(
        images_1=np.asarray(observe(first, random_state), np.float32),
        images_2=np.asarray(observe(second, random_state), np.float32),
        factors_1=first,
        factors_2=second,
        shared=first == second,
        k=pairs.k.numpy(),
        labels=pairs.labels.numpy(),
    )


def _pairs_of_table(
    table: ImageTable,
    num: int,
    random_state: np.random.RandomState,
    dynamics: Dynamics | None,
) -> ImagePairs:
    table.check_factors_known()
    rows = table.draw_pairs(num, dynamics, random_state)
    images = table.observations_of_rows(rows.T.ravel())
    first, second = (table.factors[view].astype(np.int32) for view in rows.T)
    differs = first != second
    noise = np.where(differs, random_state.uniform(size=differs.shape), -1.0)
    return ImagePairs(
        images_1=images[:num],
        images_2=images[num:],
        factors_1=first,
        factors_2=second,
        shared=~differs,
        k=np.sum(differs, axis=-1, dtype=np.int32),
        labels=np.where(differs.any(axis=-1), np.argmax(noise, axis=-1), -1).astype(
            np.int32
        ),
    )


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
        self, ground_truth_data, batch_size: int, seed: int, dynamics: Dynamics
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


def _num_redrawn(
    seeds: tf.Tensor, num: int, sizes: np.ndarray, dynamics: Dynamics
) -> tf.Tensor:
    """How many factors of each pair are redrawn, int32 `[num]`."""
    num_varying = int(np.sum(sizes > 1))
    if dynamics.k == -1:
        upper = np.array([max(num_varying - 1, 1)], np.int32)
        count = 1 + uniform_values(seeds[0], num, upper)[:, 0]
    else:
        count = tf.fill([num], dynamics.k)
    if dynamics.mode == "dlib":
        coin = tf.random.stateless_uniform([num], seeds[1]) < 0.5
        count = tf.where(coin, tf.minimum(count, 1), count)
    return count
