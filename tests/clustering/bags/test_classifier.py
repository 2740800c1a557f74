"""The classifier that learns from bags: that it learns, and what it refuses."""

import keras
import numpy as np
import pytest
import sklearn.base
from sklearn.datasets import load_digits, make_blobs

from mvhg_tf.clustering import LabelProportionsClassifier


def bags_of(labels, sizes, num_classes):
    bags = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.zeros([len(sizes), num_classes], int)
    np.add.at(counts, (bags, labels), 1)
    return bags, counts


@pytest.fixture(scope="module")
def blobs():
    x, labels = make_blobs(600, 5, centers=3, cluster_std=1.0, random_state=0)
    sizes = np.tile([8, 4, 12, 6], 20)
    return x, labels, *bags_of(labels, sizes, 3)


@pytest.mark.parametrize("loss", ["counts", "proportions"])
def test_learns_the_classes_of_bags_of_several_sizes(blobs, loss):
    x, labels, bags, counts = blobs
    classifier = LabelProportionsClassifier(
        loss=loss, units=(16,), epochs=30, samples_per_step=60, random_state=0
    )
    classifier.fit(x, bags, counts)
    assert classifier.score(x, labels) > 0.98
    assert classifier.losses_[-1] < classifier.losses_[0]
    probs = classifier.predict_proba(x[:7])
    assert probs.shape == (7, 3)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, rtol=1e-5)


def test_the_same_seed_gives_the_same_classifier(blobs):
    x, _, bags, counts = blobs
    classifier = LabelProportionsClassifier(units=(8,), epochs=2, random_state=3)
    first = classifier.fit(x, bags, counts).predict_proba(x)
    again = sklearn.base.clone(classifier).fit(x, bags, counts).predict_proba(x)
    np.testing.assert_array_equal(first, again)


def test_a_network_of_ones_own(blobs):
    x, labels, bags, counts = blobs
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    before = network.get_weights()
    classifier = LabelProportionsClassifier(
        network=network, epochs=30, learning_rate=0.05, random_state=0
    )
    assert classifier.fit(x, bags, counts).score(x, labels) > 0.98
    assert len(classifier.model_.layers) == 1
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_beats_the_usual_loss_on_digits_in_large_bags():
    x, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:1792]
    x, labels = x[order], labels[order]
    bags, counts = bags_of(labels[:1280], np.full(10, 128), 10)
    accuracy = {}
    for loss in ("counts", "proportions"):
        classifier = LabelProportionsClassifier(loss=loss, epochs=200, random_state=0)
        classifier.fit(x[:1280], bags, counts)
        accuracy[loss] = classifier.score(x[1280:], labels[1280:])
    assert accuracy["counts"] > accuracy["proportions"] + 0.05


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bags": [0, 0, 1]}, r"bags has the shape \[3\] .* must be \[4\]"),
        ({"bags": [0.0, 0, 1, 1]}, "type float64, but must"),
        ({"bags": [0, 0, 1, 2]}, "from 0 to 2, but counts has 2 rows"),
        ({"bags": [0, 0, -1, 1]}, "from -1 to 1"),
        ({"bags": [0, 1, 1, 1]}, "Bag 0 has 1 samples .* sums to 2"),
        ({"counts": [[0.5, 1.5], [1, 1]]}, "whole numbers .* multiply proportions"),
        ({"counts": [[-1, 3], [1, 1]]}, "at least 0"),
        ({"counts": [[2], [2]]}, r"shape \[2, 1\], but must be \[M, K\]"),
        ({"counts": [2, 2]}, r"shape \[2\], but must"),
        ({"X": [[np.nan], [0.0], [1.0], [2.0]]}, "NaN"),
        ({"loss": "count"}, 'must be "counts" or "proportions"'),
        ({"epochs": 0}, "epochs is 0"),
        ({"units": (8, 0)}, "A number in units is 0"),
        (
            {"network": keras.Sequential([keras.Input((1,)), keras.layers.Dense(3)])},
            r"returns the shape \[None, 3\], but counts has 2 classes",
        ),
    ],
)
def test_mistakes_get_one_sentence(change, sentence):
    given = {"X": [[0.0], [1.0], [2.0], [3.0]], "bags": [0, 0, 1, 1]}
    given |= {"counts": [[1, 1], [2, 0]]}
    parameters = {k: v for k, v in change.items() if k not in given}
    given |= {k: v for k, v in change.items() if k in given}
    with pytest.raises(ValueError, match=sentence):
        LabelProportionsClassifier(**parameters).fit(**given)
