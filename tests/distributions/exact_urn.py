"""Independent references: exact fractions, and the enumerated support."""

import itertools
from fractions import Fraction
from math import comb, lcm, log

import numpy as np


def log_fraction(value: Fraction) -> float:
    """The log of a fraction whose parts may be too great for a float."""
    return log(value.numerator) - log(value.denominator)


def coefficients(total_count: int, sizes, weights) -> list[Fraction]:
    """Of t^0..t^n in prod_i (1 + omega_i t)^m_i, by Fog's recursion in integers.

    The product y satisfies y' / y = sum_i m_i omega_i / (1 + omega_i t), a linear
    recursion of its coefficients of the order of the number of groups.
    """
    scale = lcm(*(Fraction(weight).denominator for weight in weights))
    whole = [int(Fraction(weight) * scale) for weight in weights]
    # prod_i (1 + w_i t) and sum_i m_i w_i prod_{j != i} (1 + w_j t).
    factors = _product(whole)
    slopes = [0] * len(factors)
    for i, (size, weight) in enumerate(zip(sizes, whole, strict=True)):
        for k, value in enumerate(_product(whole[:i] + whole[i + 1 :])):
            slopes[k] += size * weight * value
    result = [1]
    for k in range(total_count):
        total = 0
        for j in range(min(k, len(slopes) - 1) + 1):
            total += slopes[j] * result[k - j]
        for j in range(1, min(k, len(factors) - 1) + 1):
            total -= factors[j] * (k + 1 - j) * result[k + 1 - j]
        result.append(total // (k + 1))
    return [Fraction(value, scale**k) for k, value in enumerate(result)]


def _product(weights) -> list[int]:
    product = [1]
    for weight in weights:
        shifted = [0] + [weight * value for value in product]
        product = [a + b for a, b in zip([*product, 0], shifted, strict=True)]
    return product


def normalizer(total_count: int, sizes, weights) -> Fraction:
    """Z."""
    if total_count < 0 or min(sizes) < 0:
        return Fraction(0)
    # Groups of the same weight are one group.
    merged = {}
    for size, weight in zip(sizes, weights, strict=True):
        merged[Fraction(weight)] = merged.get(Fraction(weight), 0) + size
    return coefficients(total_count, merged.values(), list(merged))[total_count]


def log_prob(total_count: int, sizes, weights, counts) -> float:
    """The log-probability of one vector of counts."""
    value = Fraction(1)
    for size, weight, count in zip(sizes, weights, counts, strict=True):
        value *= comb(size, count) * Fraction(weight) ** count
    return log_fraction(value / normalizer(total_count, sizes, weights))


def mean_and_variance(total_count: int, sizes, weights):
    """By removing one element, and two, from a group: factorial moments."""
    whole = normalizer(total_count, sizes, weights)
    means, variances = [], []
    for i, (size, weight) in enumerate(zip(sizes, weights, strict=True)):
        moments = []
        for taken in (1, 2):
            fewer = [*sizes[:i], size - taken, *sizes[i + 1 :]]
            if size < taken or total_count < taken:
                moments.append(Fraction(0))
                continue
            ways = normalizer(total_count - taken, fewer, weights) / whole
            falling = size * (size - 1) if taken == 2 else size
            moments.append(falling * Fraction(weight) ** taken * ways)
        means.append(float(moments[0]))
        variances.append(float(moments[1] + moments[0] - moments[0] ** 2))
    return np.array(means), np.array(variances)


def enumerate_urn(total_count: int, sizes, log_weights):
    """The support `[s, c]` and its probabilities `[s]`."""
    ranges = [range(min(size, total_count) + 1) for size in sizes]
    support = np.array(
        [x for x in itertools.product(*ranges) if sum(x) == total_count], float
    )
    ways = np.array(
        [[comb(m, int(k)) for m, k in zip(sizes, x, strict=True)] for x in support]
    )
    weights = np.exp(np.asarray(log_weights, float))
    mass = np.prod(ways * weights**support, axis=-1)
    return support, mass / mass.sum()


def moments(support, probs):
    """Mean and covariance of an enumerated law."""
    mean = probs @ support
    centred = support - mean
    return mean, (centred * probs[:, np.newaxis]).T @ centred
