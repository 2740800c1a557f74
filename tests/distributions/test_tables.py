"""Convolutions, and the logs of what the later groups weigh."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.distributions import contour
from mvhg_tf.distributions.relaxation import tables
from mvhg_tf.distributions.urn import make_urn

SIZES, WEIGHTS, TOTAL_COUNT = [30, 40, 7, 20], [2, 1, 9, 3], 35


def urn(weights=WEIGHTS, total_count=TOTAL_COUNT):
    return make_urn(
        tf.constant([float(total_count)]),
        tf.constant(SIZES, tf.float64),
        tf.constant([np.log(np.array(weights, float))]),
    ).broadcast()


class TestConvolutions:
    @pytest.mark.parametrize("jit_compile", [False, True])
    @pytest.mark.parametrize(("size", "num_sums"), [(1, 1), (5, 40), (40, 5), (37, 50)])
    def test_against_numpy(self, size, num_sums, jit_compile):
        rng = np.random.RandomState(0)
        row, table = rng.rand(2, 3, size), rng.rand(2, 3, num_sums)
        convolve = tf.function(tables.convolve, jit_compile=jit_compile)
        correlate = tf.function(tables.correlate, jit_compile=jit_compile)
        found, adjoint = convolve(row, table), correlate(row, table)
        for i in np.ndindex(2, 3):
            expected = np.convolve(row[i], table[i])[:num_sums]
            np.testing.assert_allclose(found[i], expected, rtol=1e-12)
            longer = np.concatenate([table[i], np.zeros(size)])
            expected = [row[i] @ longer[k : k + size] for k in range(num_sums)]
            np.testing.assert_allclose(adjoint[i], expected, rtol=1e-12)


class TestLogLater:
    @pytest.mark.parametrize(
        ("dtype", "atol"), [(tf.float32, 2e-5), (tf.float64, 1e-11)]
    )
    def test_against_fractions(self, dtype, atol):
        found = tables.log_later(urn(), dtype)[0].numpy()
        for i in range(3):
            exact = exact_urn.coefficients(
                TOTAL_COUNT, SIZES[i + 1 :], WEIGHTS[i + 1 :]
            )
            expected = [exact_urn.log_fraction(z) if z else -np.inf for z in exact]
            finite = np.isfinite(expected)
            np.testing.assert_array_equal(np.isfinite(found[i]), finite)
            np.testing.assert_allclose(
                found[i][finite], np.array(expected)[finite], atol=atol
            )

    def test_gradient_by_finite_differences(self):
        slopes = np.random.RandomState(0).randn(1, 3, TOTAL_COUNT + 1)

        def value(log_weights):
            table = tables.log_later(
                urn()._replace(log_weights=log_weights), tf.float64
            )
            return tf.reduce_sum(tf.where(table > -np.inf, table, 0.0) * slopes)

        log_weights = tf.constant([np.log(np.array(WEIGHTS, float))])
        theoretical, numerical = tf.test.compute_gradient(
            value, [log_weights], delta=1e-5
        )
        np.testing.assert_allclose(theoretical[0], numerical[0], atol=1e-6)


class TestLaterSums:
    def test_the_tables_for_drawing_are_the_convolutions(self):
        """But for copies at the period, where what precedes is improbable."""
        parameters = urn()
        at = contour.factors(parameters)
        later = contour.later(at)
        modulus = tf.exp(later.log_modulus) * at.measure
        width = min(int(parameters.num_sums), int(at.num_points))
        found = contour.waves(at, modulus, -later.phase, width)[0].numpy()
        probs = 1.0 / (1.0 + np.exp(-at.logits[0]))
        for i in range(3):
            table = np.ones(1)
            for size, prob in list(zip(SIZES, probs, strict=True))[i + 1 :]:
                counts = np.arange(size + 1)
                ways = np.array([float(exact_urn.comb(size, x)) for x in counts])
                row = ways * prob**counts * (1.0 - prob) ** (size - counts)
                table = np.convolve(table, row)
            period = np.zeros(at.num_points)
            for k, value in enumerate(table):
                period[k % at.num_points] += value
            np.testing.assert_allclose(found[i], period[: found.shape[-1]], atol=1e-14)
