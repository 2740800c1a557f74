"""Batches of pairs that are looked up by their rows, in a table or a list of pairs."""

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.sources.images import Source
from mvhg_tf.disentanglement.sources.pairs import (
    Dynamics,
    PairSource,
    dynamics_of,
)


class _RowPairSource(Source):
    """Base class: a subclass gives `_rows`, the pairs of a step, int64 `[B, 2]`."""

    _data: ImageTable

    def draw(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The batch of `step` (int scalar).

        Returns:
          `images_1` and `images_2`, uint8 or float32 `[B, H, W, C]`; `labels`, int32
          `[B]`, a factor that differs, -1 if none does or none is known; `k`, int32
          `[B]`, how many differ, -1 if that is not known.
        """
        seed = self._seed_of(step)
        rows, k = self._rows(step, seed)
        both = self._look_up(tf.reshape(tf.transpose(rows), [-1]))
        images_1, images_2 = tf.split(both, 2)
        labels = tf.fill([self._batch_size], -1)
        if self._data.factors is not None:
            labels, k = self._truth(rows, seed)
        return {"images_1": images_1, "images_2": images_2, "labels": labels, "k": k}

    def _rows(
        self, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The pairs of a step, int64 `[B, 2]`, and what is known of k, int32 `[B]`."""
        raise NotImplementedError

    def _truth(self, rows: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A factor that differs and how many do, int32 `[B]` each."""
        factors = tf.constant(np.asarray(self._data.factors, np.int32))
        first, second = tf.unstack(tf.gather(factors, rows), axis=1)
        differs = tf.not_equal(first, second)
        noise = tf.random.stateless_uniform(tf.shape(differs), seed)
        k = tf.reduce_sum(tf.cast(differs, tf.int32), axis=-1)
        chosen = tf.argmax(
            tf.where(differs, noise, -1.0), axis=-1, output_type=tf.int32
        )
        return tf.where(k > 0, chosen, -1), k


class ListedPairSource(_RowPairSource):
    """Batches of listed pairs: each comes once before any comes again.

    The order of each such round is a random one of its own, by the seed.
    """

    _data: ListedPairs

    def _rows(
        self, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        del seed
        num = len(self._data.pairs)
        positions = tf.cast(step, tf.int64) * self._batch_size
        positions += tf.range(self._batch_size, dtype=tf.int64)
        rounds = positions // num
        nothing = tf.zeros_like(rounds)
        # Not `tf.random.experimental.index_shuffle`, which fails for several seeds.
        places = tf.raw_ops.RandomIndexShuffle(
            index=positions % num,
            seed=tf.stack([nothing + self._seed, rounds, nothing], axis=1),
            max_index=nothing + (num - 1),
        )
        known = np.full(num, -1) if self._data.k is None else self._data.k
        k = tf.gather(tf.constant(known, tf.int32), places)
        return tf.gather(tf.constant(self._data.pairs), places), k


class TablePairSource(_RowPairSource):
    """Batches of pairs found in a table of factors, new ones for each step."""

    def __init__(
        self, data: ImageTable, batch_size: int, seed: int, dynamics: Dynamics
    ):
        super().__init__(data, batch_size, seed)
        data.check_dynamics(dynamics)
        self._dynamics = dynamics

    def _rows(
        self, step: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        rows = tf.numpy_function(self._draw_pairs, [seed], tf.int64)
        return tf.ensure_shape(rows, [self._batch_size, 2]), None

    def _draw_pairs(self, seed: np.ndarray) -> np.ndarray:
        random_state = np.random.RandomState(seed.astype(np.uint32))
        return self._data.draw_pairs(self._batch_size, self._dynamics, random_state)


def pair_source(dataset: GroundTruthData, batch_size: int, seed: int) -> Source:
    """Batches of pairs of a data set of any kind, by the configured `dynamics`.

    Raises:
      UserError: if there are no pairs as `dynamics` asks for.
    """
    dynamics = dynamics_of(dataset)
    if dynamics is None:
        return ListedPairSource(dataset, batch_size, seed)
    kind = TablePairSource if isinstance(dataset, ImageTable) else PairSource
    return kind(dataset, batch_size, seed, dynamics)
