"""HGVAE's selection: counts, places, gradients, and its divergence by enumeration."""

import math

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.models.pairs.selection import HypergeometricSelection
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.schedules import ExponentialAnnealing

NUM_LATENT = 5


def select(selection, means, training=True, step=0, seed=(0, 1)):
    """Selects for pairs whose gamma is `means ** 2 / 2`."""
    means = tf.convert_to_tensor(means, tf.float32)
    zeros = tf.zeros_like(means)
    return selection.select(
        Gaussian(means, zeros),
        Gaussian(zeros, zeros),
        None,
        tf.convert_to_tensor(step),
        tf.constant(seed),
        training,
    )


def count_probabilities(log_odds, d=NUM_LATENT):
    """P(k) of d marbles drawn from two groups of d, by enumeration."""
    weight = [math.comb(d, k) * math.comb(d, d - k) for k in range(d + 1)]
    p = np.array(weight) * np.exp(log_odds * np.arange(d + 1.0))
    return p / p.sum()


def with_log_odds(log_odds, **kwargs):
    """A selection whose dense layer always answers `log_odds`."""
    selection = HypergeometricSelection(NUM_LATENT, **kwargs)
    selection.log_weights.kernel.assign(tf.zeros([NUM_LATENT, 2]))
    selection.log_weights.bias.assign([log_odds, 0.0])
    return selection


@pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
def test_drawn_counts_follow_the_distribution(estimator):
    num = 40_000
    selection = with_log_odds(0.7, gradient_estimator=estimator)
    means = np.tile([[0.1, 3.0, 1.0, 2.0, 0.5]], [num, 1])
    independent = select(selection, means).independent.numpy()
    np.testing.assert_allclose(independent, np.round(independent), atol=1e-5)
    counts = np.bincount(np.round(independent.sum(1)).astype(int), minlength=6) / num
    # 4.9 standard errors in each of 6 bins: a false alarm once in 1e5.
    p = count_probabilities(0.7)
    assert (abs(counts - p) < 4.9 * np.sqrt(p * (1 - p) / num)).all()
    # The independent latents are those that differ most: 1, 3, 2, 4, 0 in turn.
    by_place = independent[:, [1, 3, 2, 4, 0]]
    assert (np.diff(by_place, axis=1) <= 1e-5).all()


def test_outside_training_the_count_is_the_mode():
    for log_odds in (-9.0, -3.0, 0.0, 1.0, 9.0):
        found = select(with_log_odds(log_odds), np.ones([2, 5]), training=False)
        mode = count_probabilities(log_odds).argmax()
        np.testing.assert_array_equal(tf.reduce_sum(found.independent, -1), mode)


@pytest.mark.parametrize(
    ("charge_subset", "weight"), [(True, 1.0), (False, 1.0), (True, 2.0)]
)
def test_divergence_is_the_enumerated_kl_to_the_prior(charge_subset, weight):
    selection = with_log_odds(
        0.7, charge_subset=charge_subset, divergence_weight=weight
    )
    selection.prior_log_odds.assign(-1.5)
    p, q = count_probabilities(0.7), count_probabilities(-1.5)
    if charge_subset:  # q of one subset: all of k latents are as likely
        q /= [math.comb(NUM_LATENT, k) for k in range(NUM_LATENT + 1)]
    divergence = select(selection, np.ones([3, 5])).divergence
    expected = weight * (p * np.log(p / q)).sum()
    np.testing.assert_allclose(divergence, expected, rtol=1e-4)


@pytest.mark.slow
def test_the_mean_estimator_is_exact_for_what_is_linear_in_the_counts():
    """E[sum_i cost_i independent_i] has a closed gradient; every draw gives it."""
    selection = with_log_odds(0.4)
    means = tf.constant([[0.1, 3.0, 1.0, 2.0, 0.5]])
    cost = np.array([0.3, -1.0, 2.0, 0.7, 1.1], np.float32)
    by_place = cost[[1, 3, 2, 4, 0]]
    value_of = np.concatenate([[0.0], np.cumsum(by_place)])

    def expected(log_odds):
        return (count_probabilities(log_odds) * value_of).sum()

    exact = (expected(0.4 + 1e-5) - expected(0.4 - 1e-5)) / 2e-5
    for seed in range(3):
        with tf.GradientTape() as tape:
            independent = select(selection, means, seed=(0, seed)).independent
            loss = tf.reduce_sum(cost * independent)
        gradient = tape.gradient(loss, selection.log_weights.bias)
        np.testing.assert_allclose(gradient[0], exact, rtol=1e-3)


@pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
def test_gradients_are_finite(estimator):
    selection = HypergeometricSelection(NUM_LATENT, gradient_estimator=estimator)
    target = tf.random.stateless_uniform([8, NUM_LATENT], [3, 4])

    @tf.function(autograph=False)
    def gradients_of(means, step):
        with tf.GradientTape() as tape:
            tape.watch(means)
            found = select(selection, means, step=step)
            loss = tf.reduce_sum(target * found.independent) + tf.reduce_sum(
                found.divergence
            )
        return tape.gradient(loss, [means, *selection.trainable_variables])

    means = tf.random.stateless_normal([8, NUM_LATENT], [0, 2])
    for scale in (1e-6, 1.0, 1e3):
        for step in (0, 25_000, 80_000):
            for gradient in gradients_of(scale * means, tf.constant(step)):
                assert np.isfinite(gradient).all(), (scale, step)


def test_a_fixed_prior_is_not_trained():
    learned = HypergeometricSelection(NUM_LATENT)
    fixed = HypergeometricSelection(NUM_LATENT, learn_prior=False)
    assert len(learned.trainable_variables) == 3
    assert len(fixed.trainable_variables) == 2


ORDER_BY = np.log1p(np.array([0.1, 3.0, 1.0, 2.0, 0.5]) ** 2 / 2)


def test_a_stochastic_sort_is_a_plackett_luce_draw():
    num = 20_000
    selection = with_log_odds(0.0, stochastic_sort=True)
    means = np.tile([[0.1, 3.0, 1.0, 2.0, 0.5]], [num, 1])
    independent = np.round(select(selection, means).independent.numpy())
    alone = independent[independent.sum(1) == 1]
    rates = np.exp(ORDER_BY) / np.exp(ORDER_BY).sum()
    assert len(alone) > 1000
    found = alone.mean(axis=0)
    # 4.9 standard errors in each of 5 latents: a false alarm once in 1e5.
    assert (abs(found - rates) < 4.9 * np.sqrt(rates * (1 - rates) / len(alone))).all()
    # Of two, the second is drawn by the rates that are left.
    pairs = independent[independent.sum(1) == 2]
    both = rates[1] * rates[3] * (1 / (1 - rates[1]) + 1 / (1 - rates[3]))
    error = np.sqrt(both * (1 - both) / len(pairs))
    assert abs((pairs[:, [1, 3]].sum(1) == 2).mean() - both) < 4.9 * error


def test_a_relaxed_sort_is_neural_sorts_relaxed_matrix():
    temperature = ExponentialAnnealing(0.7, 0.7, 10)
    relaxed, hard = (
        with_log_odds(0.7, relaxed_sort=is_relaxed, temperature=temperature)
        for is_relaxed in (True, False)
    )
    means = np.tile([[0.1, 3.0, 1.0, 2.0, 0.5]], [50, 1])
    found = select(relaxed, means).independent.numpy()
    k = np.round(select(hard, means).independent.numpy().sum(1)).astype(int)
    distances = np.abs(ORDER_BY[:, None] - ORDER_BY).sum(1)
    logits = (6 - 2 * np.arange(1, 6))[:, None] * ORDER_BY - distances
    rows = np.exp(logits / 0.7)
    rows /= rows.sum(1, keepdims=True)
    expected = np.array([rows[:n].sum(0) for n in k])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert len(set(k)) > 2


@pytest.mark.parametrize("option", ["stochastic_sort", "relaxed_sort"])
def test_outside_training_the_sort_is_exact(option):
    means = np.random.RandomState(0).normal(size=[40, 5])
    found, plain = (
        select(with_log_odds(0.7, **options), means, training=False).independent
        for options in ({option: True}, {})
    )
    np.testing.assert_allclose(found, plain, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_gradients_of_a_stochastic_relaxed_sort_are_finite(scale):
    selection = HypergeometricSelection(
        NUM_LATENT, stochastic_sort=True, relaxed_sort=True
    )
    means = tf.random.stateless_normal([8, NUM_LATENT], [0, 2]) * scale
    with tf.GradientTape() as tape:
        tape.watch(means)
        found = select(selection, means, step=80_000)
        target = tf.random.stateless_uniform([8, NUM_LATENT], [3, 4])
        loss = tf.reduce_sum(target * found.independent)
    for gradient in tape.gradient(loss, [means, *selection.log_weights.weights]):
        assert np.isfinite(gradient).all()
