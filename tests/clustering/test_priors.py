import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.clustering.priors import (
    CategoricalPrior,
    ClusterPrior,
    HypergeometricPrior,
    UniformPrior,
    get,
)
from mvhg_tf.errors import UserError

WEIGHTS = np.array([0.6, 0.3, 0.1])


def _hypergeometric(batch_size=4, num_samples=4, weights=WEIGHTS, **kwargs):
    prior = HypergeometricPrior(**kwargs)
    prior.build(len(weights))
    prior.configure(batch_size, num_samples)
    prior.log_weights.assign(np.log(weights))
    return prior


def _term(prior, usage, batch_size=8):
    rows = tf.constant(np.tile(usage, [batch_size, 1]), tf.float32)
    return float(prior.expected_log_prob(rows, rows))


def _probability_of_sizes(sizes, group_size):
    """By enumeration of which elements of the urn are taken."""
    owner = np.repeat(np.arange(3), group_size)
    total = matched = 0.0
    for taken in itertools.combinations(range(len(owner)), 4):
        counts = np.bincount(owner[list(taken)], minlength=3)
        weight = np.prod(WEIGHTS**counts)
        total += weight
        matched += weight * np.array_equal(counts, sizes)
    return matched / total


@pytest.mark.parametrize("group_size", [2, 3, 4])
@pytest.mark.parametrize("probability_of", ["assignment", "sizes"])
def test_each_batch_has_the_enumerated_probability(group_size, probability_of):
    prior = _hypergeometric(group_sizes=group_size, probability_of=probability_of)
    for assignment in ((0, 1, 0, 2), (0, 0, 1, 1), (2, 1, 1, 0)):
        one_hot = tf.one_hot(assignment, 3)
        sizes = np.bincount(assignment, minlength=3)
        expected = math.log(_probability_of_sizes(sizes, group_size))
        if probability_of == "assignment":
            expected -= math.lgamma(5) - sum(math.lgamma(x + 1) for x in sizes)
        got = 4 * float(prior.expected_log_prob(one_hot, one_hot))
        assert got == pytest.approx(expected, abs=1e-5)


def test_assignments_of_a_batch_have_probabilities_that_sum_to_one():
    prior = _hypergeometric()
    total = 0.0
    for assignment in itertools.product(range(3), repeat=4):
        one_hot = tf.one_hot(assignment, 3)
        total += math.exp(4 * float(prior.expected_log_prob(one_hot, one_hot)))
    assert total == pytest.approx(1.0, abs=1e-5)


def test_proportions_are_the_share_of_a_sample_by_enumeration():
    prior = _hypergeometric(group_sizes=3)
    share = sum(
        math.exp(4 * float(prior.expected_log_prob(rows, rows)))
        for rest in itertools.product(range(3), repeat=3)
        for rows in [tf.one_hot((0, *rest), 3)]
        if max(np.bincount((0, *rest))) <= 3
    )
    assert prior.proportions()[0] == pytest.approx(share, abs=1e-5)
    assert prior.proportions().sum() == pytest.approx(1.0, abs=1e-5)


def test_great_groups_give_the_categorical_prior():
    categorical = CategoricalPrior()
    categorical.build(3)
    categorical.set_proportions(WEIGHTS)
    far = _hypergeometric(batch_size=8, group_sizes=10_000_000)
    usage = [0.5, 0.2, 0.3]
    assert _term(far, usage) == pytest.approx(_term(categorical, usage), abs=1e-5)
    np.testing.assert_allclose(far.proportions(), WEIGHTS, atol=1e-5)


def test_equal_weights_make_the_three_priors_agree():
    equal = np.full(3, 1 / 3)
    uniform, categorical = UniformPrior(), CategoricalPrior()
    uniform.build(3)
    categorical.build(3)
    far = _hypergeometric(8, weights=equal, group_sizes=10_000_000)
    for usage in ([0.5, 0.2, 0.3], [1.0, 0.0, 0.0]):
        assert _term(uniform, usage) == pytest.approx(-math.log(3), abs=1e-6)
        assert _term(categorical, usage) == pytest.approx(-math.log(3), abs=1e-6)
        assert _term(far, usage) == pytest.approx(-math.log(3), abs=1e-5)
    for prior in (uniform, categorical, far):
        np.testing.assert_allclose(prior.proportions(), equal, atol=1e-6)


def test_smaller_groups_reward_even_sizes_more():
    equal = np.full(3, 1 / 3)
    gains = []
    for group_size in (7, 12, 100):
        prior = _hypergeometric(9, 9, equal, group_sizes=group_size)
        gains.append(_term(prior, equal) - _term(prior, [0.6, 0.2, 0.2]))
    assert gains[0] > gains[1] > gains[2] > 0


def test_data_scales_the_batch_to_all_samples():
    data = _hypergeometric(batch_size=4, num_samples=20, group_sizes="data")
    batch = _hypergeometric(batch_size=20, group_sizes="batch")
    usage = [0.5, 0.25, 0.25]
    assert _term(data, usage, 4) == pytest.approx(_term(batch, usage, 20), abs=1e-6)


def test_soft_counts_outside_the_support_are_clamped():
    prior = _hypergeometric(batch_size=6, group_sizes=2)
    prior.log_weights.assign([0.6, -0.1, -0.5])
    rows = tf.Variable(tf.tile([[0.8, 0.1, 0.1]], [6, 1]))
    with tf.GradientTape() as tape:
        value = prior.expected_log_prob(rows, rows)
    assert np.isfinite(float(value))
    gradient = tape.gradient(value, rows).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[:, 0], 0.6 / 6, rtol=1e-6)


@pytest.mark.parametrize("group_sizes", ["batch", "data", 20])
def test_set_proportions_come_back(group_sizes):
    prior = HypergeometricPrior(group_sizes=group_sizes)
    prior.build(4)
    prior.configure(30, 100)
    shares = np.array([0.5, 0.3, 0.1, 0.1])
    prior.set_proportions(shares)
    np.testing.assert_allclose(prior.proportions(), shares, atol=0.01)


def test_gradient_of_the_weights_is_sizes_less_mean():
    prior = _hypergeometric(group_sizes=3)
    rows = tf.one_hot([0, 1, 1, 2], 3)
    with tf.GradientTape() as tape:
        value = prior.expected_log_prob(rows, rows)
    gradient = tape.gradient(value, prior.log_weights.value)
    expected = np.array([0.25, 0.5, 0.25]) - prior.proportions()
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_sampled_counts_look_at_the_draws():
    prior = _hypergeometric(counts="sampled")
    soft, draws = tf.fill([4, 3], 1 / 3), tf.one_hot([0, 0, 1, 2], 3)
    expected = _hypergeometric().expected_log_prob(draws, draws)
    assert float(prior.expected_log_prob(soft, draws)) == pytest.approx(float(expected))


def test_config_round_trip():
    prior = HypergeometricPrior(group_sizes=40, probability_of="sizes")
    copy = get(keras.saving.serialize_keras_object(prior))
    assert copy.get_config() == prior.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group_sizes": "all"}, "group_sizes is 'all', but must be"),
        ({"group_sizes": 0}, "group_sizes is 0, but must be"),
        ({"group_sizes": 2.5}, "group_sizes is 2.5, but must be"),
        ({"probability_of": "both"}, "probability_of is 'both', but must be"),
        ({"counts": "hard"}, "counts is 'hard', but must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        HypergeometricPrior(**arguments)


def test_groups_too_small_for_a_batch_are_refused():
    prior = HypergeometricPrior(group_sizes=2)
    prior.build(3)
    with pytest.raises(UserError, match="pass at least 3"):
        prior.check_sizes(7, 100)
    prior.check_sizes(6, 100)


def test_unknown_priors_are_refused():
    with pytest.raises(UserError, match="prior is 'dirichlet', but must be"):
        get("dirichlet")
    prior = ClusterPrior()
    assert get(prior) is prior
