"""Selections that draw the subset: laws, gradients and divergences by enumeration."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.models.pairs.drawn_selections import (
    PartitionSelection,
    SubsetSelection,
)
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian

D = 4
KINDS = [SubsetSelection, PartitionSelection]
SUBSETS = np.array(list(itertools.product([0, 1], repeat=D)))
MEANS = np.array([0.3, 2.0, 0.8, 1.3])
SIGNAL = np.log1p(MEANS**2 / 2)  # gamma of unit variances is half the squared distance
OFFSETS = np.array([0.2, -0.7, 0.0, 0.5])
SHARPNESS = 1.2
LOG_ODDS, PRIOR = 0.6, -1.0


def made(kind, **kwargs):
    """A selection whose log odds are `LOG_ODDS` for every pair."""
    selection = kind(D, **kwargs)
    if kind is PartitionSelection:
        selection.num_draws = kwargs.get("num_draws", 2)  # fast
    selection.log_weights.kernel.assign(tf.zeros([D, 2]))
    selection.log_weights.bias.assign([LOG_ODDS, 0.0])
    selection.sharpness.assign(SHARPNESS)
    selection.offsets.assign(OFFSETS)
    selection.prior_log_odds.assign(PRIOR)
    return selection


def select(selection, num, training=True, seed=(0, 1)):
    means = tf.cast(tf.tile(MEANS[None], [num, 1]), tf.float32)
    zeros = tf.zeros_like(means)
    posteriors = Gaussian(means, zeros), Gaussian(zeros, zeros)
    labels, step = None, tf.constant(0)
    seed = tf.convert_to_tensor(seed)
    chosen = tf.function(selection.select, autograph=False)
    return chosen(*posteriors, labels, step, seed, training)


def count_probabilities(log_odds):
    """P(k) of d marbles drawn from two groups of d, by enumeration."""
    weight = np.array([math.comb(D, k) ** 2 for k in range(D + 1)], float)
    p = weight * np.exp(log_odds * np.arange(D + 1.0))
    return p / p.sum()


def given_number(kind, scores):
    """P(subset | its size), of each in `SUBSETS`."""
    scores, sizes = np.asarray(scores, float), SUBSETS.sum(1)
    if kind is SubsetSelection:
        weight = np.exp(SUBSETS @ scores)
    else:
        weight = np.zeros(len(SUBSETS))
        rates = np.exp(scores)
        for i, size in enumerate(sizes):
            for order in itertools.permutations(np.flatnonzero(SUBSETS[i])):
                taken = np.cumsum([0.0, *rates[list(order)]])[:-1]
                left = rates.sum() - taken
                weight[i] += np.prod(rates[list(order)] / left[:size])
    totals = np.array([weight[sizes == size].sum() for size in range(D + 1)])
    return weight / totals[sizes]


def probabilities(kind, log_odds=LOG_ODDS, sharpness=SHARPNESS, offsets=OFFSETS):
    """P(subset), of each in `SUBSETS`."""
    given = given_number(kind, sharpness * SIGNAL + offsets)
    return given * count_probabilities(log_odds)[SUBSETS.sum(1)]


def divergence(kind, prior=PRIOR, **parameters):
    p = probabilities(kind, **parameters)
    sizes = SUBSETS.sum(1)
    number = np.array([math.comb(D, k) for k in range(D + 1)])
    q = (count_probabilities(prior) / number)[sizes]
    return np.sum(p * np.log(p / q))


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_subsets_follow_the_law(kind):
    num = 6_000
    independent = select(made(kind), num).independent.numpy()
    np.testing.assert_allclose(independent, np.round(independent), atol=1e-5)
    drawn = np.round(independent).astype(int) @ (2 ** np.arange(D)[::-1])
    found = np.bincount(drawn, minlength=2**D) / num
    p = probabilities(kind)
    # 5 standard errors in each of 16 bins: a false alarm once in 1e5.
    assert (abs(found - p) < 5.0 * np.sqrt(p * (1 - p) / num)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_outside_training_it_is_the_mode(kind):
    selection = made(kind)
    found = select(selection, 2, training=False)
    p = probabilities(kind)
    # First the likeliest number, then its likeliest subset.
    number = count_probabilities(LOG_ODDS).argmax()
    p = np.where(SUBSETS.sum(1) == number, p, 0.0)
    expected = SUBSETS[p.argmax()]
    np.testing.assert_allclose(found.independent, [expected] * 2, atol=1e-5)
    np.testing.assert_allclose(
        np.exp(found.log_probs), [count_probabilities(LOG_ODDS)] * 2, rtol=1e-4
    )


def derivatives(function):
    """Those of a function of the law's parameters, by central differences."""
    step = 1e-5
    given = {"log_odds": LOG_ODDS, "sharpness": SHARPNESS}
    found = []
    for name, value in given.items():
        up, down = (function(**{name: value + x}) for x in (step, -step))
        found.append((up - down) / (2 * step))
    for unit in np.eye(D):
        up, down = (function(offsets=OFFSETS + x * unit) for x in (step, -step))
        found.append((up - down) / (2 * step))
    return np.array(found)


def gradients(tape, loss, selection):
    bias, sharpness, offsets = tape.gradient(
        loss, [selection.log_weights.bias, selection.sharpness, selection.offsets]
    )
    return tf.concat([bias[:1], sharpness[None], offsets], axis=0)


def value_and_gradients(selection, loss_of, num):
    """A function of the seed, compiled once."""

    @tf.function(autograph=False)
    def call(seed):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(loss_of(select(selection, num, seed=seed)))
        return loss, gradients(tape, loss, selection)

    return lambda seed: [x.numpy() for x in call(tf.constant([7, seed]))]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_draws_are_exact_in_the_mean_for_linear_losses(kind):
    cost = np.array([0.3, -1.0, 2.0, 0.7], np.float32)
    exact = derivatives(lambda **given: probabilities(kind, **given) @ (SUBSETS @ cost))
    call = value_and_gradients(
        made(kind),
        lambda found: tf.linalg.matvec(found.independent, cost.astype("f")),
        500,
    )
    found = [call(seed)[1] for seed in range(40)]
    assert np.abs(exact).max() > 0.1
    check_mean(found, exact, 0.05)


def test_the_divergence_of_subsets_is_exact_with_its_gradient():
    call = value_and_gradients(made(SubsetSelection), lambda found: found.divergence, 3)
    value, found = call(0)
    np.testing.assert_allclose(value, divergence(SubsetSelection), rtol=1e-4)
    exact = derivatives(lambda **given: divergence(SubsetSelection, **given))
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_divergence_of_partitions_is_unbiased_with_its_gradient():
    call = value_and_gradients(
        made(PartitionSelection, num_draws=16), lambda found: found.divergence, 60
    )
    values, found = zip(*map(call, range(30)), strict=True)
    exact = derivatives(lambda **given: divergence(PartitionSelection, **given))
    check_mean(values, divergence(PartitionSelection), 0.02)
    check_mean(found, exact, 0.05)


def check_mean(values, exact, most):
    """Compares the mean of 30 batches or more."""
    error = np.std(values, axis=0, ddof=1) / np.sqrt(len(values))
    # 7 standard errors, estimated themselves: a false alarm once in 1e6.
    assert (np.abs(np.mean(values, axis=0) - exact) < 7 * error + 1e-4).all()
    assert np.all(error < most)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite(kind):
    selection = kind(6)

    @tf.function(autograph=False)
    def gradients_of(means):
        zeros = tf.zeros_like(means)
        posteriors = Gaussian(means, zeros), Gaussian(zeros, zeros)
        step, seed = tf.constant(5), tf.constant([1, 2])
        with tf.GradientTape() as tape:
            tape.watch(means)
            found = selection.select(*posteriors, None, step, seed, True)
            target = tf.random.stateless_uniform([8, 6], [3, 4])
            loss = tf.reduce_sum(target * found.independent + found.divergence[:, None])
        return tape.gradient(loss, [means, *selection.trainable_variables])

    means = tf.random.stateless_normal([8, 6], [0, 2])
    for scale in (0.0, 1.0, 1e3):
        for gradient in gradients_of(scale * means):
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_config_makes_the_same_layer(kind):
    selection = kind(D, initial_log_odds=-1.0, initial_sharpness=3.0, learn_prior=False)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(selection)
    )
    assert again.get_config() == selection.get_config()
    assert len(again.trainable_variables) == 4
    assert len(kind(D).trainable_variables) == 5
    for name in selection.scalar_names:
        assert name in selection.scalars(tf.constant(0))
