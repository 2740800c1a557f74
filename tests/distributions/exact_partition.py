"""Independent references for partitions: exact fractions, all assignments listed."""

import itertools
import math
from fractions import Fraction

import numpy as np
from exact_urn import log_fraction


def all_groups(num_elements: int, num_groups: int) -> np.ndarray:
    """The groups of the elements in every assignment, `[K^n, n]`."""
    return np.array(list(itertools.product(range(num_groups), repeat=num_elements)))


def one_hot(groups, num_groups: int) -> np.ndarray:
    """`[..., n]` to `[..., n, K]`."""
    return np.eye(num_groups)[np.asarray(groups)]


def log_sizes(log_weights, num_elements: int, counts) -> float:
    """log P(sizes), by listing the sizes."""

    def mass(sizes):
        ways = math.prod(math.comb(num_elements, size) for size in sizes)
        return ways * math.exp(
            math.fsum(
                size * weight for size, weight in zip(sizes, log_weights, strict=True)
            )
        )

    ranges = [range(num_elements + 1)] * len(log_weights)
    sizes = [x for x in itertools.product(*ranges) if sum(x) == num_elements]
    return math.log(mass(counts)) - math.log(math.fsum(map(mass, sizes)))


def log_order(rates: list[Fraction], groups) -> float:
    """log P(the groups' elements come in the groups' order), over all orders.

    By inclusion and exclusion over the elements of a group: the sum over its subsets
    B of (-1)^|B| S / (S + the rates of B), in exact fractions.
    """
    total = Fraction(1)
    for group in range(max(groups) + 1):
        own = [rate for rate, k in zip(rates, groups, strict=True) if k == group]
        rivals = sum(
            (rate for rate, k in zip(rates, groups, strict=True) if k > group),
            Fraction(0),
        )
        if not own or not rivals:
            continue
        total *= sum(
            (-1) ** sum(taken)
            * rivals
            / (rivals + sum(itertools.compress(own, taken), Fraction(0)))
            for taken in itertools.product([0, 1], repeat=len(own))
        )
    return log_fraction(total)


def log_order_by_orders(rates: list[Fraction], groups) -> float:
    """The same by summing Plackett-Luce probabilities over the orders, of few."""
    total = Fraction(0)
    for order in itertools.permutations(range(len(rates))):
        sequence = [groups[i] for i in order]
        if sequence == sorted(sequence):
            total += plackett_luce(rates, order)
    return log_fraction(total)


def plackett_luce(rates: list[Fraction], order) -> Fraction:
    """The probability of one order."""
    left, value = sum(rates), Fraction(1)
    for element in order:
        value *= rates[element] / left
        left -= rates[element]
    return value


def all_log_probs(log_weights, scores) -> tuple[np.ndarray, np.ndarray]:
    """Every assignment `[K^n, n, K]` and its log-probability `[K^n]`."""
    num_elements, num_groups = len(scores), len(log_weights)
    groups = all_groups(num_elements, num_groups)
    rates = [Fraction(math.exp(score)) for score in scores]
    by_sizes = {}
    values = []
    for row in groups.tolist():
        counts = tuple(row.count(k) for k in range(num_groups))
        if counts not in by_sizes:
            by_sizes[counts] = log_sizes(log_weights, num_elements, counts)
        values.append(by_sizes[counts] + log_order(rates, row))
    return one_hot(groups, num_groups), np.array(values)
