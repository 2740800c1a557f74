import itertools

import numpy as np
import pytest

from mvhg_tf.clustering.scores import accuracy, scores
from mvhg_tf.runs.errors import UserError


def test_accuracy_is_the_best_over_all_namings():
    rng = np.random.default_rng(0)
    labels, clusters = rng.integers(0, 4, [2, 50])
    best = max(
        np.mean(np.array(naming)[clusters] == labels)
        for naming in itertools.permutations(range(4))
    )
    assert accuracy(labels, clusters) == pytest.approx(best)


def test_renaming_clusters_changes_no_score():
    labels = np.array([0, 0, 1, 1, 2, 2])
    perfect = {"accuracy": 1.0, "nmi": 1.0, "ari": 1.0}
    assert scores(labels, np.array([7, 7, 5, 5, 6, 6])) == pytest.approx(perfect)


def test_more_clusters_than_classes_count_as_mistakes():
    assert accuracy([0, 0, 0, 1], [0, 1, 2, 3]) == pytest.approx(0.5)


def test_lengths_that_differ_are_refused():
    with pytest.raises(UserError, match="must both be"):
        scores([0, 1], [0])
