"""log_prob against exact fractions, where groups are small, large, fast and slow."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from exact_partition import (
    all_log_probs,
    log_order,
    log_order_by_orders,
    log_sizes,
    one_hot,
    plackett_luce,
)
from exact_urn import log_fraction

from mvhg_tf import RandomPartition
from mvhg_tf.distributions.partition.order import log_prob_given_sizes
from mvhg_tf.distributions.partition.race import (
    log_in_first,
    log_probability_of_arrived,
)


def random_partitions(deviation, number=40, num_elements=8, num_groups=3):
    """Scores `[S, n]`, the logs of fractions' floats, and groups `[S, n]`."""
    random = np.random.default_rng(int(10 * deviation))
    scores = random.normal(0.0, deviation, [number, num_elements])
    return scores, random.integers(0, num_groups, [number, num_elements])


def rates_of(scores):
    return [Fraction(math.exp(score)) for score in scores]


class TestEnumeration:
    def test_the_reference_sums_over_the_orders(self):
        scores, groups = random_partitions(1.5, number=3, num_elements=6)
        for row, assigned in zip(scores, groups.tolist(), strict=True):
            rates = rates_of(row)
            by_orders = log_order_by_orders(rates, assigned)
            np.testing.assert_allclose(log_order(rates, assigned), by_orders, 1e-14)

    @pytest.mark.parametrize("deviation", [1.5, 4.0, 10.0])
    def test_given_sizes(self, deviation):
        scores, groups = random_partitions(deviation)
        wanted = [
            log_order(rates_of(row), assigned)
            for row, assigned in zip(scores, groups.tolist(), strict=True)
        ]
        value = log_prob_given_sizes(tf.constant(scores), one_hot(groups, 3))
        # The probabilities' relative errors.
        np.testing.assert_allclose(value, wanted, rtol=0.0, atol=2e-12)

    def test_sums_to_one_with_the_sizes(self):
        log_weights, scores = [0.5, -1.0, 0.3], [0.3, -2.0, 1.4, 0.9, -0.2]
        assignments, wanted = all_log_probs(log_weights, scores)
        law = RandomPartition(
            np.array(log_weights), np.array(scores), validate_args=True
        )
        value = law.log_prob(assignments)
        np.testing.assert_allclose(value, wanted, rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(np.exp(value).sum(), 1.0, rtol=1e-13)

    def test_float32(self):
        scores, groups = random_partitions(4.0)
        log_weights = np.float32([0.5, -1.0, 0.3])
        law = RandomPartition(log_weights, scores.astype(np.float32))
        wanted = [
            log_sizes(log_weights, 8, np.bincount(assigned, minlength=3))
            + log_order(rates_of(row), assigned)
            for row, assigned in zip(law.scores.numpy(), groups.tolist(), strict=True)
        ]
        value = law.log_prob(tf.constant(one_hot(groups, 3), tf.float32))
        np.testing.assert_allclose(value, wanted, rtol=3e-7)


class TestLargeGroups:
    @pytest.mark.parametrize("ratio", [1e-10, 1e-3, 0.1, 1.0, 10.0, 1e3, 1e5, 1e10])
    @pytest.mark.parametrize("number", [1, 10, 100, 1000])
    def test_equal_rates(self, number, ratio):
        # The next of j is before the rivals with the probability j r / (j r + 1).
        wanted = -math.fsum(math.log1p(1.0 / (j * ratio)) for j in range(1, number + 1))
        scores = np.append(np.full(number, math.log(ratio)), 0.0)
        groups = np.append(np.zeros(number, int), 1)
        value = log_prob_given_sizes(tf.constant(scores), one_hot(groups, 2))
        tolerance = 2e-12 + 1e-15 * number * (1.0 + abs(math.log(ratio)))
        np.testing.assert_allclose(value, wanted, rtol=0.0, atol=tolerance)

    @pytest.mark.parametrize("most", [1, 4, 30])
    def test_whole_ratios(self, most):
        # prod (1 - u^r_i) is a polynomial, which is integrated in exact fractions.
        ratios = np.random.default_rng(most).integers(1, most + 1, 60)
        coefficients = {0: 1}
        for ratio in ratios.tolist():
            product = dict(coefficients)
            for power, value in coefficients.items():
                product[power + ratio] = product.get(power + ratio, 0) - value
            coefficients = product
        wanted = log_fraction(
            sum(Fraction(value, power + 1) for power, value in coefficients.items())
        )
        members = tf.ones([60, 1], tf.float64)
        value = log_in_first(tf.constant(np.log(ratios)), members)
        np.testing.assert_allclose(value, [wanted], rtol=0.0, atol=1e-12)

    def test_some_far_faster_than_others(self):
        # Those of a huge rate are there at once: they don't count.
        slow = np.array([0.2, -1.0, 0.5])
        scores = np.concatenate([slow, np.full(500, 60.0), [0.0]])
        groups = np.append(np.zeros(503, int), 1)
        value = log_prob_given_sizes(tf.constant(scores), one_hot(groups, 2))
        alone = log_order([*rates_of(slow), Fraction(1)], [0, 0, 0, 1])
        np.testing.assert_allclose(value, alone, rtol=0.0, atol=1e-12)

    def test_a_thousand_elements_in_ten_groups(self):
        random = np.random.default_rng(3)
        scores = tf.constant(random.normal(0.0, 2.0, 1000))
        groups = random.integers(0, 10, 1000)
        law = RandomPartition(tf.zeros(10, tf.float64), scores)
        value = law.log_prob(one_hot(groups, 10))
        lower, upper = (
            bound(one_hot(groups, 10))
            for bound in (law.log_prob_lower_bound, law.log_prob_upper_bound)
        )
        assert -8000 < lower < value < upper
        shifted = RandomPartition(tf.zeros(10, tf.float64) + 30.0, scores - 300.0)
        np.testing.assert_allclose(
            shifted.log_prob(one_hot(groups, 10)), value, rtol=1e-12
        )


class TestEdges:
    def test_empty_groups(self):
        scores = [0.3, -2.0, 1.4, 0.9]
        law = RandomPartition(np.zeros(5), np.array(scores))
        for groups in ([1, 3, 3, 1], [0, 0, 0, 0], [4, 4, 4, 4], [4, 0, 4, 0]):
            value = law.log_prob(one_hot(groups, 5))
            counts = np.bincount(groups, minlength=5)
            wanted = log_order(rates_of(scores), groups)
            wanted += log_sizes(np.zeros(5), 4, counts.tolist())
            np.testing.assert_allclose(value, wanted, rtol=1e-13)

    def test_all_in_one_group_has_the_probability_of_its_size(self):
        law = RandomPartition(np.array([0.0, 1.0]), np.array([3.0, -1.0, 0.0]))
        value = law.log_prob(one_hot([1, 1, 1], 2))
        np.testing.assert_array_equal(
            value, law.sizes_distribution().log_prob([0.0, 3.0])
        )

    def test_off_the_support(self):
        law = RandomPartition([0.0, 1.0], [3.0, -1.0, 0.0])
        rows = np.float32(
            [
                [[1, 0], [0, 0], [0, 1]],
                [[1, 0], [1, 1], [0, 1]],
                [[1, 0], [0.5, 0.5], [0, 1]],
                [[1, 0], [2, -1], [0, 1]],
                [[1, 0], [np.nan, 1], [0, 1]],
            ]
        )
        np.testing.assert_array_equal(law.log_prob(rows), [-np.inf] * 5)

    def test_a_group_of_no_weight(self):
        law = RandomPartition([0.0, -np.inf, 0.0], [3.0, -1.0])
        assert law.log_prob(one_hot([0, 1], 3).astype("f")) == -np.inf
        two = RandomPartition([0.0, 0.0], [3.0, -1.0])
        np.testing.assert_allclose(
            law.log_prob(one_hot([0, 2], 3).astype("f")),
            two.log_prob(one_hot([0, 1], 2).astype("f")),
            rtol=1e-6,
        )

    def test_one_group_and_one_element(self):
        assert RandomPartition([2.0], [3.0, -1.0]).log_prob(tf.ones([2, 1])) == 0.0
        law = RandomPartition(np.array([0.0, math.log(3.0)]), [3.0])
        np.testing.assert_allclose(np.exp(law.log_prob([[1.0, 0.0]])), 0.25)


class TestDerivatives:
    def test_first_and_second(self):
        # Of I = prod_j (1 - u^r_j) with one and two elements in closed form.
        scores = tf.constant([0.4, -0.7, 0.1], tf.float64)

        def closed_form(s):
            a, b, c = tf.unstack(tf.exp(s))
            both = 1.0 - c / (c + a) - c / (c + b) + c / (c + a + b)
            return tf.math.log(both)

        def by_quadrature(s):
            return log_prob_given_sizes(s, one_hot([0, 0, 1], 2))

        results = []
        for function in (closed_form, by_quadrature):
            with tf.GradientTape() as outer:
                outer.watch(scores)
                with tf.GradientTape() as inner:
                    inner.watch(scores)
                    value = function(scores)
                slope = inner.gradient(value, scores)
            results.append((value, slope, outer.jacobian(slope, scores)))
        for wanted, value in zip(*results, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-13)

    @pytest.mark.parametrize("deviation", [1.5, 10.0, 100.0])
    def test_second_derivatives_are_finite(self, deviation):
        scores, groups = random_partitions(deviation, number=6)
        log_weights = tf.constant([0.5, -1.0, 0.3], tf.float64)
        scores = tf.constant(scores)

        @tf.function(autograph=False)
        def derivatives(log_weights, scores):
            with tf.GradientTape(persistent=True) as outer:
                outer.watch([log_weights, scores])
                with tf.GradientTape() as inner:
                    inner.watch([log_weights, scores])
                    law = RandomPartition(log_weights, scores)
                    value = law.log_prob(one_hot(groups, 3))
                slopes = inner.gradient(value, [log_weights, scores])
                first, second = (tf.reduce_sum(slope * slope) for slope in slopes)
            bends = outer.gradient(first, log_weights), outer.gradient(second, scores)
            return value, *slopes, *bends

        for result in derivatives(log_weights, scores):
            assert np.all(np.isfinite(result))

    def test_gradients_sum_to_zero(self):
        scores, groups = random_partitions(4.0)
        scores = tf.constant(scores)
        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = log_prob_given_sizes(scores, one_hot(groups, 3))
        slopes = tape.gradient(value, scores)
        np.testing.assert_allclose(tf.reduce_sum(slopes, axis=-1), 0.0, atol=1e-11)

    def test_log_probability_of_arrived(self):
        # At both sides of where the formula changes; in decimal by the series' sum.
        at = np.concatenate([np.linspace(-3.0, -1.5, 31), [-700.0, -50.0, 3.0, 50.0]])
        points = tf.constant(at)
        with tf.GradientTape() as outer:
            outer.watch(points)
            with tf.GradientTape() as inner:
                inner.watch(points)
                value = log_probability_of_arrived(points)
            slope = inner.gradient(value, points)
        bend = outer.gradient(slope, points)
        x = np.exp(np.minimum(at, 6.0))
        near = at > -20.0
        wanted = np.where(near, np.log(-np.expm1(-x)), at)
        np.testing.assert_allclose(value, wanted, rtol=1e-14, atol=1e-15)
        wanted_slope = x / np.expm1(x)
        wanted_slope[~near] = 1.0
        np.testing.assert_allclose(slope, wanted_slope, rtol=1e-12, atol=1e-150)
        # d/dz of x / (e^x - 1).
        wanted_bend = wanted_slope * (1.0 - x - wanted_slope)
        checked = near & (at < 5.0)
        np.testing.assert_allclose(bend[checked], wanted_bend[checked], rtol=1e-9)
        np.testing.assert_allclose(bend[~checked], 0.0, atol=1e-15)


class TestBounds:
    def test_are_those_of_all_orders_that_fill_the_groups(self):
        scores, groups = random_partitions(1.5, number=4, num_elements=5)
        log_weights = [0.5, -1.0, 0.3]
        law = RandomPartition(np.array(log_weights), scores)
        lower = law.log_prob_lower_bound(one_hot(groups, 3))
        upper = law.log_prob_upper_bound(one_hot(groups, 3))
        for i, assigned in enumerate(groups.tolist()):
            filling = [
                plackett_luce(rates_of(scores[i]), order)
                for order in itertools.permutations(range(5))
                if (sequence := [assigned[j] for j in order]) == sorted(sequence)
            ]
            counts = [assigned.count(k) for k in range(3)]
            sizes = log_sizes(log_weights, 5, counts)
            best = sizes + log_fraction(max(filling))
            np.testing.assert_allclose(lower[i], best, rtol=1e-13)
            np.testing.assert_allclose(
                upper[i], best + math.log(len(filling)), rtol=1e-13
            )

    @pytest.mark.parametrize("deviation", [0.0, 1.5, 10.0])
    def test_bracket_the_probability(self, deviation):
        scores, groups = random_partitions(deviation)
        law = RandomPartition(np.zeros(3), scores)
        value, rows = law.log_prob(one_hot(groups, 3)), one_hot(groups, 3)
        assert np.all(law.log_prob_lower_bound(rows) <= value + 1e-12)
        assert np.all(value <= law.log_prob_upper_bound(rows) + 1e-12)

    def test_have_gradients(self):
        scores, groups = random_partitions(1.5, number=1)
        scores = tf.constant(scores[0])
        steps = 1e-6 * np.eye(8)
        rows = one_hot(groups[0], 3)

        def bound(scores):
            law = RandomPartition(tf.zeros(3, tf.float64), scores)
            return law.log_prob_lower_bound(rows)

        with tf.GradientTape() as tape:
            tape.watch(scores)
            value = bound(scores)
        slope = tape.gradient(value, scores)
        differences = (bound(scores + steps) - bound(scores - steps)) / 2e-6
        np.testing.assert_allclose(slope, differences, atol=1e-8)
