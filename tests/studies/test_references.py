"""The reference samplers against enumeration, SciPy and the formula they stand for."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mvhg_tf.studies.references import ExactUrn, sample_merged_scipy

GROUP_SIZES, TOTAL_COUNT, WEIGHTS = (2, 4, 3), 5, (1.0, 6.0, 0.5)


def _enumerate(group_sizes, total_count, weights):
    """The support `[S, c]` and its exact probabilities `[S]`."""
    support = [
        x
        for x in itertools.product(*(range(m + 1) for m in group_sizes))
        if sum(x) == total_count
    ]
    terms = np.array(
        [
            math.prod(
                math.comb(m, k) * w**k
                for m, k, w in zip(group_sizes, x, weights, strict=True)
            )
            for x in support
        ]
    )
    return np.array(support), terms / terms.sum()


def test_exact_marginals_equal_enumeration():
    support, probabilities = _enumerate(GROUP_SIZES, TOTAL_COUNT, WEIGHTS)
    urn = ExactUrn(GROUP_SIZES, TOTAL_COUNT, WEIGHTS)
    for group, size in enumerate(GROUP_SIZES):
        expected = np.bincount(support[:, group], probabilities, minlength=size + 1)
        np.testing.assert_allclose(urn.marginal(group), expected, atol=1e-14)


def test_exact_marginal_of_two_large_classes_equals_scipy():
    urn = ExactUrn((200, 300), 180, (3.0, 0.7))
    expected = stats.nchypergeom_fisher.pmf(np.arange(201), 500, 200, 180, 3.0 / 0.7)
    np.testing.assert_allclose(urn.marginal(0), expected, atol=1e-10)


def test_exact_draws_have_the_enumerated_joint_distribution():
    # One chi-squared test, false alarm 1e-5.
    support, probabilities = _enumerate(GROUP_SIZES, TOTAL_COUNT, WEIGHTS)
    urn = ExactUrn(GROUP_SIZES, TOTAL_COUNT, WEIGHTS)
    draws = urn.sample(40_000, np.random.default_rng(0))
    outcome = (draws[:, None] == support).all(-1)
    assert outcome.sum(-1).min() == 1  # Every draw is in the support.
    result = stats.chisquare(outcome.sum(0), probabilities * len(draws))
    assert result.pvalue > 1e-5


def test_merged_draws_follow_the_merged_formula_and_not_fishers():
    # One chi-squared test, false alarm 1e-5. Class 1 of the paper's equation 3 is a
    # draw against one class of size 7 and weight (4 * 6 + 3 * 0.5) / 7.
    draws = sample_merged_scipy(
        GROUP_SIZES, TOTAL_COUNT, WEIGHTS, 40_000, np.random.default_rng(0)
    )
    assert (draws.sum(-1) == TOTAL_COUNT).all()
    _, probabilities = _enumerate((2, 7), TOTAL_COUNT, (1.0, 25.5 / 7))
    counts = np.bincount(draws[:, 0], minlength=3)
    assert stats.chisquare(counts, probabilities * len(draws)).pvalue > 1e-5
    fisher = ExactUrn(GROUP_SIZES, TOTAL_COUNT, WEIGHTS).marginal(0)
    assert stats.chisquare(counts, fisher * len(draws)).pvalue < 1e-5


@pytest.mark.parametrize("total_count", [0, 9])
def test_draws_where_only_one_outcome_is_possible(total_count):
    expected = np.zeros(3) if total_count == 0 else np.array(GROUP_SIZES)
    rng = np.random.default_rng(0)
    exact = ExactUrn(GROUP_SIZES, total_count, WEIGHTS).sample(3, rng)
    merged = sample_merged_scipy(GROUP_SIZES, total_count, WEIGHTS, 3, rng)
    np.testing.assert_array_equal(exact, np.tile(expected, (3, 1)))
    np.testing.assert_array_equal(merged, np.tile(expected, (3, 1)))
