"""Tables of factors that are no full grid: what is drawn from them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.sources.pairs import Dynamics
from mvhg_tf.runs.errors import UserError

# Rows 0 and 5 are alike; two rows differ in 1, 2 or 3 factors; no grid.
FACTORS = np.array(
    [[0, 0, 0], [0, 0, 1], [1, 0, 1], [2, 1, 0], [2, 1, 3], [0, 0, 0], [1, 1, 2]]
)
# False-alarm rate of each statistical test below; there are eight of them.
ALPHA = 1e-5


def make_table(factors=FACTORS) -> ImageTable:
    """Each image shows its row."""
    images = np.zeros([len(factors), 4, 4, 1], np.uint8)
    images[:, 0, 0, 0] = np.arange(len(factors))
    parts = [images[:3], images[3:]]
    return ImageTable(parts, np.array(factors), ["a", "b", "c"], "the table")


def pairs_by_distance(k: int) -> dict[tuple[int, int], float]:
    """The probability of each pair: a first row with partners, one of these."""
    partners = {
        first: [
            second
            for second in range(len(FACTORS))
            if np.sum(FACTORS[first] != FACTORS[second]) == k
        ]
        for first in range(len(FACTORS))
    }
    possible = [first for first, seconds in partners.items() if seconds]
    return {
        (first, second): 1 / len(possible) / len(partners[first])
        for first in possible
        for second in partners[first]
    }


def check_frequencies(drawn, expected: dict[tuple[int, int], float]) -> None:
    counts = dict.fromkeys(expected, 0)
    for pair in map(tuple, drawn.tolist()):
        counts[pair] += 1  # a KeyError for a pair that can't be
    probabilities = np.array(list(expected.values()))
    test = stats.chisquare(list(counts.values()), len(drawn) * probabilities)
    assert test.pvalue > ALPHA


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_pairs_of_exactly_k_are_drawn_uniformly(k):
    drawn = make_table().draw_pairs(3000, Dynamics(k=k), np.random.RandomState(k))
    check_frequencies(drawn, pairs_by_distance(k))


def test_k_of_minus_one_is_drawn_from_one_up_to_all_but_one():
    drawn = make_table().draw_pairs(3000, Dynamics(k=-1), np.random.RandomState(5))
    expected = {pair: p / 2 for k in (1, 2) for pair, p in pairs_by_distance(k).items()}
    check_frequencies(drawn, expected)


def test_rows_are_drawn_uniformly_with_their_images():
    table = make_table()
    factors, images = table.sample(7000, np.random.RandomState(0))
    rows = np.rint(images[:, 0, 0, 0] * 255).astype(int)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(factors, FACTORS[rows])
    assert stats.chisquare(np.bincount(rows, minlength=7)).pvalue > ALPHA


def test_images_with_the_same_factors_take_turns():
    images = make_table().sample_observations_from_factors(
        np.zeros([1000, 3], int), np.random.RandomState(0)
    )
    rows = np.rint(images[:, 0, 0, 0] * 255).astype(int)
    assert set(rows) == {0, 5}
    assert stats.binomtest(int(np.sum(rows == 0)), 1000).pvalue > ALPHA


def test_missing_combinations_are_told():
    with pytest.raises(UserError, match=r"no image with the factors \[2, 0, 0\]"):
        make_table().sample_observations_from_factors(
            np.array([[0, 0, 0], [2, 0, 0]]), np.random.RandomState(0)
        )


@pytest.mark.parametrize(
    ("factors", "dynamics", "sentence"),
    [
        (FACTORS, Dynamics(k=4), "k is 4, but no two .*: bind it to one of 0, 1, 2, 3"),
        (FACTORS[:1], Dynamics(k=1), "bind it to one of 0"),
        (FACTORS[:1], Dynamics(k=-1), "k is -1, but no two"),
        (FACTORS, Dynamics(k=2, mode="dlib"), "mode is 'dlib', but must be \"exact\""),
        (
            FACTORS[:1],
            Dynamics(k=0, mode="fixed", shared_factors=[0, 1, 2, 3]),
            "is .*, but must be a list of integers from 0 to 2",
        ),
        (
            np.array([[0, 0], [1, 1]]),
            Dynamics(k=1, mode="fixed"),
            r"differ in the factors \[1\] and in no other",
        ),
    ],
)
def test_pairs_that_there_are_not(factors, dynamics, sentence):
    with pytest.raises(UserError, match=sentence):
        make_table(factors).check_dynamics(dynamics)


def test_a_grid_gives_the_pairs_of_a_grid():
    """Of a full grid, all pairs at a distance are as likely."""
    grid = np.array(list(itertools.product(range(2), range(3), range(2))))
    table = ImageTable([np.zeros([12, 2, 2, 1], np.uint8)], grid, "abc", "the grid")
    drawn = table.draw_pairs(6000, Dynamics(k=2), np.random.RandomState(3))
    # Factors (a, b), (a, c), (b, c) differ: 2, 1 and 2 partners of each row.
    expected = {
        (i, j): 1 / 12 / 5
        for i, j in itertools.product(range(12), range(12))
        if np.sum(grid[i] != grid[j]) == 2
    }
    assert len(expected) == 60
    check_frequencies(drawn, expected)


def test_fixed_pairs_of_a_grid():
    grid = np.array(list(itertools.product(range(2), range(3), range(2))))
    table = ImageTable([np.zeros([12, 2, 2, 1], np.uint8)], grid, "abc", "the grid")
    dynamics = Dynamics(mode="fixed", shared_factors=[0])
    drawn = table.draw_pairs(3000, dynamics, np.random.RandomState(3))
    # Factors b and c differ: two partners of each row.
    expected = {
        (i, j): 1 / 12 / 2
        for i, j in itertools.product(range(12), range(12))
        if list(grid[i] != grid[j]) == [False, True, True]
    }
    assert len(expected) == 24
    check_frequencies(drawn, expected)
