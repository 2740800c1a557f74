"""Draws: their law, their shapes, and that they are the same wherever they run.

False alarms: each test below that uses a p-value fails with probability 1e-5 if
the seed is changed; with the seeds as they are, never.
"""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.sampling import uniform

FALSE_ALARM = 1e-5


def chi_squared_p_value(observed, expected):
    """Rows expected fewer than 5 times are pooled."""
    rare = expected < 5.0
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    statistic = np.sum((observed - expected) ** 2 / np.maximum(expected, 1e-9))
    return stats.chi2.sf(statistic, len(expected) - 1)


class TestLaw:
    # One row for each draw, or shared rows and a search.
    @pytest.mark.parametrize(("num_draws", "batch"), [(20000, 1), (1, 20000)])
    @pytest.mark.parametrize("groups", [2, 3, 5])
    def test_joint_law_of_small_urns(self, groups, num_draws, batch):
        sizes = [4, 5, 3, 1, 6][:groups]
        log_weights = [0.3, -1.0, 0.7, 0.2, -0.4][:groups]
        support, probs = exact_urn.enumerate_urn(6, sizes, log_weights)
        dist = MultivariateFisherNoncentralHypergeometric(
            6, sizes, tf.tile([log_weights], [batch, 1])
        )
        draws = dist.sample(num_draws, seed=[7, groups]).numpy().reshape(-1, groups)
        matches = (draws[:, np.newaxis] == support).all(axis=-1)
        assert matches.any(axis=-1).all()
        p_value = chi_squared_p_value(matches.sum(axis=0), probs * len(draws))
        assert p_value > FALSE_ALARM

    @pytest.mark.parametrize("omega", [1, 2, 5, 10])
    def test_marginals_of_the_papers_urns(self, omega):
        dist = MultivariateFisherNoncentralHypergeometric(
            180, [200, 200, 200], weights=[1.0, float(omega), 1.0]
        )
        draws = dist.sample(20000, seed=[11, omega]).numpy()
        np.testing.assert_array_equal(draws.sum(axis=-1), 180.0)
        whole = exact_urn.normalizer(180, [200] * 3, [1, omega, 1])
        for group, weight in enumerate([1, omega, 1]):
            others = [1, omega, 1][:group] + [1, omega, 1][group + 1 :]
            rest = exact_urn.coefficients(180, [200, 200], others)
            probs = [
                float(exact_urn.comb(200, x) * weight**x * rest[180 - x] / whole)
                for x in range(181)
            ]
            observed = np.bincount(draws[:, group].astype(int), minlength=181)
            expected = np.array(probs) * len(draws)
            assert chi_squared_p_value(observed, expected) > FALSE_ALARM

    def test_counts_of_the_groups_are_not_independent(self):
        dist = MultivariateFisherNoncentralHypergeometric(
            18, [20, 20, 20], tf.constant([0.0, 0.7, -0.4], tf.float64)
        )
        draws = dist.sample(50000, seed=[3, 4]).numpy()
        error = np.cov(draws.T) - dist.covariance()
        # Five standard errors of a covariance.
        variance = dist.variance().numpy()
        bound = 5.0 * np.sqrt(2.0 * np.outer(variance, variance) / 50000)
        assert np.all(np.abs(error) < bound)


class TestSeeds:
    @pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
    def test_uniforms_are_open_and_the_same_everywhere(self, dtype):
        def draw(seed):
            return uniform([500, 3], seed, dtype)

        seed = tf.constant([3, -5])
        eager = draw(seed).numpy()
        assert eager.min() > 0.0 and eager.max() < 1.0
        assert stats.kstest(eager.ravel(), "uniform").pvalue > FALSE_ALARM
        np.testing.assert_array_equal(eager, tf.function(draw)(seed))
        compiled = tf.function(draw, jit_compile=True)(seed)
        np.testing.assert_array_equal(eager, compiled)

    @pytest.mark.parametrize(
        ("num_draws", "groups", "method"),
        [
            (1, 2, "exact"),
            (300, 4, "exact"),
            *(
                pytest.param(*values, marks=pytest.mark.slow)
                for values in [
                    (300, 2, "merged"),
                    (1, 2, "merged"),
                    (1, 4, "exact"),
                    (1, 4, "merged"),
                    (300, 2, "exact"),
                    (300, 4, "merged"),
                ]
            ),
        ],
    )
    def test_same_draw_eagerly_in_a_graph_and_compiled(self, method, groups, num_draws):
        log_weights = tf.constant(np.random.RandomState(0).randn(5, groups), tf.float32)

        def draw(log_weights, seed):
            return MultivariateFisherNoncentralHypergeometric(
                20, [12] * groups, log_weights, method=method
            ).sample(num_draws, seed=seed)

        seed = tf.constant([5, 6])
        eager = draw(log_weights, seed)
        np.testing.assert_array_equal(eager, tf.function(draw)(log_weights, seed))
        compiled = tf.function(draw, jit_compile=True)(log_weights, seed)
        np.testing.assert_array_equal(eager, compiled)
        other = draw(log_weights, tf.constant([5, 7]))
        assert np.any(eager.numpy() != other.numpy())

    @pytest.mark.parametrize("estimator", ["gumbel_softmax", "mean", None])
    def test_the_estimator_does_not_change_the_draw(self, estimator):
        def draw(estimator, temperature):
            return MultivariateFisherNoncentralHypergeometric(
                9, [5, 6, 7], [0.1, 0.2, 0.3], None, "exact", estimator, temperature
            ).sample(50, seed=[1, 2])

        np.testing.assert_array_equal(draw(estimator, 0.3), draw("mean", 1.0))

    def test_int_seeds(self):
        dist = MultivariateFisherNoncentralHypergeometric(9, [5, 6], [0.1, 0.2])
        tf.random.set_seed(1)
        first = dist.sample(50, seed=3)
        tf.random.set_seed(1)
        np.testing.assert_array_equal(first, dist.sample(50, seed=3))


class TestShapes:
    @pytest.mark.parametrize("sample_shape", [[], [3], [2, 0], [2, 3]])
    @pytest.mark.parametrize("groups", [1, 2, 3])
    def test_sample_shape(self, sample_shape, groups):
        dist = MultivariateFisherNoncentralHypergeometric(
            [[3.0], [4.0]], [4, 5, 6][:groups], np.zeros([5, groups], np.float32)
        )
        assert dist.batch_shape == [2, 5] and dist.event_shape == [groups]
        draws = dist.sample(sample_shape, seed=[0, 1])
        assert draws.shape == [*sample_shape, 2, 5, groups]
        rows = dist.sample_one_hot(sample_shape, seed=[0, 1])
        assert rows.shape == [
            *sample_shape,
            2,
            5,
            groups,
            7 if groups == 3 else (6 if groups == 2 else 5),
        ]
        np.testing.assert_array_equal(tf.argmax(rows, axis=-1), draws)

    def test_batches_of_sizes_and_temperatures(self):
        dist = MultivariateFisherNoncentralHypergeometric(
            [2.0, 3.0],
            [[2, 3, 4], [5, 0, 1]],
            np.zeros([4, 1, 3]),
            temperature=[[[1.0]], [[2.0]]],
        )
        assert dist.batch_shape == [2, 4, 2] and dist.dtype == tf.float64
        draws = dist.sample(7, seed=[0, 1])
        assert draws.shape == [7, 2, 4, 2, 3]
        assert np.all(draws <= tf.constant([[2, 3, 4], [5, 0, 1]], tf.float64))
        assert dist.mean().shape == [2, 4, 2, 3]
        assert dist.covariance().shape == [2, 4, 2, 3, 3]
        assert dist.entropy().shape == [2, 4, 2]
        assert dist.log_prob(draws).shape == [7, 2, 4, 2]

    def test_filled_rows(self):
        dist = MultivariateFisherNoncentralHypergeometric(6, [4, 5], [0.1, 0.2])
        counts = dist.sample(20, seed=[1, 2]).numpy()
        filled = dist.sample_filled(20, seed=[1, 2]).numpy()
        np.testing.assert_array_equal(filled, np.arange(6) <= counts[..., np.newaxis])

    @pytest.mark.slow
    @pytest.mark.parametrize("groups", [2, 3])
    def test_shapes_unknown_in_the_graph(self, groups):
        @tf.function(
            input_signature=[
                tf.TensorSpec(None, tf.float32),
                tf.TensorSpec([None], tf.float32),
                tf.TensorSpec([None, None], tf.float32),
                tf.TensorSpec([], tf.int32),
            ]
        )
        def everything(total_count, group_sizes, log_weights, num_draws):
            with tf.GradientTape() as tape:
                tape.watch(log_weights)
                dist = MultivariateFisherNoncentralHypergeometric(
                    total_count, group_sizes, log_weights
                )
                draws = dist.sample(num_draws, seed=[1, 2])
                loss = tf.reduce_sum(draws**2) + tf.reduce_sum(dist.log_prob(draws))
            gradient = tape.gradient(loss, log_weights)
            return draws, dist.mean(), dist.covariance(), gradient, dist.mode()

        sizes = np.array([4.0, 5.0, 6.0][:groups], np.float32)
        log_weights = np.random.RandomState(0).randn(5, groups).astype(np.float32)
        draws, mean, covariance, gradient, mode = everything(
            6.0, sizes, log_weights, tf.constant(4)
        )
        dist = MultivariateFisherNoncentralHypergeometric(6.0, sizes, log_weights)
        np.testing.assert_array_equal(draws, dist.sample(4, seed=[1, 2]))
        np.testing.assert_allclose(mean, dist.mean(), atol=1e-6)
        np.testing.assert_allclose(covariance, dist.covariance(), atol=1e-6)
        np.testing.assert_array_equal(mode, dist.mode())
        assert np.all(np.isfinite(gradient)) and gradient.shape == [5, groups]
