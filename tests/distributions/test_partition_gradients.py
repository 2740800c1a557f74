"""Gradients through draws, against the exact gradients of listed assignments.

A test that draws fails with a probability below 1e-5 by chance: with `DRAWS` draws the
mean of each of fewer than ten numbers is within five standard errors.
"""

import numpy as np
import pytest
import tensorflow as tf
from exact_partition import all_groups, one_hot

from mvhg_tf import RandomPartition, neural_sort

DRAWS = 20000
NUM_ELEMENTS, NUM_GROUPS = 5, 3
RANDOM = np.random.default_rng(2)
LOG_WEIGHTS = tf.constant(RANDOM.normal(0.0, 0.7, NUM_GROUPS))
SCORES = tf.constant(RANDOM.normal(0.0, 1.0, NUM_ELEMENTS))
WEIGHTS = tf.constant(RANDOM.normal(0.0, 1.0, [NUM_ELEMENTS, NUM_GROUPS]))
SIZE = NUM_ELEMENTS * NUM_GROUPS
MIX = tf.constant(RANDOM.normal(0.0, 1.0, [SIZE, SIZE]))


def linear(assignment):
    return tf.reduce_sum(assignment * WEIGHTS, axis=[-2, -1])


def quadratic(assignment):
    flat = tf.reshape(assignment, [-1, SIZE])
    return tf.reduce_sum(flat * (flat @ MIX), axis=-1)


def of_sizes(assignment):
    wanted = tf.constant([1.0, 2.0, 2.0], tf.float64)
    return tf.reduce_sum((tf.reduce_sum(assignment, axis=-2) - wanted) ** 2, axis=-1)


def exact_gradients(loss):
    """Of E[loss], by listing all assignments."""
    groups = all_groups(NUM_ELEMENTS, NUM_GROUPS)
    assignments = tf.constant(one_hot(groups, NUM_GROUPS))
    parameters = [LOG_WEIGHTS, SCORES]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_probs = RandomPartition(*parameters).log_prob(assignments)
        expected = tf.reduce_sum(tf.exp(log_probs) * loss(assignments))
    return tape.gradient(expected, parameters)


def sampled_gradients(loss, **arguments):
    """Of `DRAWS` draws, one for each member of a batch: `[S, K]` and `[S, n]`."""
    parameters = [tf.repeat(value[None], DRAWS, 0) for value in (LOG_WEIGHTS, SCORES)]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        draws = RandomPartition(*parameters, **arguments).sample(seed=[1, 2])
        value = tf.reduce_sum(loss(draws))
    return tape.gradient(value, parameters)


def assert_unbiased(slopes, wanted):
    error = np.std(slopes, axis=0) / np.sqrt(DRAWS)
    assert np.all(np.abs(np.mean(slopes, axis=0) - wanted) < 5.0 * error + 1e-12)


class TestRace:
    @pytest.mark.parametrize("loss", [linear, quadratic])
    def test_is_unbiased_for(self, loss):
        _, slopes = sampled_gradients(loss)
        _, wanted = exact_gradients(loss)
        assert_unbiased(slopes, wanted)
        np.testing.assert_allclose(tf.reduce_sum(slopes, axis=-1), 0.0, atol=1e-10)

    def test_is_nothing_for_a_loss_of_the_sizes(self):
        _, slopes = sampled_gradients(of_sizes)
        np.testing.assert_array_equal(slopes, np.zeros([DRAWS, NUM_ELEMENTS]))

    @pytest.mark.slow
    def test_has_less_variance_than_the_score_function(self):
        _, slopes = sampled_gradients(linear)
        parameters = [
            tf.repeat(value[None], DRAWS, 0) for value in (LOG_WEIGHTS, SCORES)
        ]
        with tf.GradientTape() as tape:
            tape.watch(parameters[1])
            law = RandomPartition(*parameters)
            draws = tf.stop_gradient(law.sample(seed=[1, 2]))
            losses = linear(draws) - tf.reduce_mean(linear(draws))
            value = tf.reduce_sum(losses * law.log_prob(draws))
        score = tape.gradient(value, parameters[1])
        assert np.var(slopes, axis=0).sum() < 0.5 * np.var(score, axis=0).sum()

    def test_scores_far_apart(self):
        scores = tf.constant([800.0, 3.0, 3.0, -800.0, -1e5], tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            draws = RandomPartition(LOG_WEIGHTS, scores).sample(200, seed=[1, 2])
            value = tf.reduce_sum(quadratic(draws))
        assert np.all(np.isfinite(tape.gradient(value, scores)))


class TestNeuralSort:
    def test_is_that_of_the_relaxed_permutation(self):
        temperature = 0.5
        law = RandomPartition(
            LOG_WEIGHTS, SCORES, order_estimator="neural_sort", temperature=temperature
        )
        with tf.GradientTape() as tape:
            tape.watch(law.scores)
            value = linear(law.sample(30, seed=[1, 2]) ** 2)
        slope = tape.gradient(value, law.scores)
        # The same with the matrices: P sorts the keys, and F says whose each place is.
        drawn = law.sample_ordered(30, seed=[1, 2])
        places = np.argsort(drawn.permutation, axis=-1)
        groups = np.argmax(drawn.assignment, axis=-1)
        filled = np.take_along_axis(groups, drawn.permutation.numpy(), axis=-1)
        keys = keys_of(law, 30)
        assert np.all(np.argsort(-keys) == drawn.permutation)
        noise = tf.constant(keys - SCORES)
        with tf.GradientTape() as tape:
            tape.watch(SCORES)
            matrix = neural_sort(SCORES + noise, temperature, hard=True)
            assignment = tf.matmul(
                matrix, tf.constant(one_hot(filled, NUM_GROUPS)), transpose_a=True
            )
            value = linear(assignment**2)
        np.testing.assert_array_equal(assignment, drawn.assignment)
        np.testing.assert_allclose(tape.gradient(value, SCORES), slope, rtol=1e-9)
        assert places.shape == (30, NUM_ELEMENTS)

    def test_has_a_bias_for_a_linear_loss_that_the_race_has_not(self):
        _, wanted = exact_gradients(linear)
        bias = []
        for estimator in ("race", "neural_sort"):
            _, slopes = sampled_gradients(linear, order_estimator=estimator)
            bias.append(np.linalg.norm(np.mean(slopes, axis=0) - wanted))
        assert bias[0] < 0.2 * bias[1]


def keys_of(law, num_draws):
    """Scores and noise of the draws with the seed [1, 2]."""
    from tensorflow_probability.python.internal import samplers

    from mvhg_tf.distributions.partition import draws, functions

    seed = samplers.sanitize_seed([1, 2], salt="RandomPartition")
    seed = tf.bitwise.bitwise_xor(seed, tf.constant(functions._RACE_SALT))
    return draws.run(law.scores, num_draws, seed).keys.numpy()


class TestSizes:
    @pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
    def test_a_linear_loss_of_the_sizes_has_their_own_gradient(self, estimator):
        weights = tf.constant([1.0, -2.0, 0.5], tf.float64)
        arguments = {"gradient_estimator": estimator}
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(LOG_WEIGHTS)
            law = RandomPartition(LOG_WEIGHTS, SCORES, **arguments)
            drawn = law.sample_ordered(7, seed=[1, 2])
            by_assignment = tf.reduce_sum(drawn.assignment @ weights[:, None])
            by_sizes = tf.reduce_sum(drawn.sizes @ weights[:, None])
        slopes = tape.gradient([by_assignment], LOG_WEIGHTS)
        np.testing.assert_allclose(
            slopes, tape.gradient([by_sizes], LOG_WEIGHTS), rtol=1e-9
        )

    def test_of_one_group_there_is_none(self):
        log_weights, scores = tf.constant([0.5]), tf.constant([0.0, 1.0])
        with tf.GradientTape() as tape:
            tape.watch([log_weights, scores])
            draws = RandomPartition(log_weights, scores).sample(3)
            value = tf.reduce_sum(draws**2)
        for slope in tape.gradient(value, [log_weights, scores]):
            np.testing.assert_array_equal(slope, tf.zeros_like(slope))


def test_no_estimator_passes_no_gradient():
    parameters = [LOG_WEIGHTS, SCORES]
    for estimators, passes in (
        ((None, "race"), [False, True]),
        (("mean", None), [True, False]),
        ((None, None), [False, False]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            draws = RandomPartition(*parameters, *estimators).sample(3, seed=[1, 2])
            value = tf.reduce_sum(draws * WEIGHTS)
        slopes = tape.gradient(value, parameters)
        assert [slope is not None for slope in slopes] == passes
