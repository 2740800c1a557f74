"""Tests of arm3d: distinct images, loud factors, the same wherever it is drawn."""

import itertools

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from mvhg_tf.disentanglement.data import arm3d, arm3d_renderer, arm3d_sheet


@pytest.fixture(scope="module")
def data():
    return arm3d.Arm3D()


def _pixels(images):
    """What a viewer or a PNG file distinguishes."""
    return np.round(images * 255).astype(np.uint8).reshape(len(images), -1)


class TestFactors:
    def test_are_those_of_the_first_mpi3d_toy_file(self, data):
        assert data.factors_num_values == [4, 4, 2, 3, 3, 40, 40]
        assert data.num_factors == 7
        assert data.observation_shape == [64, 64, 3]
        assert np.prod(data.factors_num_values) == 460_800

    def test_samples_take_every_value_about_equally_often(self, data):
        factors = data.sample_factors(80_000, np.random.RandomState(0))
        for factor, size in enumerate(data.factors_num_values):
            counts = np.bincount(factors[:, factor], minlength=size)
            # Chi-squared has mean size - 1; 5 sigma is a false alarm below 1e-5.
            chi_squared = ((counts - 80_000 / size) ** 2 / (80_000 / size)).sum()
            assert chi_squared < size - 1 + 5 * np.sqrt(2 * size)


class TestImages:
    def test_are_floats_inside_the_unit_interval(self, data):
        images = data.sample_observations(300, np.random.RandomState(0))
        assert images.shape == (300, 64, 64, 3)
        assert images.dtype == np.float32
        # Away from 0 and 1, where the Bernoulli likelihood is unbounded.
        assert images.min() >= 0.05
        assert images.max() <= 0.951

    def test_depend_on_the_factors_alone(self, data):
        factors = data.sample_factors(70, np.random.RandomState(0))
        together = data.sample_observations_from_factors(factors)
        alone = data.sample_observations_from_factors(
            factors[69:], np.random.RandomState(1)
        )
        np.testing.assert_allclose(together[69:], alone, atol=1e-5)

    def test_none_for_no_factors(self, data):
        images = data.sample_observations_from_factors(np.zeros([0, 7], int))
        assert images.shape == (0, 64, 64, 3)

    def test_of_different_factors_differ(self, data):
        factors = data.sample_factors(6000, np.random.RandomState(1))
        factors = np.unique(factors, axis=0)
        images = _pixels(data.sample_observations_from_factors(factors))
        assert len({image.tobytes() for image in images}) == len(factors)

    def test_of_all_poses_differ_under_each_camera(self, data):
        poses = np.array(list(itertools.product(range(3), range(40), range(40))))
        factors = np.zeros([len(poses), 7], int)
        factors[:, [3, 5, 6]] = poses  # of the smallest object
        images = _pixels(data.sample_observations_from_factors(factors))
        assert len({image.tobytes() for image in images}) == len(poses)

    @pytest.mark.parametrize("axis", [5, 6])
    def test_of_neighboring_poses_differ_visibly(self, data, axis):
        factors = data.sample_factors(500, np.random.RandomState(2))
        factors[:, axis] %= 39
        neighbors = factors.copy()
        neighbors[:, axis] += 1
        change = np.abs(
            data.sample_observations_from_factors(factors)
            - data.sample_observations_from_factors(neighbors)
        )
        assert change.max(axis=(1, 2, 3)).min() > 0.05

    def test_show_the_object_where_the_hand_is(self, data):
        """Turning moves the object to the right, lifting moves it upwards."""

        def center_of_red(axis, values):
            factors = np.tile([0, 0, 0, 1, 2, 20, 20], (len(values), 1))
            factors[:, axis] = values
            images = data.sample_observations_from_factors(factors)
            red = np.maximum(images[..., 0] - images[..., 1] - 0.3, 0.0)
            red /= red.sum(axis=(1, 2), keepdims=True)
            places = np.arange(64) + 0.5
            return (red.sum(1) * places).sum(1), (red.sum(2) * places).sum(1)

        x, _ = center_of_red(5, np.arange(40))
        assert np.all(np.diff(x) > 0.2)
        assert x[-1] - x[0] > 25
        _, y = center_of_red(6, np.arange(40))
        assert np.all(np.diff(y) < -0.2)


@pytest.fixture(scope="module")
def loudness(data):
    return arm3d_sheet.loudness(data, pairs=400)


class TestLoudness:
    def test_of_every_factor_is_at_least_150_nats(self, loudness):
        assert loudness.min() >= 150

    def test_is_balanced(self, loudness):
        assert loudness.max() <= 5 * loudness.min()

    def test_is_the_kl_divergence(self):
        p, q = np.random.RandomState(0).uniform(0.01, 0.99, [2, 3, 4, 4, 3])
        expected = scipy.special.rel_entr(p, q) + scipy.special.rel_entr(1 - p, 1 - q)
        np.testing.assert_allclose(
            arm3d_sheet.bernoulli_kl(p, q), expected.sum(axis=(1, 2, 3))
        )


class TestRender:
    factors = np.random.RandomState(0).randint([4, 4, 2, 3, 3, 40, 40], size=(8, 7))

    def test_is_the_same_everywhere(self, data):
        eager = data.render(self.factors).numpy()
        factors = tf.constant(self.factors, tf.int32)
        for jit_compile in (False, True):
            drawn = tf.function(data.render, jit_compile=jit_compile)(factors)
            np.testing.assert_allclose(drawn, eager, atol=1e-5)
        mapped = tf.data.Dataset.from_tensors(factors).map(data.render)
        np.testing.assert_allclose(next(iter(mapped)), eager, atol=1e-5)
        np.testing.assert_allclose(
            data.sample_observations_from_factors(self.factors), eager, atol=1e-5
        )

    def test_keeps_the_static_shape(self, data):
        shapes = []

        @tf.function
        def trace(factors):
            shapes.append(data.render(factors).shape.as_list())

        trace.get_concrete_function(tf.TensorSpec([5, 7], tf.int32))
        trace.get_concrete_function(tf.TensorSpec([None, 7], tf.int32))
        assert shapes == [[5, 64, 64, 3], [None, 64, 64, 3]]

    def test_has_a_gpu_kernel_for_every_operation(self):
        from tensorflow.python.framework import kernels

        graph = arm3d_renderer._render.get_concrete_function().graph
        names = {op.type for op in graph.get_operations()}
        names -= {"Placeholder", "Const", "NoOp"}  # not run, or run anywhere
        assert "GatherV2" in names
        for name in names:
            devices = {
                kernel.device_type
                for kernel in kernels.get_registered_kernels_for_op(name).kernel
            }
            assert devices & {"GPU", "XLA_GPU_JIT", "DEFAULT"}, name


class TestBadFactors:
    @pytest.mark.parametrize(
        ("factors", "message"),
        [
            ([0] * 7, r"shape \[N, 7\].*got shape \[7\]"),
            ([[0] * 6], r"got shape \[1, 6\]"),
            ([[0] * 7, [4, 0, 0, 0, 0, 0, 0]], r"from 0 to \[3, 3, .*row 1 is \[4"),
            ([[0, 0, 0, 0, 0, 0, -1]], "row 0 is"),
            ([[0.5, 0, 0, 0, 0, 0, 0]], "must be integers"),
        ],
    )
    def test_are_refused(self, data, factors, message):
        with pytest.raises(ValueError, match=message):
            data.sample_observations_from_factors(np.array(factors))


def test_sheet_shows_every_value_of_the_small_factors(data):
    figure = arm3d_sheet.draw_sheet(data)
    titles = [axis.get_title() for axis in figure.axes]
    for name in ("red", "yellow", "sphere", "ring", "small", "large", "low", "high"):
        assert titles.count(name) >= 2  # in both scenes
    assert titles.count("39") == 4
