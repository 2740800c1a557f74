"""Large groups, great totals and many groups, against integers of any length."""

import math
import resource
from fractions import Fraction

import exact_urn
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mvhg_tf import (
    FisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)
from mvhg_tf.distributions.binomials import log_binomial, log_choose

LARGE = {
    "1e8": 10**8,
    "2e10": 2 * 10**10,
    "1e12": 10**12,
    "1e15": 10**15,
}


def urn(total_count, sizes, weights, **kwargs):
    return MultivariateFisherNoncentralHypergeometric(
        np.float64(total_count),
        np.array(sizes, np.float64),
        weights=np.array(weights, np.float64),
        **kwargs,
    )


class TestBinomials:
    @pytest.mark.parametrize(
        ("size", "count"),
        [
            (0, 0),
            (1, 1),
            (9, 0),
            (16, 8),
            (30, 9),
            (5000, 17),
            (99999, 50000),
            (10**9, 100),
            (10**15, 12),
            (10**15, 10**15 - 12),
        ],
    )
    def test_log_choose(self, size, count):
        exact = exact_urn.log_fraction(
            Fraction(math.comb(size, min(count, size - count)))
        )
        found = log_choose(np.float64(size), np.float64(count))
        np.testing.assert_allclose(found, exact, rtol=2e-15, atol=1e-15)

    @pytest.mark.parametrize(
        ("size", "count", "odds"),
        [
            (20, 7, Fraction(1, 3)),
            (3000, 1000, Fraction(1, 2)),
            (10**12, 9, Fraction(1, 10**11)),
        ],
    )
    def test_log_binomial(self, size, count, odds):
        exact = exact_urn.log_fraction(Fraction(math.comb(size, count)) * odds**count)
        exact -= size * math.log1p(odds)
        logit = exact_urn.log_fraction(odds)
        found = log_binomial(*(np.float64(v) for v in (size, count, logit)))
        np.testing.assert_allclose(found, exact, atol=1e-11)

    def test_off_the_support_and_certain(self):
        sizes, counts = np.float64([5, 5, 0, 0, 5, 5]), np.float64([6, -1, 0, 1, 0, 1])
        logits = np.float64([0, 0, 0, 0, -np.inf, -np.inf])
        expected = [-np.inf, -np.inf, 0.0, -np.inf, 0.0, -np.inf]
        np.testing.assert_array_equal(log_binomial(sizes, counts, logits), expected)


class TestLargeGroups:
    @pytest.mark.parametrize("name", LARGE)
    @pytest.mark.parametrize("left", [False, True], ids=["drawn", "left"])
    def test_log_prob_and_mean(self, name, left):
        """A few of very many elements are drawn, or are left."""
        size = LARGE[name]
        sizes, weights, counts = [size, 2 * size, size], [1, 2, 4], [3, 2, 7]
        exact = exact_urn.log_prob(12, sizes, weights, counts)
        mean, _ = exact_urn.mean_and_variance(12, sizes, weights)
        total = 12
        if left:
            weights = [Fraction(1, w) for w in weights]
            counts = [m - x for m, x in zip(sizes, counts, strict=True)]
            total = sum(sizes) - 12
        law = urn(total, sizes, weights)
        np.testing.assert_allclose(law.log_prob(np.float64(counts)), exact, atol=1e-12)
        found = np.float64(sizes) - law.mean() if left else law.mean()
        atol = max(1e-11, 4 * size * 2.0**-52) if left else 1e-11
        np.testing.assert_allclose(found, mean, atol=atol, rtol=0)
        draws = law.sample(2000, seed=[1, 2]).numpy()
        np.testing.assert_array_equal(draws.sum(-1), float(total))
        # Five standard deviations of the mean of 2000 draws: by chance below 1e-5.
        found = (np.float64(sizes) - draws if left else draws).mean(0)
        np.testing.assert_allclose(found, mean, atol=5 * np.sqrt(3 / 2000))

    def test_one_of_very_many(self):
        np.testing.assert_allclose(urn(1, [2e10] * 3, [1, 1, 1]).mean(), [1 / 3] * 3)

    def test_two_groups(self):
        law = FisherNoncentralHypergeometric(12, 2**48, 2**47, odds=np.float64(1.0))
        np.testing.assert_allclose(law.mean(), 8.0, rtol=1e-13)
        exact = Fraction(
            math.comb(2**48, 8) * math.comb(2**47, 4), math.comb(3 * 2**47, 12)
        )
        np.testing.assert_allclose(law.prob(8.0), float(exact), rtol=1e-12)

    def test_the_mode_of_what_is_left(self):
        size = 10**15
        few = urn(10, [size] * 3, [1, Fraction(1, 2), Fraction(1, 4)]).mode().numpy()
        many = urn(3 * size - 10, [size] * 3, [1, 2, 4]).mode().numpy()
        assert list(size - many) == list(few)
        assert few.sum() == 10

    def test_sizes_that_are_unknown_in_the_graph(self):
        @tf.function(autograph=False)
        def mean(total_count, sizes):
            law = MultivariateFisherNoncentralHypergeometric(
                total_count, sizes, weights=tf.ones(3, tf.float64)
            )
            return law.mean()

        found = mean(tf.constant(1.0, tf.float64), tf.constant([4e9] * 3, tf.float64))
        np.testing.assert_allclose(found, [1 / 3] * 3)

    @pytest.mark.parametrize("size", [2 * 10**15, 10**17])
    def test_what_does_not_fit_is_refused(self, size):
        with pytest.raises(ValueError, match="rows of .* numbers, but at most"):
            urn(size // 2, [size] * 3, [1, 2, 1]).mean()


class TestGreatTotals:
    @pytest.mark.parametrize("total", [3000, 100_000, 10**6])
    def test_two_groups_against_scipy(self, total):
        law = FisherNoncentralHypergeometric(
            total, 2 * total, 3 * total, odds=np.float64(1.0)
        )
        reference = stats.hypergeom(5 * total, 2 * total, total)
        counts = np.round(reference.mean() + reference.std() * np.arange(-6, 7))
        np.testing.assert_allclose(law.mean(), reference.mean(), rtol=1e-13)
        np.testing.assert_allclose(law.variance(), reference.var(), rtol=1e-9)
        np.testing.assert_allclose(law.cdf(counts), reference.cdf(counts), rtol=1e-8)
        np.testing.assert_allclose(
            law.survival_function(counts), reference.sf(counts), rtol=1e-7
        )

    @pytest.mark.parametrize("total", [3000, 20_000])
    def test_three_groups_are_two_where_weights_are_equal(self, total):
        """Moments of the first group are those of SciPy's central law."""
        sizes = [2 * total, total, 3 * total]
        law = urn(total, sizes, [2, 2, 2])
        reference = stats.hypergeom(6 * total, 2 * total, total)
        np.testing.assert_allclose(law.mean()[0], reference.mean(), rtol=1e-12)
        np.testing.assert_allclose(law.variance()[0], reference.var(), rtol=1e-9)
        draws = law.sample(4 * total, seed=[1, 2]).numpy()
        np.testing.assert_array_equal(draws.sum(-1), float(total))
        # Kolmogorov's limit law is conservative for counts: by chance below 1e-4.
        distance = stats.kstest(draws[:, 0], reference.cdf).statistic
        assert distance < 2.3 / np.sqrt(4 * total)

    def test_entropy_near_that_of_the_normal_law(self):
        """Of n = 1e5: the Edgeworth correction is of the order of 1 / n."""
        law = urn(100_000, [100_000] * 3, [1, 2, 0.5])
        covariance = law.covariance()[:2, :2].numpy()
        normal = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]
        np.testing.assert_allclose(law.entropy(), normal, atol=1e-4)

    def test_many_groups_with_one_that_is_huge(self):
        rng = np.random.RandomState(0)
        sizes = rng.randint(1, 20, 2000).astype(float)
        sizes[17] = 5e9
        law = urn(4000, sizes, np.exp(rng.randn(2000) + 12.0 * (sizes < 20)))
        draws = law.sample(seed=[1, 2]).numpy()
        assert draws.sum() == 4000
        assert np.all(draws <= sizes)
        # The sum of the small groups, within six deviations: by chance below 1e-8.
        mean, variance = law.mean().numpy(), law.variance().numpy()[17]
        assert abs(draws[17] - mean[17]) < 6 * np.sqrt(variance) + 1

    @pytest.mark.slow
    @pytest.mark.parametrize("groups", [300, 700])
    def test_blocks_of_groups_have_the_law(self, groups):
        """Few draws of many groups go by blocks; their moments are the law's."""
        rng = np.random.RandomState(1)
        sizes = rng.randint(0, 4, groups)
        law = urn(groups // 3, sizes, np.exp(rng.randn(groups)))
        draws = np.concatenate([law.sample(2, seed=[1, i]).numpy() for i in range(600)])
        np.testing.assert_array_equal(draws.sum(-1), float(groups // 3))
        mean, variance = law.mean().numpy(), law.variance().numpy()
        certain = variance < 1e-12
        score = (draws.mean(0) - mean)[~certain] / np.sqrt(variance[~certain] / 1200)
        # A sum of squares of about normal scores: by chance below 1e-6.
        limit = stats.chi2.ppf(1 - 1e-6, np.sum(~certain))
        assert np.sum(score**2) < limit
        halves = draws[:, : groups // 2].sum(-1)
        exact = law.covariance().numpy()[: groups // 2, : groups // 2].sum()
        assert abs(halves.var() / exact - 1) < 5 * np.sqrt(2 / 1200)


@pytest.mark.slow
def test_memory_of_great_totals():
    """Each needs less than 1 GB more than the process had before."""

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    before = peak()
    urn(20_000, [20_000] * 3, [1, 2, 0.5]).sample(40_000, seed=[1, 2])
    urn(100_000, [100_000] * 3, [1, 2, 0.5]).entropy()
    sizes = np.full(8614, 7.0)
    sizes[17] = 5e9
    many = urn(20_000, sizes, np.ones(8614))
    many.sample(seed=[1, 2])
    many.entropy()
    assert peak() - before < 1.0


class TestWeightsFarApart:
    """By enumeration in logarithms, where exp(log omega) overflows."""

    @pytest.mark.parametrize("spread", [400.0, 2000.0])
    @pytest.mark.parametrize(
        ("sizes", "method"),
        [
            ((3, 2), "exact"),
            pytest.param((3, 2), "merged", marks=pytest.mark.slow),
            ((2, 1, 3), "exact"),
            ((1, 1, 1, 1), "exact"),
        ],
    )
    def test_values_and_gradients(self, spread, sizes, method):
        rng = np.random.default_rng(len(sizes))
        log_weights = tf.Variable(rng.normal(0.0, spread, len(sizes)))
        outcomes = np.array(list(np.ndindex(*(m + 1 for m in sizes))), np.float64)
        for total in range(sum(sizes) + 1):
            support = outcomes[outcomes.sum(axis=1) == total]
            terms = support @ log_weights.numpy()
            terms += np.log(special.comb(sizes, support)).sum(axis=1)
            expected = terms - special.logsumexp(terms)
            mean = np.exp(expected) @ support
            with tf.GradientTape() as tape:
                law = MultivariateFisherNoncentralHypergeometric(
                    np.float64(total),
                    np.float64(sizes),
                    log_weights=log_weights,
                    method=method,
                )
                value = law.log_prob(support)
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-10)
            np.testing.assert_allclose(law.mean(), mean, atol=1e-10)
            np.testing.assert_allclose(
                tape.gradient(value, log_weights),
                (support - mean).sum(axis=0),
                atol=1e-9,
            )
            draws = law.sample(20, seed=[1, total]).numpy()
            assert {tuple(d) for d in draws} <= {tuple(s) for s in support}
