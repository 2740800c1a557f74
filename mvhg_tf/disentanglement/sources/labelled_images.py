"""Semi-supervised batches: fresh images, and a few labelled ones."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.sources.images import ImageSource
from mvhg_tf.disentanglement.sources.labellers import make_labels


class LabelledImages(NamedTuple):
    """N images with L labels each.

    Attributes:
      images: float32 `[N, H, W, C]` in [0, 1].
      labels: float32 `[N, L]`, whole numbers.
      label_sizes: how many values each of the L labels may have.
    """

    images: np.ndarray
    labels: np.ndarray
    label_sizes: list[int]

    def split(
        self, train_percentage: float
    ) -> tuple["LabelledImages", "LabelledImages"]:
        """The first images, a fraction in (0, 1] rounded up, and those held out."""
        num = math.ceil(len(self.images) * train_percentage)
        images, labels, sizes = self
        return (
            LabelledImages(images[:num], labels[:num], sizes),
            LabelledImages(images[num:], labels[num:], sizes),
        )


def sample_labelled_images(
    dataset: GroundTruthData, num: int, seed: int
) -> LabelledImages:
    """Draws `num` images and labels them as gin's `labeller` says.

    Args:
      dataset: a disentanglement_lib `GroundTruthData`.
      num: N.
      seed: the draw depends on it alone.
    """
    random_state = np.random.RandomState(seed)
    factors = dataset.sample_factors(num, random_state)
    images = dataset.sample_observations_from_factors(factors, random_state)
    labels, sizes = make_labels(np.asarray(factors), dataset, random_state)
    return LabelledImages(np.asarray(images, np.float32), labels, sizes)


class LabelledSource(ImageSource):
    """Batches of `images`, and as many `labelled_images` with their `labels`.

    The labelled ones come in their order, and again from the start.

    Args:
      ground_truth_data: see `Source`.
      batch_size: B, of each kind.
      seed: of the fresh images.
      labelled: the labelled ones.
    """

    def __init__(
        self,
        ground_truth_data: GroundTruthData,
        batch_size: int,
        seed: int,
        labelled: LabelledImages,
    ):
        super().__init__(ground_truth_data, batch_size, seed)
        self._labelled_images = tf.constant(labelled.images)
        self._labels = tf.constant(labelled.labels)

    def draw(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        first = tf.cast(step, tf.int64) * self._batch_size
        rows = first + tf.range(self._batch_size, dtype=tf.int64)
        rows %= self._labels.shape[0]
        return {
            **super().draw(step),
            "labelled_images": tf.gather(self._labelled_images, rows),
            "labels": tf.gather(self._labels, rows),
        }
