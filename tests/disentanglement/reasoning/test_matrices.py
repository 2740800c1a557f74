"""Matrices against the rules that they are made by, checked one by one in Python."""

import numpy as np
import pytest
import scipy.stats

from mvhg_tf.disentanglement.reasoning import matrices
from mvhg_tf.runs.errors import UserError

SIZES = [4, 4, 2, 3, 3, 10, 10]  # arm3d's
NUM = 400


@pytest.fixture(scope="module", params=[False, True], ids=["easy", "hard"])
def drawn(request):
    numbers = np.arange(NUM) % 3 + 1
    random_state = np.random.RandomState(0)
    hard = request.param
    return hard, numbers, matrices.sample_matrices(SIZES, numbers, hard, random_state)


def rows_of(drawn, n, f):
    """Three rows of a factor, of which the last has two panels."""
    values = drawn.context[n, :, f].tolist()
    return [values[:3], values[3:6], values[6:]]


def test_related_factors_are_constant_in_each_row(drawn):
    _, numbers, drawn = drawn
    np.testing.assert_array_equal(drawn.related.sum(axis=1), numbers)
    for n, f in np.argwhere(drawn.related):
        assert all(len(set(row)) == 1 for row in rows_of(drawn, n, f))


def test_other_factors_are_never_taken_for_related(drawn):
    _, _, drawn = drawn
    for n, f in np.argwhere(~drawn.related):
        kinds = [len(set(row)) for row in rows_of(drawn, n, f)[:2]]
        assert kinds not in ([1, 1], [3, 3])


def test_one_answer_alone_completes_the_last_row(drawn):
    hard, _, drawn = drawn
    for n, answers in enumerate(drawn.answers):
        related = drawn.related[n]
        wanted = drawn.context[n, -1, related]
        misses = (answers[:, related] != wanted).sum(axis=1)
        assert np.flatnonzero(misses == 0) == [drawn.positions[n]]
        assert len({tuple(answer) for answer in answers}) == 6
        if hard:
            assert misses.max() == 1
    assert (drawn.answers < SIZES).all() and (drawn.answers >= 0).all()


def test_easy_answers_miss_several_relations_at_times():
    random_state = np.random.RandomState(0)
    drawn = matrices.sample_matrices(SIZES, np.full(NUM, 3), False, random_state)
    wanted = drawn.context[:, -1:]
    misses = (drawn.related[:, np.newaxis] & (drawn.answers != wanted)).sum(axis=2)
    assert set(np.unique(misses)) == {0, 1, 2, 3}


def test_relations_values_and_places_are_uniform():
    """False alarms: 1e-3 in each of 8 tests, with fixed seeds."""
    random_state = np.random.RandomState(1)
    drawn = matrices.sample_matrices(SIZES, np.full(4000, 2), False, random_state)

    def check(values, size):
        counts = np.bincount(values, minlength=size)
        assert scipy.stats.chisquare(counts).pvalue > 1e-4

    check(drawn.positions, 6)
    # Two of seven without replacement: one of each pair at random is uniform.
    pairs = np.argwhere(drawn.related)[:, 1].reshape([-1, 2])
    check(pairs[np.arange(4000), random_state.randint(2, size=4000)], len(SIZES))
    for f, size in enumerate(SIZES):
        check(drawn.context[drawn.related[:, f], 0, f], size)


@pytest.mark.parametrize("sizes", [[4, 4, 1, 5], [5, 5]])
def test_factors_that_make_no_matrices_are_refused(sizes):
    with pytest.raises(UserError, match=f"have {', '.join(map(str, sizes))} values"):
        matrices.check_sizes(sizes, 3)


def test_too_few_wrong_answers_are_told():
    with pytest.raises(
        UserError, match="There are not 5 wrong answers for factors with"
    ):
        state = np.random.RandomState(0)
        matrices.sample_matrices([2, 2], np.array([1]), False, state)
