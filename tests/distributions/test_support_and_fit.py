"""Mode, size and ends of the support; weights from counts and from a mean."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric

SIZES, LOG_WEIGHTS = [4, 5, 6, 3], [0.3, -1.0, 0.7, 0.2]


class TestSupport:
    @pytest.mark.parametrize("total_count", [0, 1, 5, 9, 17, 18])
    @pytest.mark.parametrize("groups", [1, 2, 4])
    def test_against_enumeration(self, total_count, groups):
        sizes, log_weights = SIZES[-groups:], LOG_WEIGHTS[-groups:]
        total_count = min(total_count, sum(sizes))
        support, probs = exact_urn.enumerate_urn(total_count, sizes, log_weights)
        dist = MultivariateFisherNoncentralHypergeometric(
            total_count, sizes, tf.constant(log_weights, tf.float64)
        )
        np.testing.assert_array_equal(dist.mode(), support[probs.argmax()])
        assert dist.support_size() == len(support)
        np.testing.assert_array_equal(dist.minimum(), support.min(axis=0))
        np.testing.assert_array_equal(dist.maximum(), support.max(axis=0))

    def test_ties(self):
        dist = MultivariateFisherNoncentralHypergeometric(4, [3, 3, 3], [0.0, 0.0, 0.0])
        mode = dist.mode().numpy()
        assert mode.sum() == 4 and sorted(mode) == [1, 1, 2]

    def test_a_zero_weight_is_outside(self):
        dist = MultivariateFisherNoncentralHypergeometric(
            4, [3, 3, 3], weights=[1.0, 0.0, 1.0]
        )
        assert dist.support_size() == 3.0
        np.testing.assert_array_equal(dist.maximum(), [3.0, 0.0, 3.0])
        np.testing.assert_array_equal(dist.minimum(), [1.0, 0.0, 1.0])


class TestFit:
    @pytest.mark.parametrize(
        "total_count, sizes",
        [(8, SIZES), (180, [200, 200, 200]), (1, [1, 1]), (5, [1] * 10)],
    )
    def test_weights_from_a_mean(self, total_count, sizes):
        log_weights = np.random.RandomState(0).randn(3, len(sizes)) * 2.0
        log_weights -= log_weights.mean(axis=-1, keepdims=True)
        mean = MultivariateFisherNoncentralHypergeometric(
            total_count, sizes, log_weights
        ).mean()
        fitted = MultivariateFisherNoncentralHypergeometric.fit_mean(
            mean, total_count, sizes
        )
        np.testing.assert_allclose(fitted.log_weights, log_weights, atol=1e-6)

    def test_weights_from_counts_have_the_mean_of_the_counts(self):
        counts = MultivariateFisherNoncentralHypergeometric(
            8, SIZES, LOG_WEIGHTS
        ).sample(100, seed=[1, 2])
        fitted = MultivariateFisherNoncentralHypergeometric.fit(
            counts, 8, SIZES, gradient_estimator="mean"
        )
        assert fitted.gradient_estimator == "mean"
        np.testing.assert_allclose(
            fitted.mean(), tf.reduce_mean(counts, axis=0), atol=1e-4
        )

    def test_groups_never_or_always_drawn(self):
        counts = [[3.0, 0.0, 2.0, 3.0], [3.0, 0.0, 3.0, 2.0], [3.0, 0.0, 1.0, 4.0]]
        fitted = MultivariateFisherNoncentralHypergeometric.fit(counts, 8, [3, 4, 5, 6])
        np.testing.assert_allclose(fitted.mean(), np.mean(counts, axis=0), atol=1e-4)
        log_weights = fitted.log_weights.numpy()
        assert np.isneginf(log_weights[1])
        np.testing.assert_allclose(
            log_weights[0] - log_weights[2:].max(), 60.0, atol=1e-3
        )

    @pytest.mark.parametrize(
        "mean, message",
        [
            ([3.0, 2.0, 1.0, 1.0], "sum to 7.0, but total_count is 8"),
            ([3.5, 2.0, 1.5, 1.0], "greater than its group_sizes"),
            ([-1.0, 3.0, 3.0, 3.0], "is negative"),
            ([float("nan"), 3.0, 3.0, 2.0], "sum to nan"),
        ],
    )
    def test_means_that_no_urn_gives_are_refused(self, mean, message):
        fit_mean = MultivariateFisherNoncentralHypergeometric.fit_mean
        with pytest.raises(ValueError, match=message):
            fit_mean(mean, 8, [3, 4, 5, 6])
        with pytest.raises(ValueError, match=message):
            MultivariateFisherNoncentralHypergeometric.fit([mean], 8, [3, 4, 5, 6])
        # What is not known when the graph is made can't be refused there.
        traced = tf.function(lambda mean: fit_mean(mean, 8, [3, 4, 5, 6]).log_weights)
        assert traced(tf.constant(mean)).shape == [4]

    def test_sizes_from_a_mean(self):
        """Levin's approximation: its own equations, and near the true sizes."""
        sizes, weights = np.array([200.0, 300.0, 100.0]), np.array([1.0, 3.0, 0.5])
        mean = MultivariateFisherNoncentralHypergeometric(
            180, sizes, weights=weights
        ).mean()
        found = MultivariateFisherNoncentralHypergeometric.group_sizes_from_mean(
            mean, weights, 600.0
        ).numpy()
        np.testing.assert_allclose(found.sum(), 600.0, rtol=1e-12)
        odds = mean / (found - mean) / weights
        np.testing.assert_allclose(odds, odds[0], rtol=1e-10)
        np.testing.assert_allclose(found, sizes, rtol=0.01)
