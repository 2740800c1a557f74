"""Urns that Hypothesis makes hold the identities of the distribution.

What is expected comes from plain Python: the support of a small urn is listed, and
that of a large one is summed in exact fractions.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvhg_tf import MultivariateFisherNoncentralHypergeometric as Urn

LARGEST_GROUP = {1: 9, 2: 7, 3: 5, 4: 3}  # by the number of groups
NUM_SIZES, NUM_WEIGHTS = 7, 6  # of a batch, which holds every combination
DTYPES = ["float32", "float64"]
DECADES = 60
TOLERANCES = {"float32": 5e-4, "float64": 1e-10}
NUM_DRAWS = 20
NUM_LARGE = 8  # in a batch
# The same urns in each run; nothing is kept in the working directory.
DETERMINED = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
}


def totals_of(sizes) -> st.SearchStrategy[int]:
    """How many elements are drawn: often none or all."""
    everything = sum(sizes)
    return st.sampled_from([0, everything]) | st.integers(0, everything)


@st.composite
def batches(draw, num_groups: int):
    """Total counts `[B, 1]`, sizes `[B, 1, c]` and log-weights `[B, W, c]`.

    The first two urns are the largest, and that of the greatest variance, so that
    what TensorFlow has compiled serves every batch. The weights span 60 decades; some
    are zero, where enough elements of others are left.
    """
    largest = LARGEST_GROUP[num_groups]
    sizes = [[largest] * num_groups] * 2
    totals = [largest * num_groups, largest * num_groups // 2]
    for _ in range(NUM_SIZES - 2):
        size = st.integers(0, largest)
        sizes.append(draw(st.lists(size, min_size=num_groups, max_size=num_groups)))
        totals.append(draw(totals_of(sizes[-1])))
    half = math.floor(DECADES / 2 * math.log(10))
    log_weight = st.floats(-half, half, width=32) | st.just(-math.inf)
    log_weights = [[0.0] * (num_groups - 1) + [-math.inf]]
    for _ in range(NUM_WEIGHTS - 1):
        row = st.lists(log_weight, min_size=num_groups, max_size=num_groups)
        log_weights.append(draw(row))
    return (
        np.array(totals)[:, np.newaxis],
        np.array(sizes)[:, np.newaxis],
        _possible(totals, sizes, log_weights),
    )


def _possible(totals, sizes, log_weights) -> np.ndarray:
    """Log-weights of all combinations, no zeros where they leave too few elements."""
    result = np.zeros([len(totals), len(log_weights), len(sizes[0])])
    for (i, total), (j, row) in itertools.product(
        enumerate(totals), enumerate(log_weights)
    ):
        left = sum(m for m, w in zip(sizes[i], row, strict=True) if w > -math.inf)
        result[i, j] = row if total <= left else [max(w, -1.0) for w in row]
    return result


def law(total: int, sizes, log_weights) -> dict[tuple[int, ...], float]:
    """The probability of each point with `sum(x) == total` and `0 <= x <= sizes`."""
    log_masses = {}
    for x in itertools.product(*(range(size + 1) for size in sizes)):
        if sum(x) == total:
            log_masses[x] = math.fsum(
                math.log(math.comb(m, k)) + (k * w if k else 0.0)
                for m, k, w in zip(sizes, x, log_weights, strict=True)
            )
    highest = max(log_masses.values())
    masses = {x: math.exp(value - highest) for x, value in log_masses.items()}
    whole = math.fsum(masses.values())
    return {x: mass / whole for x, mass in masses.items()}


class Expected:
    """The laws of a batch of urns, `[B, W]`, in arrays.

    Attributes:
      points: `[S, B, W, c]`, the support of each urn and then its first point again.
      probabilities: `[S, B, W]`, zero where a point comes again.
    """

    def __init__(self, totals, sizes, log_weights):
        shape = log_weights.shape[:2]
        self.laws = {
            (i, j): law(int(totals[i, 0]), sizes[i, 0].tolist(), log_weights[i, j])
            for i, j in np.ndindex(shape)
        }
        num_groups = sizes.shape[-1]
        length = (LARGEST_GROUP[num_groups] + 1) ** (num_groups - 1)
        self.points = np.zeros([length, *shape, num_groups])
        self.probabilities = np.zeros([length, *shape])
        for (i, j), probability_of in self.laws.items():
            points = list(probability_of)
            self.points[:, i, j] = points + points[:1] * (length - len(points))
            self.probabilities[: len(points), i, j] = list(probability_of.values())

    def mean(self) -> np.ndarray:
        return np.einsum("sij,sijc->ijc", self.probabilities, self.points)

    def variance(self) -> np.ndarray:
        squares = (self.points - self.mean()) ** 2
        return np.einsum("sij,sijc->ijc", self.probabilities, squares)

    def marginal(self, group: int, length: int) -> np.ndarray:
        counts = self.points[..., group, np.newaxis] == np.arange(length)
        return np.einsum("sij,sijk->ijk", self.probabilities, counts)


def check_batch(totals, sizes, log_weights, dtype: str) -> None:
    """Every identity, of every urn."""
    expected = Expected(totals, sizes, log_weights)
    tolerance = TOLERANCES[dtype]

    def make(sizes=sizes, log_weights=log_weights, **arguments) -> Urn:
        parameters = (totals, sizes, log_weights)
        parameters = [tf.constant(value, dtype) for value in parameters]
        return Urn(*parameters, **arguments)

    def close(actual, wanted) -> None:
        np.testing.assert_allclose(actual, wanted, atol=tolerance)

    points = tf.constant(expected.points, dtype)
    urn = make()
    log_probs = urn.log_prob(points).numpy()
    _check_log_probs(log_probs, expected, tolerance)
    largest = LARGEST_GROUP[sizes.shape[-1]]
    close(urn.mean(), expected.mean())
    np.testing.assert_allclose(urn.variance(), expected.variance(), atol=10 * tolerance)
    group = sizes.shape[-1] - 1
    marginal = np.exp(urn.marginal_log_prob(group))
    close(marginal, expected.marginal(group, largest + 1))
    _check_draws(urn.sample(NUM_DRAWS, seed=[1, 2]).numpy(), expected)
    # None of the draws' neighbours of another sum is possible.
    assert np.all(urn.log_prob(points[:1] + 1.0) == -np.inf)

    shifted = make(log_weights=log_weights + np.linspace(-40, 40, NUM_WEIGHTS)[:, None])
    _check_log_probs(shifted.log_prob(points).numpy(), expected, tolerance)
    close(shifted.mean(), expected.mean())

    turned = make(sizes[..., ::-1], log_weights[..., ::-1])
    _check_log_probs(turned.log_prob(points[..., ::-1]).numpy(), expected, tolerance)
    close(turned.mean()[..., ::-1], expected.mean())

    if sizes.shape[-1] <= 2:
        merged = make(method="merged")
        _check_log_probs(merged.log_prob(points).numpy(), expected, tolerance)


def _check_log_probs(log_probs, expected: Expected, tolerance: float) -> None:
    """As those of the enumeration, which sum to 1."""
    is_point = expected.probabilities > 0
    probabilities = np.where(is_point, np.exp(log_probs), 0.0)
    np.testing.assert_allclose(
        probabilities, expected.probabilities, atol=tolerance, rtol=tolerance
    )
    np.testing.assert_allclose(probabilities.sum(0), 1.0, atol=2 * tolerance)


def _check_draws(draws: np.ndarray, expected: Expected) -> None:
    """Points of the support that are not impossible."""
    for (i, j), probability_of in expected.laws.items():
        for draw in draws[:, i, j]:
            assert probability_of[tuple(map(int, draw))] > 0.0
    assert np.all(draws == np.round(draws))


def check_batches(num_groups: int, dtype: str, num_batches: int) -> set:
    """Checks so many batches; returns the urns."""
    urns = set()

    @settings(max_examples=num_batches, **DETERMINED)
    @given(batches(num_groups))
    def check(batch):
        check_batch(*batch, dtype)
        totals, sizes, log_weights = batch
        for i, j in np.ndindex(log_weights.shape[:2]):
            weights = tuple(log_weights[i, j])
            urns.add((dtype, int(totals[i, 0]), tuple(sizes[i, 0]), weights))

    check()
    return urns


@st.composite
def large_urns(draw, largest: int, num_groups: int):
    """Total counts `[B]`, sizes `[B, c]` and whole weights `[B, c]`, as lists."""
    sizes = [[largest] * num_groups]
    totals = [largest * num_groups // 2]
    weights = [[1] * num_groups]
    for _ in range(NUM_LARGE - 1):
        size = st.integers(0, largest)
        sizes.append(draw(st.lists(size, min_size=num_groups, max_size=num_groups)))
        totals.append(draw(totals_of(sizes[-1])))
        weight = st.integers(1, 10**6)
        weights.append(draw(st.lists(weight, min_size=num_groups, max_size=num_groups)))
    return totals, sizes, weights


def exact_first_marginal(total: int, sizes, weights) -> list[Fraction]:
    """P(x_1 = 0), P(x_1 = 1), ..., in exact fractions."""
    rows = [
        [math.comb(size, k) * weight**k for k in range(min(size, total) + 1)]
        for size, weight in zip(sizes, weights, strict=True)
    ]
    later = rows[-1]
    for row in rows[1:-1]:
        product = [0] * (len(row) + len(later) - 1)
        for (i, a), (j, b) in itertools.product(enumerate(row), enumerate(later)):
            product[i + j] += a * b
        later = product
    masses = [
        mass * later[total - k] if total - k < len(later) else 0
        for k, mass in enumerate(rows[0])
    ]
    whole = sum(masses)
    return [Fraction(mass, whole) for mass in masses]


def check_large_urns(totals, sizes, weights) -> None:
    """Means and marginals of the first group, in float64 and float32."""
    laws = [
        exact_first_marginal(*urn) for urn in zip(totals, sizes, weights, strict=True)
    ]
    means = [
        float(sum(k * probability for k, probability in enumerate(law))) for law in laws
    ]
    log_weights = np.log(weights)
    for dtype, tolerance in (("float64", 1e-9), ("float32", 5e-6)):
        urn = Urn(*(tf.constant(v, dtype) for v in (totals, sizes, log_weights)))
        np.testing.assert_allclose(urn.mean()[:, 0], means, rtol=tolerance, atol=1e-6)
        marginals = np.exp(urn.marginal_log_prob(0))
        for marginal, law in zip(marginals, laws, strict=True):
            np.testing.assert_allclose(
                marginal[: len(law)], np.array(law, float), atol=100 * tolerance
            )
            assert not np.any(marginal[len(law) :])


@pytest.mark.parametrize(("num_groups", "dtype"), [(2, "float32")])
def test_urns_hold_the_identities(num_groups, dtype):
    assert len(check_batches(num_groups, dtype, num_batches=3)) > 40


@pytest.mark.slow
def test_two_thousand_urns_hold_the_identities():
    urns = set()
    for num_groups, dtype in itertools.product(LARGEST_GROUP, DTYPES):
        urns |= check_batches(num_groups, dtype, num_batches=12)
    assert len(urns) >= 2000


@pytest.mark.slow
@pytest.mark.parametrize(("largest", "num_groups"), [(3000, 2), (60, 4)])
def test_large_urns_are_as_exact_fractions_say(largest, num_groups):
    @settings(max_examples=3, **DETERMINED)
    @given(large_urns(largest, num_groups))
    def check(urns):
        check_large_urns(*urns)

    check()
