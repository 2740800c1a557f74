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

    @pytest.mark.parametrize(
        ("total_count", "sizes", "expected"),
        [
            (60, [1] * 60, 1),
            (59, [1] * 60, 60),
            (190, [10] * 20, 20_030_010),
            (10, [10] * 20, 20_030_010),
            (30, [50] * 3, 496),
            (26, [1] * 52, 495_918_532_948_104),
            (2000, [3] * 2000, np.inf),
        ],
    )
    def test_sizes_that_are_whole_numbers(self, total_count, sizes, expected):
        """The coefficients of prod_i (1 + t + ... + t^m_i), known in closed form."""
        dist = MultivariateFisherNoncentralHypergeometric(
            total_count, sizes, weights=np.ones(len(sizes))
        )
        assert dist.support_size() == expected

    def test_sizes_of_a_batch(self):
        rng = np.random.RandomState(0)
        sizes = rng.randint(0, 5, [20, 4])
        totals = [rng.randint(0, row.sum() + 1) for row in sizes]
        dist = MultivariateFisherNoncentralHypergeometric(
            totals, sizes, weights=np.ones(4)
        )
        expected = [
            len(exact_urn.enumerate_urn(total, row, np.zeros(4))[0])
            for total, row in zip(totals, sizes, strict=True)
        ]
        np.testing.assert_array_equal(dist.support_size(), expected)

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
        ("total_count", "sizes"),
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

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_group_that_is_next_to_never_drawn(self, dtype):
        """A mean of 6e-9 keeps its digits, and so does its weight."""
        log_weights = np.array([-0.453, -18.014, 2.71])
        mean = MultivariateFisherNoncentralHypergeometric(
            5, (31, 43, 40), log_weights
        ).mean()
        fitted = MultivariateFisherNoncentralHypergeometric.fit_mean(
            mean.numpy().astype(dtype), 5, (31, 43, 40)
        )
        assert fitted.dtype == dtype
        rtol = 1e-6 if dtype == np.float32 else 1e-9
        expected = log_weights - log_weights.mean()
        np.testing.assert_allclose(fitted.log_weights, expected, rtol=rtol)

    def test_counts_of_float64_are_not_rounded(self):
        counts = np.array([[3.0, 2.0, 1.0], [2.0, 3.0, 1.0], [2.0, 2.0, 2.0]])
        fitted = MultivariateFisherNoncentralHypergeometric.fit(counts, 6, [4, 5, 6])
        assert fitted.dtype == tf.float64
        np.testing.assert_allclose(fitted.mean(), counts.mean(0), rtol=1e-11)

    @pytest.mark.parametrize("error", [1e-7, -1e-5, 5e-5])
    def test_means_that_sum_to_the_total_only_nearly(self, error):
        """They are moved to those that do, each by its share of the variance."""
        mean = np.array([3.0, 1e-6, 2.0 - 1e-6]) * (1.0 + error)
        fitted = MultivariateFisherNoncentralHypergeometric.fit_mean(
            mean, 5, [40, 30, 20]
        )
        np.testing.assert_allclose(fitted.mean(), mean, rtol=3e-4)
        np.testing.assert_allclose(tf.reduce_sum(fitted.mean()), 5.0, rtol=1e-12)

    def test_means_that_are_known_only_when_the_graph_runs(self):
        @tf.function(autograph=False)
        def fit(mean):
            return MultivariateFisherNoncentralHypergeometric.fit_mean(
                mean, 8, SIZES
            ).mean()

        mean = [2.0, 1.0, 4.0, 1.0]
        np.testing.assert_allclose(fit(tf.constant(mean)), mean, rtol=1e-5)
        with pytest.raises(tf.errors.InvalidArgumentError, match="sum to total_count"):
            fit(tf.constant([2.0, 1.0, 4.0, 2.0]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="negative or greater"):
            fit(tf.constant([5.0, -1.0, 3.0, 1.0]))

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
        ("mean", "message"),
        [
            ([3.0, 2.0, 1.0, 1.0], "sum to 7.0, but total_count is 8"),
            ([3.5, 2.0, 1.5, 1.0], "greater than its group size"),
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
        # What is not known when the graph is made is refused when it runs.
        traced = tf.function(lambda mean: fit_mean(mean, 8, [3, 4, 5, 6]).log_weights)
        with pytest.raises(tf.errors.InvalidArgumentError, match="mean"):
            traced(tf.constant(mean))

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
