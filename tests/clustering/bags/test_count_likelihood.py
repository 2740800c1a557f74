"""The probability of class counts, against enumeration and SciPy."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from mvhg_tf.clustering import count_log_prob
from mvhg_tf.clustering.bags.count_likelihood import proportion_log_prob


def enumerated(logits, counts):
    """Sum over the classes of log P(N_k = n_k), by all assignments; and the joint."""
    probs = scipy.special.softmax(np.float64(logits), axis=-1)
    num, classes = probs.shape
    marginals, joint = np.zeros(classes), 0.0
    for assignment in itertools.product(range(classes), repeat=num):
        probability = np.prod(probs[np.arange(num), assignment])
        found = np.bincount(assignment, minlength=classes)
        marginals += probability * (found == counts)
        joint += probability * np.array_equal(found, counts)
    return np.log(marginals), np.log(joint)


def test_two_classes_are_exact():
    logits = np.random.default_rng(0).normal(0, 3, [7, 2])
    for first in range(8):
        _, joint = enumerated(logits, [first, 7 - first])
        np.testing.assert_allclose(
            count_log_prob(logits, [first, 7 - first]), joint, rtol=1e-10
        )


def test_more_classes_are_the_sum_of_the_exact_marginals():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, [2, 3, 6, 3])
    counts = rng.multinomial(6, [0.5, 0.3, 0.2], [2, 3])
    value = count_log_prob(logits, counts)
    assert value.shape == [2, 3]
    for index in np.ndindex(2, 3):
        marginals, _ = enumerated(logits[index], counts[index])
        np.testing.assert_allclose(value[index], marginals.sum(), rtol=1e-10)


@pytest.mark.parametrize("scale", [1.0, 20.0, 300.0])
def test_large_bags_are_those_of_the_poisson_binomial(scale):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, scale, [200, 2])
    odds = logits[:, 0] - logits[:, 1]
    mean = int(scipy.special.expit(odds).sum())
    expected = scipy.stats.poisson_binom(scipy.special.expit(odds)).logpmf(mean)
    np.testing.assert_allclose(
        count_log_prob(logits, [mean, 200 - mean]), expected, rtol=1e-7
    )
    single = count_log_prob(np.float32(logits), [mean, 200 - mean])
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-4)


def test_the_gradient_is_the_posterior_less_the_prior():
    """The posterior by Bayes' rule: with sample i in the class, n - 1 of the others."""
    rng = np.random.default_rng(3)
    odds = tf.constant(rng.normal(0, 2, [9]))
    with tf.GradientTape() as tape:
        tape.watch(odds)
        logits = tf.stack([odds, tf.zeros_like(odds)], axis=-1)
        value = count_log_prob(logits, [4, 5])
    probs = scipy.special.expit(odds.numpy())
    evidence = scipy.stats.poisson_binom(probs).pmf(4)
    others = [scipy.stats.poisson_binom(np.delete(probs, i)).pmf(3) for i in range(9)]
    posterior = probs * np.array(others) / evidence
    np.testing.assert_allclose(tape.gradient(value, odds), posterior - probs, rtol=1e-8)


@pytest.mark.parametrize("function", [count_log_prob, proportion_log_prob])
def test_absent_places_change_nothing(function):
    rng = np.random.default_rng(4)
    logits = rng.normal(size=[5, 3])
    counts = [2, 0, 3]
    padded = tf.Variable(np.concatenate([logits, 9 + rng.normal(size=[3, 3])]))
    with tf.GradientTape() as tape:
        value = function(padded, counts, np.arange(8) < 5)
    np.testing.assert_allclose(value, function(logits, counts), rtol=1e-10)
    gradient = tape.gradient(value, padded)
    np.testing.assert_array_equal(gradient[5:], np.zeros([3, 3]))
    assert np.all(gradient[:5] != 0.0)


def test_certain_samples_have_finite_values_and_gradients():
    logits = tf.Variable(np.float32(1e3 * np.eye(4)))
    with tf.GradientTape() as tape:
        right = count_log_prob(logits, [1, 1, 1, 1])
        wrong = count_log_prob(logits, [4, 0, 0, 0])
        both = right + wrong
    np.testing.assert_allclose(right, 0.0, atol=1e-5)
    assert np.isfinite(wrong) and wrong < -1000
    assert np.all(np.isfinite(tape.gradient(both, logits)))


def test_the_usual_loss_does_not_see_whether_samples_are_told_apart():
    """What the counts' probability is for."""
    apart = np.repeat([[20.0, 0.0], [0.0, 20.0]], 8, axis=0)
    alike = np.zeros([16, 2])
    losses = proportion_log_prob(np.stack([apart, alike]), [[8, 8], [8, 8]])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    exact = count_log_prob(np.stack([apart, alike]), [[8, 8], [8, 8]])
    np.testing.assert_allclose(exact[0], 0.0, atol=1e-6)
    expected = scipy.stats.binom(16, 0.5).logpmf(8)
    np.testing.assert_allclose(exact[1], expected, rtol=1e-6)
