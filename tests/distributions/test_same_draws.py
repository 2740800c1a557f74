"""The same seed gives the same draws in eager mode, in a graph and under XLA.

Counts are compared exactly, of two million draws. But rounding differs there, so
a count would differ where a uniform number of 52 bits falls between two values of a
cumulative probability that differ in their last bits, about once in 10^13 draws.
"""

import numpy as np
import pytest
import tensorflow as tf

import mvhg_tf

SEEDS = 80
PAIR, MANY = (7, 5), (6, 4, 3, 8)
OWN_ROWS, SHARED_ROWS = 8, 300  # draws of each urn: few, and enough to share tables


def eight_urns(sizes, method, estimator, dtype):
    random = np.random.default_rng(len(sizes))
    return mvhg_tf.MultivariateFisherNoncentralHypergeometric(
        total_count=tf.constant(random.integers(0, sum(sizes) + 1, 8), dtype),
        group_sizes=tf.constant(sizes, dtype),
        log_weights=tf.constant(random.normal(0, 2, [8, len(sizes)]), dtype),
        method=method,
        gradient_estimator=estimator,
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "merged"])
@pytest.mark.parametrize(
    ("sizes", "estimator", "dtype", "num_draws"),
    [
        (MANY, "gumbel_softmax", tf.float32, SHARED_ROWS),
        (MANY, "gumbel_softmax", tf.float32, OWN_ROWS),
        (MANY, "mean", tf.float64, SHARED_ROWS),
        (MANY, None, tf.float32, SHARED_ROWS),
        (PAIR, "gumbel_softmax", tf.float64, SHARED_ROWS),
        (PAIR, "mean", tf.float32, OWN_ROWS),
        (PAIR, None, tf.float32, SHARED_ROWS),
    ],
)
def test_many_seeds(method, sizes, estimator, dtype, num_draws):
    urns = eight_urns(sizes, method, estimator, dtype)

    def draw(seed):
        return urns.sample(num_draws, seed=seed)

    graph = tf.function(draw, autograph=False)
    compiled = tf.function(draw, autograph=False, jit_compile=True)
    for number in range(SEEDS):
        seed = tf.constant([number, 31 * number + 7])
        eager = draw(seed).numpy()
        np.testing.assert_array_equal(eager.sum(-1), [urns.total_count] * num_draws)
        np.testing.assert_array_equal(graph(seed), eager)
        np.testing.assert_array_equal(compiled(seed), eager)
