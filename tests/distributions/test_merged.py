"""The paper's approximation against its own definition, enumerated."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric

TOTAL_COUNT, SIZES, WEIGHTS = 8, [4, 5, 6, 3], np.array([1.3, 0.4, 2.0, 1.2])


def merged(log_weights=None, **kwargs):
    log_weights = np.log(WEIGHTS) if log_weights is None else log_weights
    return MultivariateFisherNoncentralHypergeometric(
        TOTAL_COUNT, SIZES, log_weights, method="merged", **kwargs
    )


def sequential(support):
    """The law of equation 3 of the paper, by SciPy, class after class."""
    probs = []
    for counts in support.astype(int):
        prob, left = 1.0, TOTAL_COUNT
        for i in range(len(SIZES) - 1):
            rest, rest_weights = np.array(SIZES[i + 1 :]), WEIGHTS[i + 1 :]
            odds = WEIGHTS[i] / (rest @ rest_weights / rest.sum())
            total = SIZES[i] + rest.sum()
            law = stats.nchypergeom_fisher(total, SIZES[i], left, odds)
            prob *= law.pmf(counts[i])
            left -= counts[i]
        probs.append(prob)
    return np.array(probs)


class TestMerged:
    def test_everything(self):
        support, exact = exact_urn.enumerate_urn(TOTAL_COUNT, SIZES, np.log(WEIGHTS))
        probs = sequential(support)
        assert np.abs(probs - exact).max() > 1e-3
        dist = merged()
        np.testing.assert_allclose(dist.prob(support), probs, atol=1e-10)
        mean, covariance = exact_urn.moments(support, probs)
        np.testing.assert_allclose(dist.mean(), mean, atol=1e-10)
        np.testing.assert_allclose(dist.covariance(), covariance, atol=1e-10)
        np.testing.assert_allclose(dist.entropy(), -probs @ np.log(probs), atol=1e-10)
        for group, size in enumerate(SIZES):
            row = [probs[support[:, group] == k].sum() for k in range(size + 1)]
            marginal = np.exp(dist.marginal_log_prob(group))
            np.testing.assert_allclose(marginal, row, atol=1e-10)
        other = merged(np.array([0.0, 1.0, 0.2, -0.3]))
        expected = probs @ (np.log(probs) - other.log_prob(support).numpy())
        np.testing.assert_allclose(dist.kl_divergence(other), expected, atol=1e-10)

    def test_draws(self):
        support = exact_urn.enumerate_urn(TOTAL_COUNT, SIZES, np.log(WEIGHTS))[0]
        draws = merged().sample(20000, seed=[1, 2]).numpy()
        observed = (draws[:, np.newaxis] == support).all(axis=-1).sum(axis=0)
        expected = sequential(support) * len(draws)
        often = expected > 5.0
        statistic = np.sum((observed - expected)[often] ** 2 / expected[often])
        assert stats.chi2.sf(statistic, often.sum()) > 1e-5

    def test_is_exact_for_equal_weights(self):
        log_weights = np.array([0.7] * 4)
        exact = MultivariateFisherNoncentralHypergeometric(
            TOTAL_COUNT, SIZES, log_weights
        )
        counts = exact.sample(50, seed=[1, 2])
        dist = merged(log_weights)
        np.testing.assert_allclose(
            dist.log_prob(counts), exact.log_prob(counts), atol=1e-10
        )

    def test_gradient_of_the_mean(self):
        theoretical, numerical = tf.test.compute_gradient(
            lambda log_weights: merged(log_weights).mean(),
            [tf.constant(np.log(WEIGHTS))],
            delta=1e-5,
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-8)

    @pytest.mark.parametrize("place", [0, 2, 4])
    def test_a_group_of_weight_zero_is_as_if_it_were_not_there(self, place):
        law = MultivariateFisherNoncentralHypergeometric(
            TOTAL_COUNT,
            np.insert(SIZES, place, 7),
            np.insert(np.log(WEIGHTS), place, -np.inf),
            method="merged",
        )
        np.testing.assert_allclose(
            law.mean(), np.insert(merged().mean(), place, 0.0), atol=1e-10
        )
        support = exact_urn.enumerate_urn(TOTAL_COUNT, SIZES, np.log(WEIGHTS))[0]
        np.testing.assert_allclose(
            law.prob(np.insert(support, place, 0.0, axis=1)),
            merged().prob(support),
            atol=1e-10,
        )

    def test_a_group_that_only_the_other_urn_leaves_out(self):
        out = merged(np.append(np.log(WEIGHTS[:3]), -np.inf))
        assert merged().kl_divergence(out) == np.inf
        finite = out.kl_divergence(merged()).numpy()
        support = exact_urn.enumerate_urn(TOTAL_COUNT, SIZES[:3], np.log(WEIGHTS[:3]))
        counts = np.pad(support[0], [(0, 0), (0, 1)])
        ratios = out.log_prob(counts) - merged().log_prob(counts)
        expected = np.sum(out.prob(counts) * ratios)
        np.testing.assert_allclose(finite, expected, atol=1e-10)

    @pytest.mark.slow
    def test_gradients_where_a_marginal_is_zero(self):
        log_weights = tf.Variable([0.0, 900.0])
        with tf.GradientTape() as tape:
            urn = MultivariateFisherNoncentralHypergeometric(
                10, [10, 10], log_weights, method="merged"
            )
            mean = tf.reduce_sum(tf.exp(urn.marginal_log_prob(0)) * tf.range(11.0))
        np.testing.assert_array_equal(tape.gradient(mean, log_weights), [0.0, 0.0])

    def test_what_has_no_closed_form(self):
        with pytest.raises(NotImplementedError, match="same method"):
            merged().kl_divergence(
                MultivariateFisherNoncentralHypergeometric(
                    TOTAL_COUNT, SIZES, np.log(WEIGHTS)
                )
            )
        with pytest.raises(NotImplementedError, match='method="exact"'):
            merged().mode()


@pytest.mark.slow
@pytest.mark.parametrize("statistic", ["entropy", "kl_divergence"])
def test_gradients_of_two_groups_are_the_exact_methods(statistic):
    log_weights = tf.constant([[0.5, -1.0], [3.0, 0.0], [-2.0, 4.0]])
    gradients = []
    for method in ("exact", "merged"):
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            urn, other = (
                MultivariateFisherNoncentralHypergeometric(
                    10.0, [10.0, 7.0], log_weights=weights, method=method
                )
                for weights in (log_weights, tf.constant([-3.0, 0.0]))
            )
            arguments = [other] if statistic == "kl_divergence" else []
            value = getattr(urn, statistic)(*arguments)
        gradients.append(tape.gradient(value, log_weights).numpy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
