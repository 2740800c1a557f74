"""Against scikit-learn's classifier, whose trees these are.

Where two splits are equally good, both draw one, and later trees follow from it. In
trees of one split over some hundred points there is none such but equal features.
"""

import numpy as np
import pytest
from sklearn import ensemble

from mvhg_tf.disentanglement.metrics import boosted_trees
from mvhg_tf.disentanglement.metrics.boosted_trees import GradientBoostingClassifier
from mvhg_tf.runs.errors import UserError

NUM_POINTS = 400


def _points(num_points=NUM_POINTS, seed=0):
    return np.random.RandomState(seed).randn(num_points, 4).astype(np.float32)


def _classes(points, num_classes):
    """Equally many of each, told by two of the features, with noise."""
    noise = 0.8 * np.random.RandomState(1).randn(len(points))
    score = points[:, 0] + 0.5 * points[:, 1] ** 2 + noise
    quantiles = np.linspace(0, 1, num_classes + 1)[1:-1]
    return np.digitize(score, np.quantile(score, quantiles))


def _both(points, classes, **settings):
    return [
        Classifier(**settings, random_state=0).fit(points, classes)
        for Classifier in (
            GradientBoostingClassifier,
            ensemble.GradientBoostingClassifier,
        )
    ]


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_single_splits_are_scikit_learns(num_classes):
    points = _points()
    ours, theirs = _both(points, _classes(points, num_classes), max_depth=1)
    np.testing.assert_allclose(
        ours.feature_importances_, theirs.feature_importances_, rtol=1e-10
    )
    others = _points(2000, seed=2)
    np.testing.assert_array_equal(ours.predict(others), theirs.predict(others))


@pytest.mark.parametrize("num_classes", [2, 4])
def test_deep_trees_are_scikit_learns_but_for_equal_splits(num_classes):
    """Two seeds of scikit-learn's differ by up to 2e-3 here."""
    points = _points()
    ours, theirs = _both(points, _classes(points, num_classes), n_estimators=20)
    np.testing.assert_allclose(
        ours.feature_importances_, theirs.feature_importances_, atol=5e-3
    )
    others = _points(2000, seed=2)
    assert np.mean(ours.predict(others) == theirs.predict(others)) > 0.99


def test_settings_are_scikit_learns():
    points = _points(100)
    classes = _classes(points, 3)
    settings = {"n_estimators": 7, "learning_rate": 0.7, "max_depth": 2}
    ours, theirs = _both(points, classes, **settings)
    others = _points(500, seed=2)
    assert np.mean(ours.predict(others) == theirs.predict(others)) > 0.98
    assert ours.get_params() == settings | {"random_state": 0}


def test_importances_belong_to_the_features_and_to_their_order_only():
    points = _points()
    classes = _classes(points, 3)
    order = [2, 0, 3, 1]
    fits = [
        GradientBoostingClassifier(max_depth=1).fit(x, classes).feature_importances_
        for x in (points, np.exp(points[:, order]))
    ]
    np.testing.assert_allclose(fits[1], fits[0][order], rtol=1e-6)
    assert fits[0].sum() == pytest.approx(1)


def test_equal_features_have_equal_chances():
    points = _points()
    classes = _classes(points, 3)
    twice = np.hstack([points, points])
    fit = GradientBoostingClassifier(n_estimators=60, max_depth=2)
    once = GradientBoostingClassifier(n_estimators=60, max_depth=2)
    shares = fit.fit(twice, classes).feature_importances_.reshape(2, 4)
    whole = once.fit(points, classes).feature_importances_
    np.testing.assert_allclose(shares.sum(axis=0), whole, atol=0.01)
    # The largest gain is that of the first rounds: some coins decide a lot.
    assert 0.25 < shares[0, 0] / whole[0] < 0.75


def test_draws_are_those_of_the_seed_with_any_number_of_threads(monkeypatch):
    points = np.hstack([_points()] * 2)
    classes = _classes(points, 3)

    def importances(threads, seed):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        model = GradientBoostingClassifier(n_estimators=10, random_state=seed)
        return model.fit(points, classes).feature_importances_

    np.testing.assert_array_equal(importances("1", 0), importances("2", 0))
    assert np.any(importances("1", 0) != importances("1", 1))


@pytest.mark.parametrize(
    ("given", "expected"), [("1", 1), ("1,4", 1), ("99", 2), ("", 2), ("many", 2)]
)
def test_threads_are_those_that_openmp_may_use(monkeypatch, given, expected):
    monkeypatch.setattr(boosted_trees.joblib, "cpu_count", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert boosted_trees._num_threads() == expected


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.zeros([9, 2]), id="constant"),
        pytest.param(np.outer(np.arange(9) // 3, [1, 0]), id="few integers"),
    ],
)
def test_features_that_tell_little(points):
    classes = np.array(list("aabbabbab"))
    ours, theirs = _both(points, classes, max_depth=1)
    np.testing.assert_array_equal(ours.predict(points), theirs.predict(points))
    np.testing.assert_allclose(
        ours.feature_importances_, theirs.feature_importances_, atol=1e-12
    )


def test_values_closer_than_1e_7_are_one():
    """As in scikit-learn 1.9; scikit-learn 1.6 tells them apart."""
    points = np.outer(np.arange(9) % 2, [5e-8, 2e-7]).astype(np.float32)
    classes = np.array(list("aabbabbab"))
    fit = GradientBoostingClassifier(max_depth=1).fit(points, classes)
    np.testing.assert_array_equal(fit.feature_importances_, [0, 1])


def test_neighbouring_numbers_are_told_apart():
    """Halfway between two float32 of which no third lies between."""
    low = np.float32(4)
    points = np.array([[low], [np.nextafter(low, np.float32(5))]] * 5)
    classes = np.tile([0, 1], 5)
    model = GradientBoostingClassifier().fit(points, classes)
    np.testing.assert_array_equal(model.predict(points), classes)


def test_classes_may_be_of_any_kind_and_rare():
    points = _points(60)
    names = np.array(["few", "many"])[(points[:, 0] > -1.5).astype(int)]
    model = GradientBoostingClassifier().fit(points, names)
    assert model.score(points, names) == 1
    assert list(model.classes_) == ["few", "many"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("step", ["fit", "predict"])
def test_refuses_what_is_not_finite(step, value):
    points = _points(50)
    model = GradientBoostingClassifier(n_estimators=1)
    classes = _classes(points, 2)
    model.fit(points, classes)
    points[3, 1] = value
    with pytest.raises(UserError, match="1 of 200 numbers .* are not finite"):
        model.fit(points, classes) if step == "fit" else model.predict(points)


def test_refuses_a_single_class():
    with pytest.raises(UserError, match="All 50 training points have the same value"):
        GradientBoostingClassifier().fit(_points(50), np.ones(50))
