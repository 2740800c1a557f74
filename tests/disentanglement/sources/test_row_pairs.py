"""Batches of listed pairs and of pairs from a table: what is in them, and when."""

import gin
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.data.image_table import ImageTable
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.sources import row_pairs
from mvhg_tf.disentanglement.sources.images import ImageSource
from mvhg_tf.disentanglement.sources.pairs import Dynamics, sample_pairs
from mvhg_tf.runs.errors import UserError

P, B = 10, 4
FACTORS = np.random.RandomState(0).randint(2, size=(2 * P, 3))
K = np.sum(FACTORS[:P] != FACTORS[P:], axis=1)


def images() -> list[np.ndarray]:
    """Each shows its row."""
    made = np.zeros([2 * P, 3, 2, 1], np.uint8)
    made[:, 0, 0, 0] = np.arange(2 * P)
    return [made[:P], made[P:]]


def listed(factors=FACTORS, k=K) -> ListedPairs:
    rows = np.arange(P)
    pairs = np.stack([rows, rows + P], axis=1)
    return ListedPairs(images(), pairs, np.zeros(P, bool), "the pairs", k, factors)


def rows_in(batch: dict) -> np.ndarray:
    views = [batch["images_1"], batch["images_2"]]
    return np.stack([view[:, 0, 0, 0] for view in views], axis=1)


def take(source, num: int, first: int = 0) -> list[dict]:
    return list(source.dataset(first).take(num).as_numpy_iterator())


def test_each_pair_comes_once_a_round_in_a_new_order():
    batches = take(row_pairs.ListedPairSource(listed(), B, seed=3), 5)
    assert batches[0]["images_1"].shape == (B, 3, 2, 1)
    assert batches[0]["images_1"].dtype == np.uint8
    rows = np.concatenate([rows_in(batch) for batch in batches])
    np.testing.assert_array_equal(rows[:, 1], rows[:, 0] + P)
    rounds = rows[:, 0].reshape(2, P)
    np.testing.assert_array_equal(np.sort(rounds), np.tile(np.arange(P), (2, 1)))
    assert (rounds[0] != rounds[1]).any()
    k = np.concatenate([batch["k"] for batch in batches])
    np.testing.assert_array_equal(k, K[rows[:, 0]])


@pytest.mark.parametrize("make", [row_pairs.ListedPairSource, ImageSource])
def test_batches_are_functions_of_seed_and_step(make):
    def values(seed, first):
        (batch,) = take(make(listed(), B, seed), 1, first)
        return batch.get("images", batch.get("images_1"))[:, 0, 0, 0].tolist()

    assert values(3, 7) == values(3, 7)
    others = [values(3, 7), values(4, 7), values(3, 8)]
    assert len(set(map(tuple, others))) == 3


def test_labels_are_factors_that_differ():
    for batch in take(row_pairs.ListedPairSource(listed(), B, seed=0), 10):
        rows = rows_in(batch)
        for (first, second), label, k in zip(
            rows, batch["labels"], batch["k"], strict=True
        ):
            differs = FACTORS[first] != FACTORS[second]
            assert k == differs.sum()
            assert differs[label] if k else label == -1


def test_what_is_not_known_is_minus_one():
    (batch,) = take(row_pairs.ListedPairSource(listed(None, None), B, seed=0), 1)
    np.testing.assert_array_equal(batch["k"], -1)
    np.testing.assert_array_equal(batch["labels"], -1)


def test_pairs_of_a_table_differ_as_dynamics_says():
    table = ImageTable(images(), FACTORS, ["a", "b", "c"], "the table")
    source = row_pairs.TablePairSource(table, B, 5, Dynamics(k=2))
    batches = take(source, 6)
    for batch in batches:
        differs = FACTORS[rows_in(batch)[:, 0]] != FACTORS[rows_in(batch)[:, 1]]
        np.testing.assert_array_equal(differs.sum(1), 2)
        assert differs[np.arange(B), batch["labels"]].all()
    (again,) = take(source, 1, first=4)
    np.testing.assert_array_equal(rows_in(again), rows_in(batches[4]))
    pairs = sample_pairs(table, 20, np.random.RandomState(0), Dynamics(k=1))
    np.testing.assert_array_equal(pairs.k, 1)
    rows = np.rint(pairs.images_1[:, 0, 0, 0] * 255).astype(int)
    np.testing.assert_array_equal(pairs.factors_1, FACTORS[rows])


def test_the_data_set_decides_and_listed_pairs_need_no_dynamics():
    assert isinstance(row_pairs.pair_source(listed(), B, 0), row_pairs.ListedPairSource)
    table = ImageTable(images(), FACTORS, ["a", "b", "c"], "the table")
    gin.parse_config("dynamics.k = 2")
    assert isinstance(row_pairs.pair_source(table, B, 0), row_pairs.TablePairSource)
    gin.parse_config("dynamics.k = 9")
    with gin.unlock_config(), pytest.raises(UserError, match="k is 9, but no two"):
        row_pairs.pair_source(table, B, 0)


def test_single_images_of_a_table_are_uniform_rows():
    table = ImageTable(images(), FACTORS, ["a", "b", "c"], "the table")
    seen = [batch["images"][:, 0, 0, 0] for batch in take(ImageSource(table, 50, 1), 4)]
    counts = np.bincount(np.concatenate(seen), minlength=2 * P)
    assert counts.min() > 0  # 200 draws of 20 rows leave one out in 1 of 1400 runs
    image = tf.constant(table.images_of_rows(np.array([3])))
    assert image.shape == (1, 3, 2, 1)
