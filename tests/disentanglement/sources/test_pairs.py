"""Pairs: which factors differ, how often, and that a seed fixes them."""

import itertools

import gin
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mvhg_tf.disentanglement.sources import pairs
from mvhg_tf.disentanglement.sources.grid_parts import GridPart
from mvhg_tf.runs.errors import UserError

SIZES = [4, 4, 2, 3, 3, 40, 40]
# False-alarm rate of each statistical test below; there are ten of them.
ALPHA = 1e-5


def draw(num=20_000, sizes=SIZES, seed=(1, 2), **dynamics):
    dynamics = pairs.Dynamics(**dynamics)
    drawn = pairs.sample_factor_pairs(sizes, num, tf.constant(seed), dynamics)
    return pairs.FactorPairs(*(x.numpy() for x in drawn))


@pytest.mark.parametrize("k", [0, 1, 2, 4, 6, 7])
def test_exactly_k_factors_differ(k):
    drawn = draw(k=k)
    differ = drawn.factors_1 != drawn.factors_2
    np.testing.assert_array_equal(differ.sum(1), k)
    np.testing.assert_array_equal(drawn.k, k)
    for factors in (drawn.factors_1, drawn.factors_2):
        assert factors.min() >= 0
        assert (factors < SIZES).all()
    if k == 0:
        np.testing.assert_array_equal(drawn.labels, -1)
    else:
        assert differ[np.arange(len(differ)), drawn.labels].all()


def test_values_subsets_and_labels_are_uniform():
    drawn = draw(k=2, num=42_000)
    differ = drawn.factors_1 != drawn.factors_2
    pair_index = differ @ (2 ** np.arange(7))
    _, subsets = np.unique(pair_index, return_counts=True)
    assert len(subsets) == 21
    assert stats.chisquare(subsets).pvalue > ALPHA
    assert stats.chisquare(np.bincount(drawn.labels, minlength=7)).pvalue > ALPHA
    values = np.bincount(drawn.factors_1[:, 5], minlength=40)
    assert stats.chisquare(values).pvalue > ALPHA
    shift = (drawn.factors_2[:, 5] - drawn.factors_1[:, 5]) % 40
    assert stats.chisquare(np.bincount(shift, minlength=40)[1:]).pvalue > ALPHA


def test_minus_one_draws_k_for_each_pair():
    counts = np.bincount(draw(k=-1).k, minlength=8)
    assert counts[0] == counts[7] == 0
    np.testing.assert_allclose(counts[1:7] / counts.sum(), 1 / 6, atol=0.015)


def test_dlib_mode_redraws_one_or_k_and_may_keep_a_value():
    drawn = draw(k=4, mode="dlib", num=50_000)
    # One factor or four with equal probability, each kept with probability 1 / size.
    change = 1 - 1 / np.array(SIZES)
    expected = np.mean(change) * (1 + 4) / 2
    assert abs(drawn.k.mean() - expected) < 0.03
    assert drawn.k.max() == 4
    assert (drawn.k == 0).any()
    assert drawn.labels.min() >= 0


def differing(drawn):
    """Which factors differ, a row each of the sets that occur, and how often."""
    return np.unique(drawn.factors_1 != drawn.factors_2, axis=0, return_counts=True)


@pytest.mark.parametrize("k", [0, 2, 6, 7])
def test_fixed_pairs_share_the_first_factors(k):
    drawn = draw(k=k, mode="fixed")
    found, _ = differing(drawn)
    np.testing.assert_array_equal(found, [[False] * (7 - k) + [True] * k])
    if k:  # any factor that differs is as likely to be known
        labels = np.bincount(drawn.labels, minlength=7)[7 - k :]
        assert labels.sum() == 20_000
        assert stats.chisquare(labels).pvalue > ALPHA
    else:
        assert set(drawn.labels) == {-1}


@pytest.mark.parametrize("given", [{}, {"k": 4}])
def test_fixed_pairs_share_the_factors_that_are_named(given):
    drawn = draw(mode="fixed", shared_factors=[5, 0, 2], **given)
    found, _ = differing(drawn)
    np.testing.assert_array_equal(found, [[i not in (0, 2, 5) for i in range(7)]])
    # The redrawn factors are uniform over the values that they don't have.
    for factor in (3, 6):
        shift = (drawn.factors_2 - drawn.factors_1)[:, factor] % SIZES[factor]
        counts = np.bincount(shift, minlength=SIZES[factor])[1:]
        assert stats.chisquare(counts).pvalue > ALPHA


def test_fixed_pairs_of_mixed_k_share_nested_sets():
    found, counts = differing(draw(k=-1, mode="fixed"))
    np.testing.assert_array_equal(found, np.tri(6, 7, dtype=bool)[:, ::-1])
    assert stats.chisquare(counts).pvalue > ALPHA


def test_fixed_pairs_do_not_count_factors_with_one_value():
    found, _ = differing(draw(sizes=[1, 3, 1, 5, 2], k=2, mode="fixed"))
    np.testing.assert_array_equal(found, [[False, False, False, True, True]])
    found, _ = differing(draw(sizes=[1, 3, 1, 5], mode="fixed", shared_factors=[2, 3]))
    np.testing.assert_array_equal(found, [[False, True, False, False]])


@pytest.mark.parametrize(
    ("dynamics", "sentence"),
    [
        ({"k": 5, "shared_factors": [0, 1, 2]}, "lets 4 factors differ: bind k to 4"),
        ({"k": -1, "shared_factors": [0]}, "lets 6 factors differ"),
        ({"shared_factors": [7]}, r"is \[7\], but must be .* from 0 to 6"),
        ({"shared_factors": [1, 1]}, "must be a list of different integers"),
        ({"shared_factors": [-1]}, "must be a list of different integers"),
        ({"shared_factors": 3}, "must be a list"),
        ({"shared_factors": [0], "mode": "exact"}, "bind dynamics.mode to .fixed."),
        ({}, "No value is bound to dynamics.k"),
        ({"k": 8}, "dynamics.k is 8, but must be an integer from 0 to 7"),
    ],
)
def test_fixed_pairs_that_there_are_not(dynamics, sentence):
    with pytest.raises(UserError, match=sentence):
        draw(**{"mode": "fixed", **dynamics})


def test_factors_with_one_value_never_count():
    drawn = draw(sizes=[1, 3, 1, 5], k=2)
    np.testing.assert_array_equal(
        drawn.factors_1 != drawn.factors_2, [[False, True, False, True]] * 20_000
    )
    assert set(np.unique(draw(sizes=[1, 3, 1, 5], k=-1).k)) == {1}
    with pytest.raises(UserError, match="dynamics.k is 3, but must be .* 0 to 2"):
        draw(sizes=[1, 3, 1, 5], k=3)


def test_a_seed_fixes_the_pairs_and_the_graph_agrees_with_eager():
    eager = draw(num=50, k=-1)
    dynamics = pairs.Dynamics(k=-1)
    sample = tf.function(
        lambda seed: pairs.sample_factor_pairs(SIZES, 50, seed, dynamics)
    )
    graph = sample(tf.constant([1, 2]))
    for a, b in zip(eager, graph, strict=True):
        np.testing.assert_array_equal(a, b)
    other = draw(num=50, k=-1, seed=(1, 3))
    assert (eager.factors_1 != other.factors_1).any()


class CountingData:
    """A data set on the host: the image is the factors, and noise."""

    factors_num_values = [3, 4]
    num_factors = 2
    observation_shape = [1, 1, 3]

    def sample_observations_from_factors(self, factors, random_state):
        noise = random_state.uniform(size=(len(factors), 1))
        images = np.concatenate([factors, noise], axis=1)
        return images[:, None, None, :].astype(np.float32)


class Grid:
    """Images that are the factors themselves, 480 of them."""

    factors_num_values = [6, 8, 10]

    def sample_observations_from_factors(self, factors, random_state):
        return np.asarray(factors, np.float32)[:, None, None, :]


def test_host_stream_is_a_function_of_the_step():
    source = pairs.PairSource(CountingData(), 5, 3, pairs.Dynamics(k=1))
    assert not source.on_device
    from_start = list(source.dataset(0).take(4))
    resumed = list(source.dataset(2).take(2))
    for expected, batch in zip(from_start[2:], resumed, strict=True):
        for key in ("images_1", "images_2", "labels", "k"):
            np.testing.assert_array_equal(expected[key], batch[key])
    first = from_start[0]
    assert first["images_1"].shape == (5, 1, 1, 3)
    changed = first["images_1"][..., :2] != first["images_2"][..., :2]
    np.testing.assert_array_equal(tf.reduce_sum(tf.cast(changed, tf.int32), -1), 1)


def test_the_data_are_not_drawn_from_the_model_s_stream():
    """A model splits [seed, step] for its noise, which must not be the data's."""
    batch = pairs.PairSource(CountingData(), 50, 3, pairs.Dynamics(k=1)).batch(7)
    same_stream = draw(num=50, sizes=[3, 4], seed=(3, 7), k=1)
    found = batch["images_1"].numpy()[:, 0, 0, :2]
    assert (found != same_stream.factors_1).mean() > 0.4  # 0.71 if independent


def test_sample_pairs_tells_the_truth_of_the_images():
    dynamics = pairs.Dynamics(k=1)
    drawn = pairs.sample_pairs(CountingData(), 100, np.random.RandomState(0), dynamics)
    np.testing.assert_array_equal(drawn.images_1[:, 0, 0, :2], drawn.factors_1)
    np.testing.assert_array_equal(drawn.images_2[:, 0, 0, :2], drawn.factors_2)
    np.testing.assert_array_equal(drawn.shared, drawn.factors_1 == drawn.factors_2)
    again = pairs.sample_pairs(CountingData(), 100, np.random.RandomState(0), dynamics)
    np.testing.assert_array_equal(drawn.images_2, again.images_2)


def test_pairs_of_a_part_of_the_grid_have_both_images_there():
    parts = [GridPart(5, index) for index in range(2)]
    dynamics = pairs.Dynamics(k=2)
    images = []
    for part in parts:
        random_state = np.random.RandomState(0)
        drawn = pairs.sample_pairs(Grid(), 500, random_state, dynamics, part)
        assert drawn.images_1.shape == (500, 1, 1, 3)
        np.testing.assert_array_equal(drawn.k, 2)
        both = np.concatenate([drawn.images_1, drawn.images_2])[:, 0, 0]
        images.append({tuple(image) for image in both})
    assert not images[0] & images[1]
    assert all(len(seen) > 100 for seen in images)


def test_the_parts_of_a_grid_are_halves():
    grid = np.array(list(itertools.product(*map(range, SIZES[:5]), range(40))))
    first = GridPart(1, 0).holds(grid, [*SIZES[:5], 40])
    np.testing.assert_array_equal(first, ~GridPart(1, 1).holds(grid, [*SIZES[:5], 40]))
    assert stats.binomtest(int(first.sum()), len(grid)).pvalue > ALPHA
    # Neither a factor's value, nor a step along an axis, nor the seed matters.
    for column in grid.T:
        table = stats.contingency.crosstab(column, first).count
        assert stats.chi2_contingency(table).pvalue > ALPHA
    other = GridPart(2, 0).holds(grid, [*SIZES[:5], 40])
    for same in (first == other, first[1:] == first[:-1]):
        assert stats.binomtest(int(same.sum()), len(same)).pvalue > ALPHA


def test_a_grid_too_small_for_two_parts_is_one_clear_sentence():
    class OneImage(Grid):
        factors_num_values = [1, 1, 1]

    part = GridPart(0, int(GridPart(0, 0).holds(np.zeros([1, 3], int), [1] * 3)[0]))
    with pytest.raises(UserError, match="bind shared_independent_downstream.disjoint"):
        pairs.sample_pairs(
            OneImage(), 9, np.random.RandomState(0), pairs.Dynamics(k=0), part
        )


@pytest.mark.parametrize("k", [8, -2, 1.5, "2"])
def test_a_wrong_k_is_one_clear_sentence(k):
    with pytest.raises(UserError, match="dynamics.k is .*, but must be an integer"):
        draw(k=k)


def test_a_wrong_mode_is_one_clear_sentence():
    with pytest.raises(UserError, match='dynamics.mode is .approx., but must be "ex'):
        draw(k=1, mode="approx")


def test_a_k_beyond_the_factors_is_told_before_anything_is_drawn():
    with pytest.raises(UserError, match="dynamics.k is 3, but must be .* 0 to 2"):
        pairs.PairSource(CountingData(), 5, 3, pairs.Dynamics(k=3))


def test_dynamics_are_read_once():
    """What gin holds later changes no pair of a source."""
    gin.bind_parameter("dynamics.k", 1)
    source = pairs.PairSource(CountingData(), 5, 3, pairs.Dynamics())
    gin.bind_parameter("dynamics.k", 2)
    np.testing.assert_array_equal(source.batch(0)["k"], 1)
