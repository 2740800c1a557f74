"""Training batches of a data set, each a function of its step alone.

Images that a data set stores as bytes travel as bytes, a quarter of the traffic, and
become float32 in the step that uses them (`Source.finish`).

Random numbers are stateless: the same seed gives the same batches, eager or
compiled, so a training run that is stopped and resumed sees the same data.
"""

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.image_table import ImageTable

# Sets the data's random numbers apart from those of a model with the same seed.
_DATA_STREAM = 1


class Source:
    """An endless stream of batches; base class: a subclass gives `draw`.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`. Where it has a
        `render` function in TensorFlow, the images are drawn on the device. Where
        it has `sample_bytes_from_factors` (factors `[N, F]` -> uint8
        `[N, H, W, C]`, 255 for 1), that is used.
      batch_size: examples a batch, B.
      seed: of the whole stream.
    """

    def __init__(self, ground_truth_data: GroundTruthData, batch_size: int, seed: int):
        self._data = ground_truth_data
        self._batch_size = batch_size
        self._seed = seed

    @property
    def on_device(self) -> bool:
        """Whether `batch` can be called inside a `tf.function` on any device."""
        return hasattr(self._data, "render")

    def batch(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The batch of `step` (int scalar), by name; images are float32."""
        return self.finish(self.draw(step))

    def draw(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The batch of `step` (int scalar), by name; images may be uint8."""
        raise NotImplementedError

    @staticmethod
    def finish(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """A batch as `draw` or `dataset` gives it, its bytes as float32 in [0, 1]."""
        return {
            name: tf.cast(value, tf.float32) / 255 if value.dtype == tf.uint8 else value
            for name, value in batch.items()
        }

    def dataset(self, first_step: int) -> tf.data.Dataset:
        """The batches from `first_step` on, for data that lives on the host.

        They are to be given to `finish`, best in the step that uses them.
        """
        steps = tf.data.Dataset.counter(first_step)
        draw = tf.autograph.experimental.do_not_convert(self.draw)
        return steps.map(draw, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _seed_of(self, step: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([self._seed, tf.cast(step, tf.int32)])
        return tf.random.experimental.stateless_fold_in(seed, _DATA_STREAM)

    def _images_of(self, factors: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Images uint8 or float32 `[N, H, W, C]` of factors int32 `[N, F]`."""
        if self.on_device:
            return self._data.render(factors)
        if hasattr(self._data, "sample_bytes_from_factors"):
            look_up = self._data.sample_bytes_from_factors
            images = tf.numpy_function(look_up, [factors], tf.uint8)
        else:
            images = tf.numpy_function(self._observe, [factors, seed], tf.float32)
        images.set_shape((factors.shape[0], *self._data.observation_shape))
        return images

    def _look_up(self, rows: tf.Tensor) -> tf.Tensor:
        """Images of the rows, int64 `[N]`, of a table."""
        data: ImageTable = self._data
        images = tf.numpy_function(data.images_of_rows, [rows], data.dtype)
        images.set_shape((rows.shape[0], *data.observation_shape))
        return images

    def _observe(self, factors: np.ndarray, seed: np.ndarray) -> np.ndarray:
        random_state = np.random.RandomState(seed.astype(np.uint32))
        images = self._data.sample_observations_from_factors(factors, random_state)
        return np.asarray(images, np.float32)


class ImageSource(Source):
    """Batches of single images, `images`, `[B, H, W, C]`.

    All factors are uniform, or, of a table, its rows.
    """

    def draw(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = self._seed_of(step)
        if isinstance(self._data, ImageTable):
            num = len(self._data.rows)
            places = tf.random.stateless_uniform(
                [self._batch_size], seed, maxval=num, dtype=tf.int64
            )
            return {"images": self._look_up(tf.gather(self._data.rows, places))}
        sizes = np.asarray(self._data.factors_num_values, np.int32)
        factors = uniform_values(seed, self._batch_size, sizes)
        return {"images": self._images_of(factors, seed)}


def uniform_values(seed: tf.Tensor, num: int, sizes: np.ndarray) -> tf.Tensor:
    """Integers below `sizes` `[F]`, uniform: int32 `[num, F]`; `seed` is stateless."""
    uniform = tf.random.stateless_uniform([num, len(sizes)], seed)
    values = tf.cast(uniform * tf.cast(sizes, tf.float32), tf.int32)
    return tf.minimum(values, sizes - 1)  # the product may round up to the size
