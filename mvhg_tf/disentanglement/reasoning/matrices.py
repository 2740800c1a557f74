"""Raven's progressive matrices of factors: 3 x 3 panels, the last one to be found.

A matrix has relations: each belongs to a factor, which is constant in each row. Any
other factor is free: in the first two rows it is neither constant in both, nor are its
three values different in both, so that it can't be mistaken for one with a relation.
Of six answers for the last panel, one alone has the relations' values in its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mvhg_tf.runs.errors import UserError

SIDE = 3
NUM_CONTEXT = SIDE**2 - 1
NUM_ANSWERS = 6
# Of wrong answers, before there seem to be too few: each may equal an earlier one.
_MOST_DRAWS = 1000


class Matrices(NamedTuple):
    """N matrices of F factors.

    Attributes:
      context: int64 `[N, 8, F]`, the factors of all panels but the last, row by row.
      answers: int64 `[N, 6, F]`.
      positions: int64 `[N]`, of the right answer among the six.
      related: bool `[N, F]`, which factors have a relation.
    """

    context: np.ndarray
    answers: np.ndarray
    positions: np.ndarray
    related: np.ndarray


def check_sizes(factor_sizes: Sequence[int] | np.ndarray, most_relations: int) -> None:
    """Makes sure that there are matrices of such factors.

    Args:
      factor_sizes: how many values each factor has.
      most_relations: that a matrix may have.

    Raises:
      UserError: if there are none.
    """
    if min(factor_sizes) < 2 or len(factor_sizes) < most_relations:
        raise UserError(
            f"The data set's factors have {_listed(factor_sizes)} values, but matrices "
            f"with {most_relations} relations need at least as many factors, each with "
            "at least 2 values: choose another dataset.name."
        )


def sample_matrices(
    factor_sizes: Sequence[int] | np.ndarray,
    num_relations: np.ndarray,
    hard: bool,
    random_state: np.random.RandomState,
) -> Matrices:
    """Draws matrices.

    Args:
      factor_sizes: how many values each of the F factors has.
      num_relations: int `[N]`.
      hard: whether a wrong answer differs from the right one in one of the relations
        alone, and not in any number of them. Free factors are drawn anew in both.
      random_state: to draw with.

    Returns:
      The matrices, of uniform values and relations, the wrong answers all different.
    """
    num, sizes = len(num_relations), np.asarray(factor_sizes)
    order = np.argsort(random_state.random_sample((num, len(sizes))), axis=1)
    related = np.argsort(order, axis=1) < np.reshape(num_relations, [-1, 1])
    rows = random_state.randint(sizes, size=(num, SIDE, 1, len(sizes)))
    free = _sample_free(sizes, num, random_state)
    panels = np.where(related[:, np.newaxis, np.newaxis], rows, free)
    solutions = panels[:, -1, -1]
    wrong = _sample_wrong(sizes, solutions, related, hard, random_state)
    positions = random_state.randint(NUM_ANSWERS, size=num)
    # Where the right answer stands, the last place takes what was there.
    answers = np.concatenate([wrong, solutions[:, np.newaxis]], axis=1)
    everyone = np.arange(num)
    answers[everyone, -1] = answers[everyone, positions]
    answers[everyone, positions] = solutions
    context = panels.reshape([num, SIDE**2, len(sizes)])[:, :-1]
    return Matrices(context, answers, positions, related)


def _sample_free(
    sizes: np.ndarray, num: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Values `[num, 3, 3, F]` of factors without a relation."""
    shape = (num, SIDE, SIDE, len(sizes))
    values = random_state.randint(sizes, size=shape)
    while (again := _seems_related(values)).any():
        fresh = random_state.randint(sizes, size=shape)
        values = np.where(again[:, np.newaxis, np.newaxis], fresh, values)
    return values


def _seems_related(values: np.ndarray) -> np.ndarray:
    """Of `[N, 3, 3, F]`, whether both whole rows are constant, or both distinct."""
    first, second, third = np.moveaxis(values[:, :-1], 2, 0)
    constant = (first == second) & (second == third)
    distinct = (first != second) & (second != third) & (first != third)
    return constant.all(axis=1) | distinct.all(axis=1)


def _sample_wrong(
    sizes: np.ndarray,
    solutions: np.ndarray,
    related: np.ndarray,
    hard: bool,
    random_state: np.random.RandomState,
) -> np.ndarray:
    """Wrong answers `[N, 5, F]`, for solutions `[N, F]`.

    The last panel of any other matrix is uniform, relations or none, so these draws
    are those that take it from a new matrix.
    """
    shape = (len(solutions), NUM_ANSWERS - 1, len(sizes))
    solutions, related = solutions[:, np.newaxis], related[:, np.newaxis]
    answers = np.broadcast_to(solutions, shape)
    for _ in range(_MOST_DRAWS):
        misses = related & (answers != solutions)
        again = ~misses.any(axis=2) | _repeats(answers)
        if not again.any():
            return answers
        fresh = random_state.randint(sizes, size=shape)
        if hard:
            keys = np.where(related, random_state.random_sample(shape), -1.0)
            kept = related & (keys < keys.max(axis=2, keepdims=True))
            fresh = np.where(kept, solutions, fresh)
        answers = np.where(again[:, :, np.newaxis], fresh, answers)
    raise UserError(
        f"There are not {NUM_ANSWERS - 1} wrong answers for factors with "
        f"{_listed(sizes)} values: choose a data set with more values."
    )


def _repeats(answers: np.ndarray) -> np.ndarray:
    """Of `[N, 5, F]`, which equal one before them: bool `[N, 5]`."""
    same = (answers[:, :, np.newaxis] == answers[:, np.newaxis]).all(axis=3)
    return np.tril(same, k=-1).any(axis=2)


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sizes))
