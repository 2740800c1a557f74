import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import gammaln

from mvhg_tf import RandomPartition
from mvhg_tf.clustering.priors import (
    CategoricalPrior,
    ClusterPrior,
    HypergeometricPrior,
    RandomPartitionPrior,
    UniformPrior,
    get,
)
from mvhg_tf.runs.errors import UserError

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


def _log_ways(group_size, size, probability_of):
    """By SciPy, whose gamma functions go on beyond m, up to m + 1."""
    ways = gammaln(group_size + 1) - gammaln(group_size - size + 1)
    return ways - gammaln(size + 1) if probability_of == "sizes" else ways


@pytest.mark.parametrize("group_size", [2, 26, 128])
@pytest.mark.parametrize("probability_of", ["assignment", "sizes"])
def test_beyond_the_support_goes_the_parabola_of_the_boundary(
    group_size, probability_of
):
    prior = _hypergeometric(6, 6, group_sizes=group_size, probability_of=probability_of)
    step = 1e-3
    before, at, after = (
        _log_ways(group_size, group_size + change, probability_of)
        for change in (-step, 0.0, step)
    )
    slope = (after - before) / (2 * step)
    curvature = (after - 2 * at + before) / step**2
    log_weight = math.log(WEIGHTS[0])
    values = []
    for beyond in (-step, 0.0, 0.5, 3.0, 40.0):
        sizes = tf.Variable([group_size + beyond, 0.5, 1.0], dtype=tf.float64)
        with tf.GradientTape() as tape:
            values.append(prior.log_prob(sizes))
        if beyond < 0:
            continue
        gained = values[-1] - values[1] - beyond * log_weight
        expected = beyond * slope + 0.5 * beyond**2 * curvature
        assert float(gained) == pytest.approx(expected, rel=1e-5, abs=1e-9)
        gradient = tape.gradient(values[-1], sizes)
        expected = slope + beyond * curvature + log_weight
        assert float(gradient[0]) == pytest.approx(expected, rel=1e-5)
    # From within the support, value and slope come to those of the boundary.
    lost = float(values[1] - values[0]) - step * log_weight
    assert lost == pytest.approx(step * slope, rel=2e-3)


@pytest.mark.parametrize("probability_of", ["assignment", "sizes"])
def test_no_weight_makes_one_cluster_take_more_than_it_has(probability_of):
    weights = np.array([math.exp(8.0), 1.0, 1.0])
    prior = _hypergeometric(
        128, weights=weights, group_sizes=60, probability_of=probability_of
    )
    values = []
    for first in np.arange(70.0, 128.5, 2.0):
        rest = (128.0 - first) / 2
        values.append(
            float(prior.log_prob(tf.constant([first, rest, rest], tf.float64)))
        )
    assert np.all(np.diff(values) < 0)
    assert np.all(np.diff(values, 2) < 0)


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


def test_a_random_partition_of_equal_scores_is_the_prior():
    prior = RandomPartitionPrior()
    prior.build(3)
    prior.configure(5, 100)
    prior.log_weights.assign(np.log(WEIGHTS))
    law = RandomPartition(np.log(WEIGHTS), scores=np.zeros(5))
    for assignment in ((0, 1, 0, 2, 2), (1, 1, 1, 1, 1), (2, 0, 0, 0, 1)):
        one_hot = tf.one_hot(assignment, 3, dtype=tf.float64)
        expected = float(law.log_prob(one_hot))
        term = prior.expected_log_prob(one_hot, one_hot)
        assert 5 * float(term) == pytest.approx(expected, abs=1e-5)
    assert isinstance(get("random_partition"), RandomPartitionPrior)
