"""Clusters against classes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mvhg_tf.clustering.data import Data, Part
from mvhg_tf.clustering.evaluation import evaluate, name_clusters, table
from mvhg_tf.clustering.scaling import Scaling

# Class a is cluster 2, class b cluster 0; cluster 1 has no class of its own.
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 0])
CLUSTERS = np.array([2, 2, 2, 1, 0, 0, 0, 0])
UNSCALED = Scaling(np.zeros(1), np.ones(1), is_table=False)


class FoundClusters:
    """A stand-in whose samples say what cluster they are in."""

    num_clusters = 3
    prior = SimpleNamespace(proportions=lambda: np.array([0.5, 0.125, 0.375]))

    def predict(self, x):
        return x[:, 0].astype(int)


@pytest.fixture
def evaluation():
    part = Part(CLUSTERS[:, None].astype(np.float32), LABELS, np.arange(len(LABELS)))
    return evaluate(FoundClusters(), Data(part, part, ("a", "b"), (1,), UNSCALED))


def test_clusters_are_named_after_classes(evaluation):
    np.testing.assert_array_equal(evaluation.confusion, [[1, 1, 3], [3, 0, 0]])
    np.testing.assert_array_equal(evaluation.class_of_cluster, [1, -1, 0])
    assert evaluation.scores["accuracy"] == pytest.approx(6 / 8)
    assert evaluation.scores["accuracy"] == evaluation.train_scores["accuracy"]


def test_total_variation_counts_a_cluster_without_a_class(evaluation):
    # Learned: a 3/8, b 1/2, none 1/8; true: a 5/8, b 3/8.
    np.testing.assert_allclose(
        evaluation.by_class(np.array([0.5, 0.125, 0.375])), [0.375, 0.5]
    )
    assert evaluation.total_variation == pytest.approx((2 / 8 + 1 / 8 + 1 / 8) / 2)


def test_weights_are_the_proportions_unless_the_prior_has_its_own(evaluation):
    np.testing.assert_array_equal(evaluation.weights, evaluation.learned_proportions)
    model = FoundClusters()
    log_weights = np.log(np.array([3.0, 1.0, 4.0], np.float32)) + 7
    model.prior = SimpleNamespace(
        proportions=FoundClusters.prior.proportions,
        log_weights=SimpleNamespace(numpy=lambda: log_weights),
    )
    part = Part(CLUSTERS[:, None].astype(np.float32), LABELS, np.arange(len(LABELS)))
    found = evaluate(model, Data(part, part, ("a", "b"), (1,), UNSCALED))
    np.testing.assert_allclose(found.weights, np.array([3, 1, 4]) / 8, rtol=1e-6)


def test_more_classes_than_clusters():
    names = name_clusters(np.array([[5, 0], [4, 0], [0, 3]]))
    np.testing.assert_array_equal(names, [0, 2])


def test_it_is_json_and_a_table_of_all_clusters(evaluation):
    fields = json.loads(json.dumps(evaluation.as_dict()))
    assert fields["accuracy"] == 0.75
    assert fields["total_variation"] == evaluation.total_variation
    lines = table(evaluation, ("a", "b")).splitlines()
    assert lines[0].startswith("test part: accuracy 75.0 %")
    assert lines[2].split()[4:] == ["assigned", "learned", "true"]
    rows = [line.split() for line in lines[3:6]]
    assert [row[4] for row in rows] == ["37.5", "50.0", "12.5"]
    assert [row[:4] for row in rows] == [
        ["2", "a", "3", "3"],
        ["0", "b", "4", "3"],
        ["1", "none", "1", "0"],
    ]


def test_without_labels_there_are_shares_and_no_scores():
    part = Part(CLUSTERS[:, None].astype(np.float32), None, np.arange(len(CLUSTERS)))
    found = evaluate(FoundClusters(), Data(part, part, (), (1,), UNSCALED))
    fields = json.loads(json.dumps(found.as_dict()))
    assert fields == {
        "learned_proportions": [0.5, 0.125, 0.375],
        "assigned_proportions": [4 / 8, 1 / 8, 3 / 8],
        "weights": [0.5, 0.125, 0.375],
    }
    lines = table(found, ()).splitlines()
    assert [line.split()[0] for line in lines] == ["cluster", "0", "1", "2"]
    assert lines[2].split() == ["1", "12.5", "%", "12.5", "%"]
