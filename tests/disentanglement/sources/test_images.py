"""Batches of single images: uniform factors, each a function of its step."""

import numpy as np
import tensorflow as tf
from scipy import stats

from mvhg_tf.disentanglement.data.arm3d import Arm3D
from mvhg_tf.disentanglement.sources.images import ImageSource

# False-alarm rate of each of the three chi-square tests.
ALPHA = 1e-5


class CountingData:
    """A data set on the host: the image is the factors, and noise."""

    factors_num_values = [3, 40]
    num_factors = 2
    observation_shape = [1, 1, 3]

    def sample_observations_from_factors(self, factors, random_state):
        noise = random_state.uniform(size=(len(factors), 1))
        return np.concatenate([factors, noise], axis=1)[:, None, None, :]


def test_factors_are_uniform_and_independent():
    source = ImageSource(CountingData(), batch_size=24_000, seed=1)
    images = source.batch(tf.constant(0))["images"]
    assert images.dtype == tf.float32
    assert images.shape == (24_000, 1, 1, 3)
    factors = images.numpy()[:, 0, 0, :2].astype(int)
    table = np.zeros((3, 40))
    np.add.at(table, tuple(factors.T), 1)
    assert stats.chisquare(table.ravel()).pvalue > ALPHA
    assert stats.chisquare(table.sum(0)).pvalue > ALPHA
    assert stats.chisquare(table.sum(1)).pvalue > ALPHA


def test_stream_is_a_function_of_seed_and_step():
    source = ImageSource(CountingData(), batch_size=5, seed=3)
    assert not source.on_device
    from_start = [b["images"].numpy() for b in source.dataset(0).take(4)]
    resumed = [b["images"].numpy() for b in source.dataset(2).take(2)]
    np.testing.assert_array_equal(from_start[2:], resumed)
    np.testing.assert_array_equal(source.batch(tf.constant(3))["images"], resumed[1])
    assert (from_start[0] != from_start[1]).any()
    other = ImageSource(CountingData(), batch_size=5, seed=4)
    assert (other.batch(tf.constant(0))["images"] != from_start[0]).numpy().any()


class StoredData:
    """A data set that stores bytes: the image is a byte for each combination."""

    factors_num_values = [16, 16]
    num_factors = 2
    observation_shape = [1, 1, 1]

    def sample_bytes_from_factors(self, factors):
        rows = np.ravel_multi_index(tuple(factors.T), self.factors_num_values)
        return rows.astype(np.uint8)[:, None, None, None]


class StoredDataAsFloats:
    """The same images, as the library gives them."""

    factors_num_values = StoredData.factors_num_values
    num_factors = 2
    observation_shape = StoredData.observation_shape

    def sample_observations_from_factors(self, factors, random_state):
        return StoredData().sample_bytes_from_factors(factors) / np.float32(255)


def test_bytes_travel_as_bytes_and_give_the_same_images():
    source = ImageSource(StoredData(), batch_size=500, seed=3)
    read = next(iter(source.dataset(2)))
    assert read["images"].dtype == tf.uint8
    images = ImageSource.finish(read)["images"].numpy()
    np.testing.assert_array_equal(source.batch(tf.constant(2))["images"], images)
    expected = ImageSource(StoredDataAsFloats(), batch_size=500, seed=3)
    expected = expected.batch(tf.constant(2))["images"]
    np.testing.assert_allclose(images, expected, rtol=1e-7)


def test_a_data_set_that_tensorflow_can_draw_is_drawn_in_the_graph():
    data = Arm3D()
    drawn = []
    render = data.render
    data.render = lambda factors: drawn.append(factors) or render(factors)
    source = ImageSource(data, batch_size=3, seed=3)
    assert source.on_device
    images = source.batch(tf.constant(7))["images"].numpy()
    in_graph = tf.function(source.batch, autograph=False)(tf.constant(7))["images"]
    np.testing.assert_allclose(in_graph, images, atol=1e-6)
    expected = data.sample_observations_from_factors(
        drawn[0].numpy(), np.random.RandomState(0)
    )
    np.testing.assert_allclose(images, expected, atol=1e-6)
