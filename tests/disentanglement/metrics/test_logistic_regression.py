"""The library's cross-validated regression against scikit-learn's, and its silence."""

import warnings

import numpy as np
import pytest
from sklearn import linear_model, model_selection

from mvhg_tf.disentanglement import compat  # noqa: F401  (adapts the library)
from mvhg_tf.disentanglement.metrics.logistic_regression import LogisticRegressionCV


@pytest.fixture(scope="module")
def points():
    state = np.random.RandomState(0)
    x = state.normal(size=(90, 3))
    return x, np.digitize(x[:, 0] + 0.5 * state.normal(size=90), [-0.5, 0.5])


@pytest.fixture(scope="module")
def of_the_library():
    from disentanglement_lib.evaluation.metrics import utils

    return utils.logistic_regression_cv()


def test_it_is_scikit_learns_with_accuracy_to_choose_by(points, of_the_library):
    assert isinstance(of_the_library, LogisticRegressionCV)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        expected = linear_model.LogisticRegressionCV(
            Cs=10, cv=model_selection.KFold(n_splits=5), scoring="accuracy"
        ).fit(*points)
    found = of_the_library.fit(*points)
    np.testing.assert_array_equal(
        found.predict_proba(points[0]), expected.predict_proba(points[0])
    )
    np.testing.assert_array_equal(found.C_, expected.C_)


def test_it_says_nothing_of_what_scikit_learn_is_to_change(points, of_the_library):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        of_the_library.fit(*points)
        of_the_library.score(*points)
