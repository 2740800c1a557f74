"""log_prob, mean and covariance against exact fractions and enumeration."""

import math
from fractions import Fraction

import exact_urn
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.normalizer import log_normalizer_and_mean

# Total count, group sizes, weights; the counts to score are near the mean.
URNS = {
    "one group": (3, [5], [2]),
    "two groups": (7, [9, 5], [1, 3]),
    "three groups": (18, [20, 20, 20], [1, 3, Fraction(1, 7)]),
    "an empty group": (4, [3, 0, 5], [2, 9, Fraction(1, 3)]),
    "groups of one": (5, [1] * 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    "the paper's": (180, [200, 200, 200], [1, 10, 1]),
    "uneven": (900, [1500, 20, 3, 600], [Fraction(1, 50), 7, 40, 2]),
    "large": (5000, [5000, 4000, 6], [1, Fraction(1, 3), 5]),
}


def urn(name, dtype, **kwargs):
    total_count, sizes, weights = URNS[name]
    log_weights = [exact_urn.log_fraction(Fraction(w)) for w in weights]
    return MultivariateFisherNoncentralHypergeometric(
        total_count, sizes, tf.constant(log_weights, dtype), **kwargs
    )


def counts_near_mean(name):
    total_count, sizes, weights = URNS[name]
    mean, _ = exact_urn.mean_and_variance(total_count, sizes, weights)
    counts = np.floor(mean).astype(int)
    for i in np.argsort(counts - mean)[: total_count - counts.sum()]:
        counts[i] += 1
    return [int(count) for count in counts]


class TestAgainstFractions:
    @pytest.mark.parametrize("name", URNS)
    def test_log_prob(self, name):
        counts = counts_near_mean(name)
        exact = exact_urn.log_prob(*URNS[name], counts)
        double = urn(name, tf.float64).log_prob(counts)
        np.testing.assert_allclose(double, exact, atol=1e-10, rtol=0)
        single = urn(name, tf.float32).log_prob(counts)
        atol = 1e-5 * max(1.0, URNS[name][0] / 20.0)
        np.testing.assert_allclose(single, exact, atol=atol, rtol=0)

    @pytest.mark.parametrize("name", URNS)
    def test_mean_and_variance(self, name):
        mean, variance = exact_urn.mean_and_variance(*URNS[name])
        double = urn(name, tf.float64)
        np.testing.assert_allclose(double.mean(), mean, atol=1e-9, rtol=0)
        np.testing.assert_allclose(double.variance(), variance, atol=1e-8, rtol=0)
        single = urn(name, tf.float32)
        np.testing.assert_allclose(single.mean(), mean, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(single.variance(), variance, rtol=1e-4, atol=1e-5)

    def test_many_groups_over_sixty_decades(self):
        rng = np.random.RandomState(0)
        sizes = [int(m) for m in rng.randint(0, 4, size=512)]
        weights = [Fraction(10) ** int(e) for e in rng.randint(-30, 31, size=512)]
        total_count = sum(sizes) // 3
        log_weights = [exact_urn.log_fraction(w) for w in weights]
        # The likeliest groups, whole.
        counts, left = [0] * 512, total_count
        for i in np.argsort(log_weights)[::-1]:
            counts[i] = min(sizes[i], left)
            left -= counts[i]
        exact = exact_urn.log_prob(total_count, sizes, weights, counts)
        for dtype, atol in ((tf.float64, 1e-9), (tf.float32, 1e-4)):
            dist = MultivariateFisherNoncentralHypergeometric(
                total_count, sizes, tf.constant(log_weights, dtype)
            )
            np.testing.assert_allclose(dist.log_prob(counts), exact, atol=atol, rtol=0)
            np.testing.assert_allclose(
                tf.reduce_sum(dist.mean()), total_count, rtol=1e-5
            )


class TestScale:
    @pytest.mark.parametrize("shift", [-50.0, 20.0, 50.0])
    def test_weights_matter_up_to_a_factor(self, shift):
        log_weights = np.array([0.3, -1.0, 0.7, 0.0])
        first, second = (
            MultivariateFisherNoncentralHypergeometric(
                9, [4, 5, 6, 3], tf.constant(log_weights + by, tf.float64)
            )
            for by in (0.0, shift)
        )
        counts = [2.0, 1.0, 4.0, 2.0]
        np.testing.assert_allclose(
            first.log_prob(counts), second.log_prob(counts), atol=1e-11
        )
        np.testing.assert_allclose(first.mean(), second.mean(), atol=1e-12)
        np.testing.assert_allclose(first.covariance(), second.covariance(), atol=1e-12)
        np.testing.assert_array_equal(
            first.sample(500, seed=[1, 2]), second.sample(500, seed=[1, 2])
        )

    def test_weights_and_log_weights_are_the_same(self):
        weights = np.array([0.5, 0.0, 3.0])
        given = MultivariateFisherNoncentralHypergeometric(
            4, [3, 3, 3], weights=weights
        )
        with np.errstate(divide="ignore"):
            logs = np.log(weights)
        of_logs = MultivariateFisherNoncentralHypergeometric(4, [3, 3, 3], logs)
        np.testing.assert_allclose(given.mean(), of_logs.mean())
        np.testing.assert_allclose(
            given.log_prob([1.0, 0.0, 3.0]), of_logs.log_prob([1.0, 0.0, 3.0])
        )


class TestDerivatives:
    TOTAL_COUNT, SIZES = 8, [4, 5, 6, 3]
    LOG_WEIGHTS = np.array([0.3, -1.0, 0.7, 0.2])
    COUNTS = np.array([2.0, 1.0, 4.0, 1.0])

    def log_prob(self, log_weights):
        return MultivariateFisherNoncentralHypergeometric(
            self.TOTAL_COUNT, self.SIZES, log_weights
        ).log_prob(self.COUNTS)

    @pytest.mark.parametrize(
        ("groups", "jit_compile"),
        [
            (2, False),
            (4, True),
            pytest.param(2, True, marks=pytest.mark.slow),
            pytest.param(4, False, marks=pytest.mark.slow),
        ],
    )
    def test_gradient_is_the_residual_and_hessian_minus_the_covariance(
        self, groups, jit_compile
    ):
        sizes, log_weights = self.SIZES[:groups], self.LOG_WEIGHTS[:groups]
        support, probs = exact_urn.enumerate_urn(5, sizes, log_weights)
        mean, covariance = exact_urn.moments(support, probs)

        @tf.function(jit_compile=jit_compile)
        def derivatives(log_weights):
            with tf.GradientTape() as outer:
                outer.watch(log_weights)
                with tf.GradientTape() as inner:
                    inner.watch(log_weights)
                    value = MultivariateFisherNoncentralHypergeometric(
                        5, sizes, log_weights
                    ).log_prob(support[3])
                first = inner.gradient(value, log_weights)
            return first, outer.jacobian(first, log_weights)

        first, second = derivatives(tf.constant(log_weights))
        np.testing.assert_allclose(first, support[3] - mean, atol=1e-12)
        np.testing.assert_allclose(second, -covariance, atol=1e-12)

    def test_third_derivative(self):
        """The gradient of the covariance, by finite differences."""

        def variance(log_weights):
            return MultivariateFisherNoncentralHypergeometric(
                self.TOTAL_COUNT, self.SIZES, log_weights
            ).variance()

        theoretical, numerical = tf.test.compute_gradient(
            variance, [tf.constant(self.LOG_WEIGHTS)], delta=1e-5
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-8)

    @pytest.mark.parametrize(
        "statistic", ["mean", "covariance", "entropy", "marginal_log_prob"]
    )
    @pytest.mark.parametrize("groups", [2, 3, 4])
    def test_statistics_by_finite_differences(self, statistic, groups):
        def value(log_weights):
            dist = MultivariateFisherNoncentralHypergeometric(
                6, self.SIZES[:groups], log_weights
            )
            method = getattr(dist, statistic)
            return method(1)[2:4] if statistic == "marginal_log_prob" else method()

        theoretical, numerical = tf.test.compute_gradient(
            value, [tf.constant(self.LOG_WEIGHTS[:groups])], delta=1e-5
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-7)

    def test_gradient_of_weights(self):
        def value(weights):
            return MultivariateFisherNoncentralHypergeometric(
                8, self.SIZES, weights=weights
            ).log_prob(self.COUNTS)

        theoretical, numerical = tf.test.compute_gradient(
            value, [tf.constant(np.exp(self.LOG_WEIGHTS))], delta=1e-6
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-7)


class TestAgainstEnumeration:
    def test_certain_counts_have_no_spread(self):
        sizes = [7, 5, 3, 4]
        log_weights = np.random.RandomState(0).normal(0, 3, [50, 4])
        dist = MultivariateFisherNoncentralHypergeometric(
            sum(sizes), sizes, log_weights
        )
        assert np.all(dist.variance() >= 0)
        np.testing.assert_allclose(dist.stddev(), 0, atol=1e-7)

    @pytest.mark.parametrize("groups", [1, 2, 3, 4])
    def test_everything_of_small_urns(self, groups):
        sizes, log_weights = [6, 5, 4, 3][:groups], [0.3, -1.0, 0.7, 0.2][:groups]
        support, probs = exact_urn.enumerate_urn(6, sizes, log_weights)
        mean, covariance = exact_urn.moments(support, probs)
        dist = MultivariateFisherNoncentralHypergeometric(
            6, sizes, tf.constant(log_weights, tf.float64)
        )
        np.testing.assert_allclose(dist.log_prob(support), np.log(probs), atol=1e-12)
        np.testing.assert_allclose(dist.mean(), mean, atol=1e-12)
        np.testing.assert_allclose(dist.covariance(), covariance, atol=1e-12)
        np.testing.assert_allclose(
            dist.stddev(), np.sqrt(np.diag(covariance)), atol=1e-7
        )
        np.testing.assert_allclose(dist.entropy(), -probs @ np.log(probs), atol=1e-12)
        for group, size in enumerate(sizes):
            rows = [probs[support[:, group] == k].sum() for k in range(size + 1)]
            for index in (group, group - groups):
                np.testing.assert_allclose(
                    np.exp(dist.marginal_log_prob(index)), rows, atol=1e-12
                )

    def test_marginals_keep_their_tails(self):
        sizes, weights = [60, 50, 40], [1, 8, 3]
        dist = MultivariateFisherNoncentralHypergeometric(
            70, sizes, tf.constant(np.log([1.0, 8.0, 3.0]))
        )
        whole = exact_urn.normalizer(70, sizes, weights)
        others = exact_urn.coefficients(70, sizes[1:], weights[1:])
        row = [
            exact_urn.log_fraction(exact_urn.comb(60, x) * others[70 - x] / whole)
            for x in range(61)
        ]
        assert min(row) < -80.0
        np.testing.assert_allclose(dist.marginal_log_prob(0), row, atol=1e-10)

    @pytest.mark.parametrize(
        "method", ["exact", pytest.param("merged", marks=pytest.mark.slow)]
    )
    @pytest.mark.parametrize(
        "total_count", [10, pytest.param(14, marks=pytest.mark.slow)]
    )
    def test_kl_divergence_of_other_sizes(self, method, total_count):
        """Against the sum over the support, of fewer drawn than left and of more."""
        weights = np.array([1.0, 1.5, 2.5])
        p, q, larger = (
            MultivariateFisherNoncentralHypergeometric(
                total_count, sizes, weights=weights, method=method
            )
            for sizes in ([8, 6, 4], [8, 6, 5], [[8, 6, 5], [9, 6, 4]])
        )
        support, _ = exact_urn.enumerate_urn(total_count, [8, 6, 4], np.zeros(3))
        log_p = p.log_prob(support).numpy()
        expected = np.exp(log_p) @ (log_p - q.log_prob(support).numpy())
        np.testing.assert_allclose(p.kl_divergence(q), expected, atol=1e-12)
        if method == "exact" and total_count == 10:
            np.testing.assert_allclose(expected, 0.1943, atol=5e-5)
        assert q.kl_divergence(p) == np.inf
        np.testing.assert_allclose(p.kl_divergence(larger)[0], expected, atol=1e-12)

    @pytest.mark.parametrize("method", ["exact", "merged"])
    def test_kl_divergence_of_other_totals_is_infinite(self, method):
        urns = MultivariateFisherNoncentralHypergeometric(
            [10, 9], [8, 6, 4], weights=np.ones(3), method=method
        )
        np.testing.assert_array_equal(urns.kl_divergence(urns[0]), [0.0, np.inf])

    def test_kl_divergence(self):
        first, second = [0.3, -1.0, 0.7, 0.2], [0.0, 1.0, 0.2, -0.5]
        for groups in (1, 2, 3, 4):
            sizes = [6, 5, 4, 3][:groups]
            support, p = exact_urn.enumerate_urn(6, sizes, first[:groups])
            _, q = exact_urn.enumerate_urn(6, sizes, second[:groups])
            dist_p, dist_q = (
                MultivariateFisherNoncentralHypergeometric(
                    6, sizes, tf.constant(logs[:groups], tf.float64)
                )
                for logs in (first, second)
            )
            np.testing.assert_allclose(
                dist_p.kl_divergence(dist_q), p @ np.log(p / q), atol=1e-12
            )
            assert len(support) == len(p)


class TestEdges:
    @pytest.mark.parametrize("groups", [2, 3])
    @pytest.mark.parametrize("whole", [False, True])
    def test_nothing_or_everything_is_drawn(self, groups, whole):
        sizes = [3.0, 4.0, 5.0][:groups]
        only = sizes if whole else [0.0] * groups
        dist = MultivariateFisherNoncentralHypergeometric(
            sum(only), sizes, [0.3, -40.0, 50.0][:groups]
        )
        np.testing.assert_allclose(dist.log_prob(only), 0.0, atol=1e-5)
        np.testing.assert_array_equal(dist.mean(), only)
        np.testing.assert_allclose(dist.covariance(), np.zeros([groups] * 2), atol=1e-9)
        np.testing.assert_array_equal(dist.sample(5, seed=[0, 1])[4], only)
        np.testing.assert_allclose(dist.entropy(), 0.0, atol=1e-6)

    @pytest.mark.parametrize("groups", [3, 4])
    def test_a_zero_weight_is_a_group_that_is_not_there(self, groups):
        sizes, log_weights = [4, 5, 6, 7][:groups], [0.3, -np.inf, 0.7, 0.1][:groups]
        dist = MultivariateFisherNoncentralHypergeometric(
            6, sizes, tf.constant(log_weights, tf.float64)
        )
        without = MultivariateFisherNoncentralHypergeometric(
            6,
            sizes[:1] + sizes[2:],
            tf.constant(log_weights[:1] + log_weights[2:], tf.float64),
        )
        counts = without.sample(100, seed=[3, 4]).numpy()
        padded = np.insert(counts, 1, 0.0, axis=-1)
        np.testing.assert_allclose(
            dist.log_prob(padded), without.log_prob(counts), atol=1e-12
        )
        np.testing.assert_allclose(np.delete(dist.mean(), 1), without.mean())
        assert not dist.sample(100, seed=[3, 4]).numpy()[:, 1].any()
        padded[:, 0] -= 1.0
        padded[:, 1] += 1.0
        assert np.all(np.isneginf(dist.log_prob(padded)))

    def test_off_the_support(self):
        dist = MultivariateFisherNoncentralHypergeometric(4, [3, 3, 3], [0.0, 0.0, 0.0])
        off = [[4, 0, 0], [-1, 2, 3], [1, 1, 1], [1.5, 1.5, 1], [3, 3, 3]]
        assert np.all(np.isneginf(dist.log_prob(tf.constant(off, tf.float32))))

    @pytest.mark.parametrize("groups", [2, 3])
    def test_statistics_of_an_impossible_urn_are_nan(self, groups):
        dist = MultivariateFisherNoncentralHypergeometric(
            [2.0, 40.0], [3] * groups, [0.0] * groups
        )
        np.testing.assert_array_equal(np.isnan(dist.mean())[:, 0], [False, True])
        np.testing.assert_array_equal(np.isnan(dist.mode())[:, 0], [False, True])
        with pytest.raises(tf.errors.InvalidArgumentError):
            dist.copy(allow_nan_stats=False).mean()


@pytest.mark.parametrize("name", ["two groups", "three groups", "an empty group"])
def test_log_normalizer_and_mean_are_those_of_the_fractions(name):
    total_count, sizes, weights = URNS[name]
    at = urn(name, tf.float64).urn()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(at.log_weights)
        log_z, mean = log_normalizer_and_mean(at)
        # A direction that no symmetry hides.
        along = tf.reduce_sum(mean * np.arange(1.0, len(sizes) + 1.0))
    exact, _ = exact_urn.mean_and_variance(total_count, sizes, weights)
    counts = counts_near_mean(name)
    ways = sum(math.log(math.comb(m, x)) for m, x in zip(sizes, counts, strict=True))
    weight = float(np.dot(counts, at.log_weights))
    expected = ways + weight - exact_urn.log_prob(*URNS[name], counts)
    assert float(log_z) == pytest.approx(expected, abs=1e-10)
    np.testing.assert_allclose(mean, exact, atol=1e-9)
    np.testing.assert_allclose(tape.gradient(log_z, at.log_weights), exact, atol=1e-9)
    covariance = urn(name, tf.float64).covariance().numpy()
    np.testing.assert_allclose(
        tape.gradient(along, at.log_weights),
        np.arange(1.0, len(sizes) + 1.0) @ covariance,
        atol=1e-9,
    )
