"""Against SciPy's nchypergeom_fisher."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mvhg_tf.distributions import (
    FisherNoncentralHypergeometric,
    MultivariateFisherNoncentralHypergeometric,
)

URNS = [(10, 8, 12, 0.5), (10, 8, 5, 2.0), (40, 60, 30, 0.1), (5, 5, 5, 1.0)]


def ours(total_count, group_size, other_size, odds, dtype=tf.float64):
    return FisherNoncentralHypergeometric(
        total_count, group_size, other_size, odds=tf.constant(odds, dtype)
    )


def scipys(total_count, group_size, other_size, odds):
    return stats.nchypergeom_fisher(
        group_size + other_size, group_size, total_count, odds
    )


@pytest.mark.parametrize("urn", URNS)
class TestAgainstSciPy:
    def test_functions_of_a_count(self, urn):
        dist, reference = ours(*urn), scipys(*urn)
        counts = np.arange(-2.0, urn[0] + 3.0)
        np.testing.assert_allclose(dist.prob(counts), reference.pmf(counts), atol=1e-9)
        np.testing.assert_allclose(dist.cdf(counts), reference.cdf(counts), atol=1e-9)
        np.testing.assert_allclose(dist.cdf(counts + 0.5), dist.cdf(counts))
        np.testing.assert_allclose(
            dist.survival_function(counts), reference.sf(counts), atol=1e-9
        )

    def test_quantile(self, urn):
        dist, reference = ours(*urn), scipys(*urn)
        levels = np.array([0.01, 0.2, 0.51, 0.77, 0.999])
        np.testing.assert_array_equal(dist.quantile(levels), reference.ppf(levels))
        support = np.arange(*(reference.support() + np.array([0, 1])))
        support = support[reference.sf(support) > 1e-6]
        least = dist.quantile(dist.cdf(support) * (1.0 - 1e-9))
        np.testing.assert_array_equal(least, support)

    def test_moments_and_draws(self, urn):
        dist, reference = ours(*urn), scipys(*urn)
        np.testing.assert_allclose(dist.mean(), reference.mean(), rtol=1e-8)
        np.testing.assert_allclose(dist.variance(), reference.var(), rtol=1e-7)
        np.testing.assert_allclose(dist.entropy(), reference.entropy(), rtol=1e-7)
        support = np.arange(urn[0] + 1)
        assert reference.pmf(dist.mode()) == pytest.approx(reference.pmf(support).max())
        draws = dist.sample(20000, seed=[1, 2])
        error = np.mean(draws) - reference.mean()
        assert abs(error) < 5.0 * np.sqrt(reference.var() / 20000)


class TestTails:
    def test_logs_of_tails_keep_their_accuracy(self):
        dist = ours(300, 400, 400, 1.0)
        reference = scipys(300, 400, 400, 1.0)
        counts = np.arange(1.0, 40.0)
        logs = [np.logaddexp.reduce(reference.logpmf(np.arange(k + 1))) for k in counts]
        assert logs[0] < -150.0
        np.testing.assert_allclose(dist.log_cdf(counts), logs, rtol=1e-8)


class TestQuantile:
    """`quantile` is the inverse of `cdf`: the least count whose CDF reaches a level."""

    @pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
    @pytest.mark.parametrize(
        "urn", [(30, 40, 30, 0.3), (30, 50, 500, 0.3), (300, 400, 500, 2.0)]
    )
    def test_of_the_cdf(self, urn, dtype):
        dist = ours(*urn, dtype)
        counts = np.arange(urn[0] + 1.0)
        cdf = dist.cdf(tf.constant(counts, dtype)).numpy()
        # Counts whose CDF no rounding has made that of another one, or 1.
        apart = (np.diff(cdf, prepend=-1.0) > 0) & (cdf > 0) & (cdf < 1)
        assert apart.sum() > 5
        np.testing.assert_array_equal(dist.quantile(cdf[apart]), counts[apart])
        total = cdf + dist.survival_function(tf.constant(counts, dtype))
        np.testing.assert_allclose(total, 1.0, rtol=1e-6)

    def test_ends_and_what_is_no_probability(self):
        dist = ours(30, 50, 500, 0.3)
        np.testing.assert_array_equal(dist.quantile([0.0, 1.0]), [0.0, 30.0])
        for level in (np.nan, -0.1, 1.1):
            assert np.isnan(dist.quantile(level))
        dist = ours(30, 20, 15, 0.3)  # 15 to 20
        np.testing.assert_array_equal(dist.quantile([0.0, 1.0]), [15.0, 20.0])
        assert np.isnan(dist.cdf(np.nan))


class TestKL:
    @pytest.mark.parametrize(
        ("first", "second"), [((10, 8, 12), (10, 9, 11)), (URNS[0][:3], (10, 8, 12))]
    )
    def test_of_other_sizes(self, first, second):
        counts = np.arange(11.0)
        p, q = scipys(*first, 0.5).pmf(counts), scipys(*second, 2.0).pmf(counts)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.nansum(np.where(p > 0, p * np.log(p / q), 0.0))
        found = ours(*first, 0.5).kl_divergence(ours(*second, 2.0))
        np.testing.assert_allclose(found, expected, rtol=1e-8)

    def test_is_infinite_off_the_support(self):
        assert ours(10, 8, 12, 1.0).kl_divergence(ours(9, 8, 12, 1.0)) == np.inf
        assert ours(10, 9, 12, 1.0).kl_divergence(ours(10, 8, 12, 1.0)) == np.inf


class TestBatches:
    def test_shapes_and_the_multivariate_law(self):
        log_odds = np.array([[0.5], [-1.0]])
        dist = FisherNoncentralHypergeometric([4, 7, 9], 6, [5, 5, 9], log_odds)
        assert dist.batch_shape == [2, 3] and dist.event_shape == []
        assert dist.sample([5], seed=[0, 1]).shape == [5, 2, 3]
        pair = MultivariateFisherNoncentralHypergeometric(
            [4, 7, 9],
            [[6, 5], [6, 5], [6, 9]],
            np.stack([log_odds, np.zeros([2, 1])], axis=-1),
        )
        np.testing.assert_allclose(dist.mean(), pair.mean()[..., 0])
        np.testing.assert_allclose(
            dist.log_prob(3.0),
            pair.log_prob(np.stack([[3.0] * 3, np.array([4, 7, 9]) - 3.0], axis=-1)),
        )
        other = dist.copy(log_odds=np.array([[0.0], [0.3]]))
        np.testing.assert_allclose(
            dist.kl_divergence(other).numpy()[0, 0],
            tf.reduce_sum(
                dist.prob(np.arange(5.0)[:, None, None])
                * (
                    dist.log_prob(np.arange(5.0)[:, None, None])
                    - other.log_prob(np.arange(5.0)[:, None, None])
                ),
                axis=0,
            )[0, 0],
        )

    def test_statistics_of_what_cannot_be_drawn(self):
        urns = {"total_count": [9, 10], "group_size": 4, "other_size": 5, "odds": 2.0}
        for name in ("mean", "variance", "mode", "entropy"):
            value = getattr(FisherNoncentralHypergeometric(**urns), name)()
            np.testing.assert_array_equal(np.isnan(value), [False, True])
            strict = FisherNoncentralHypergeometric(**urns, allow_nan_stats=False)
            with pytest.raises(tf.errors.InvalidArgumentError, match="undefined"):
                getattr(strict, name)()

    def test_bad_input(self):
        with pytest.raises(ValueError, match="neither of log_odds and odds"):
            FisherNoncentralHypergeometric(3, 4, 5)
        with pytest.raises(ValueError, match="does not broadcast"):
            FisherNoncentralHypergeometric([3, 4], [4, 4, 4], 5, 0.0)
        with pytest.raises(tf.errors.InvalidArgumentError, match="must not exceed"):
            FisherNoncentralHypergeometric(30, 4, 5, 0.0, validate_args=True)
