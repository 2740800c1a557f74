import itertools

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.sorting import neural_sort


def _paper_formula(s, tau):
    """Grover et al. (2019), eq. 5, in float64 and loops."""
    d = len(s)
    a = np.abs(s[:, None] - s[None, :]).sum(1)
    rows = []
    for i in range(1, d + 1):
        logits = ((d + 1 - 2 * i) * s - a) / tau
        e = np.exp(logits - logits.max())
        rows.append(e / e.sum())
    return np.array(rows)


@pytest.mark.parametrize("tau", [0.05, 1.0, 10.0])
def test_relaxed_matrix_is_the_formula(tau):
    s = np.random.RandomState(0).randn(6, 7) * 2
    expected = np.stack([_paper_formula(row, tau) for row in s])
    np.testing.assert_allclose(neural_sort(s, tau), expected, atol=1e-12)


def test_low_temperature_sorts_every_order():
    for order in itertools.permutations([0.0, 1.0, 2.5, 7.0]):
        s = tf.constant([order])
        for hard in (False, True):
            matrix = neural_sort(s, 1e-3, hard=hard)
            np.testing.assert_allclose(
                tf.linalg.matvec(matrix, s)[0], sorted(order, reverse=True), atol=1e-5
            )


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e6, 1e20, 3e37])
def test_any_magnitude_gives_permutations_and_finite_gradients(scale):
    s = tf.constant([[3.0, -1.0, 10.0, 2.0]]) * scale
    with tf.GradientTape() as tape:
        tape.watch(s)
        matrix = neural_sort(s, scale * 1e-2)
        loss = tf.reduce_sum(matrix * tf.reshape(tf.range(16.0), (4, 4)))
    np.testing.assert_array_equal(tf.argmax(matrix, -1)[0], [2, 0, 3, 1])
    np.testing.assert_allclose(tf.reduce_sum(matrix, -1), 1.0, atol=1e-6)
    assert np.isfinite(tape.gradient(loss, s)).all()


def test_extreme_range_at_low_temperature_is_finite():
    s = tf.constant([[1e38, -1e38, 0.0, 1e-30, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(s)
        matrix = neural_sort(s, 0.01, hard=True)
        loss = tf.reduce_sum(matrix[..., 0])
    assert np.isfinite(matrix).all()
    assert np.isfinite(tape.gradient(loss, s)).all()
    np.testing.assert_array_equal(tf.argmax(matrix, -1)[0], [0, 4, 3, 2, 1])


def test_ties_share_their_rows_and_stay_permutations_when_hard():
    s = tf.constant([[2.0, 5.0, 2.0, 5.0], [1.0, 1.0, 1.0, 1.0]])
    relaxed = neural_sort(s, 0.01)
    np.testing.assert_allclose(relaxed[0, 0], [0, 0.5, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(relaxed[0, 3], [0.5, 0, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(relaxed[1], np.full((4, 4), 0.25), atol=1e-6)
    hard = neural_sort(s, 0.01, hard=True)
    np.testing.assert_allclose(tf.reduce_sum(hard, -1), 1.0)
    np.testing.assert_allclose(tf.reduce_sum(hard, -2), 1.0)
    np.testing.assert_array_equal(tf.argmax(hard, -1), [[1, 3, 0, 2], [0, 1, 2, 3]])


def test_hard_gradient_is_the_relaxed_one():
    s = tf.constant(np.random.RandomState(1).randn(3, 5))
    weights = tf.constant(np.random.RandomState(2).randn(3, 5, 5))
    gradients = []
    for hard in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(s)
            loss = tf.reduce_sum(weights * neural_sort(s, 0.7, hard=hard))
        gradients.append(tape.gradient(loss, s))
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-12)


def test_gradient_is_that_of_finite_differences():
    s = np.random.RandomState(3).randn(1, 4)
    weights = np.random.RandomState(4).randn(4, 4)
    theoretical, numerical = tf.test.compute_gradient(
        lambda x: tf.reduce_sum(neural_sort(x, 0.5) * weights), [tf.constant(s)]
    )
    np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-6)


def test_eager_graph_and_xla_agree():
    s = tf.constant(np.random.RandomState(5).randn(2, 3, 6), tf.float32)
    eager = neural_sort(s, 0.3, hard=True)
    for jit in (False, True):
        graph = tf.function(lambda x: neural_sort(x, 0.3, hard=True), jit_compile=jit)
        np.testing.assert_allclose(graph(s), eager, atol=1e-6)


def test_bad_input_is_one_clear_sentence():
    with pytest.raises(ValueError, match="temperature is 0.*must be positive"):
        neural_sort(tf.zeros([2, 3]), 0)
    with pytest.raises(ValueError, match="int32.*must be floating"):
        neural_sort(tf.zeros([2, 3], tf.int32))
    with pytest.raises(ValueError, match=r"must be floating and \[..., d\]"):
        neural_sort(1.0)


class TestHalfPrecision:
    @pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
    @pytest.mark.parametrize(
        ("scores", "temperature"),
        [
            ([1.0, 1.0, 0.5], 1e-3),
            ([2.0], 1.0),
            ([6e4, -6e4, 0.0], 1e-3),
            ([0.0, 0.0], 1e-9),
            ([1e-7, 0.0, 2e-7], 1.0),
        ],
    )
    def test_equals_float32(self, scores, temperature, dtype):
        scores = tf.constant(scores, dtype)
        found = neural_sort(scores, temperature)
        expected = neural_sort(tf.cast(scores, tf.float32), temperature)
        assert found.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(found, tf.float32), expected, atol=4e-3, rtol=0
        )
        hard = tf.cast(neural_sort(scores, temperature, hard=True), tf.float32)
        assert set(np.unique(hard)) <= {0.0, 1.0}

    def test_gradients_are_finite(self):
        scores = tf.constant([1.0, 1.0, 0.5], tf.float16)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            sorted_scores = tf.linalg.matvec(neural_sort(scores, 0.1), scores)
            loss = tf.reduce_sum(sorted_scores[:1])
        assert np.all(np.isfinite(tape.gradient(loss, scores)))
