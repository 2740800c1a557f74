"""Draws have the law of log_prob, and are the same however they are run.

A test that draws fails with a probability of 1e-5 by chance; its seed is fixed.
"""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from exact_partition import all_log_probs

from mvhg_tf import RandomPartition

LOG_WEIGHTS, SCORES = [0.5, -0.5, 0.2], [0.3, -1.0, 1.4, 0.9]
FALSE_ALARMS = 1e-5


def counts_of(draws, assignments):
    """How often each assignment was drawn."""
    code = 3 ** np.arange(draws.shape[-2])
    number = np.argmax(draws, axis=-1) @ code
    order = np.argmax(assignments, axis=-1) @ code
    return np.bincount(number, minlength=len(order))[order]


class TestLaw:
    @pytest.mark.parametrize("estimators", [("mean", "race"), (None, None)])
    def test_frequencies(self, estimators):
        law = RandomPartition(LOG_WEIGHTS, SCORES, *estimators)
        draws = law.sample(40000, seed=[1, 2]).numpy()
        assignments, log_probs = all_log_probs(LOG_WEIGHTS, SCORES)
        found = counts_of(draws, assignments)
        wanted = 40000 * np.exp(log_probs)
        # The rarest together, so that each cell expects enough.
        rare = wanted < 20.0
        found = np.append(found[~rare], found[rare].sum())
        wanted = np.append(wanted[~rare], wanted[rare].sum())
        assert scipy.stats.chisquare(found, wanted).pvalue > FALSE_ALARMS

    def test_sizes_and_order(self):
        law = RandomPartition(LOG_WEIGHTS, [SCORES, SCORES[::-1]])
        drawn = law.sample_ordered([500, 3], seed=[1, 2])
        np.testing.assert_array_equal(
            drawn.assignment, law.sample([500, 3], seed=[1, 2])
        )
        np.testing.assert_array_equal(
            drawn.sizes, tf.reduce_sum(drawn.assignment, axis=-2)
        )
        assert drawn.permutation.dtype == tf.int32
        order = drawn.permutation.numpy()
        np.testing.assert_array_equal(
            np.sort(order), np.broadcast_to(range(4), order.shape)
        )
        groups = np.argmax(drawn.assignment, axis=-1)
        in_order = np.take_along_axis(groups, order, axis=-1)
        assert np.all(np.diff(in_order, axis=-1) >= 0)
        # The first of a Plackett-Luce order.
        first = np.bincount(order[:, :, 0, 0].ravel(), minlength=4)
        rates = np.exp(SCORES)
        wanted = 1500 * rates / rates.sum()
        assert scipy.stats.chisquare(first, wanted).pvalue > FALSE_ALARMS

    def test_scores_too_far_apart_for_noise(self):
        # Ties after rounding must not lose an element.
        law = RandomPartition([0.0, 0.0], tf.fill([6], 1e17))
        drawn = law.sample(50, seed=[1, 2])
        np.testing.assert_array_equal(tf.reduce_sum(drawn, axis=-1), np.ones([50, 6]))
        fixed = RandomPartition([0.0, 0.0], [1e4, 0.0, -1e4])
        drawn = fixed.sample(50, seed=[1, 2]).numpy()
        assert np.all(np.diff(drawn[..., 0], axis=-1) <= 0)


@pytest.mark.parametrize(
    "dtype", [tf.float32, pytest.param(tf.float64, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "estimators",
    [
        ("gumbel_softmax", "neural_sort"),
        pytest.param(("mean", "race"), marks=pytest.mark.slow),
    ],
)
def test_the_same_draws_eager_in_a_graph_and_under_xla(estimators, dtype):
    law = RandomPartition(
        tf.random.stateless_normal([5, 3], [1, 2], dtype=dtype),
        tf.random.stateless_normal([5, 7], [3, 4], dtype=dtype),
        *estimators,
    )

    def draw(seed):
        return law.sample_ordered(200, seed=seed)

    graph = tf.function(draw, autograph=False)
    compiled = tf.function(draw, autograph=False, jit_compile=True)
    for number in range(10):
        seed = tf.constant([number, 31 * number + 7])
        for a, b, c in zip(draw(seed), graph(seed), compiled(seed), strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)


@pytest.mark.slow
def test_gradients_are_the_same_eager_and_compiled():
    log_weights = tf.random.stateless_normal([5, 3], [1, 2], dtype=tf.float64)
    scores = tf.random.stateless_normal([5, 7], [3, 4], dtype=tf.float64)
    weights = tf.random.stateless_normal([7, 3], [5, 6], dtype=tf.float64)

    def slopes(log_weights, scores, order_estimator):
        with tf.GradientTape() as tape:
            tape.watch([log_weights, scores])
            law = RandomPartition(log_weights, scores, order_estimator=order_estimator)
            loss = tf.reduce_sum((law.sample(20, seed=[1, 2]) - weights) ** 4)
        return tape.gradient(loss, [log_weights, scores])

    for order_estimator in ("race", "neural_sort"):
        eager = slopes(log_weights, scores, order_estimator)
        compiled = tf.function(slopes, autograph=False, jit_compile=True)
        for a, b in zip(
            eager, compiled(log_weights, scores, order_estimator), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
