"""The cross-validated logistic regression of the library's metrics."""

import warnings
from typing import Any

import numpy as np
from sklearn import linear_model


class LogisticRegressionCV(linear_model.LogisticRegressionCV):
    """scikit-learn's, whose strength is chosen by accuracy.

    That was scikit-learn's default when the metrics were written. It is going to
    change, and scikit-learn warns about that at each of thousands of fits.

    Args:
      Cs: how many strengths of regularisation are tried.
      cv: the folds.
    """

    def __init__(self, Cs: int = 10, cv: Any = None):
        super().__init__(Cs=Cs, cv=cv, scoring="accuracy")

    def fit(self, X: np.ndarray, y: np.ndarray) -> "LogisticRegressionCV":
        """Fits classes `y` `[N]` to points `X` `[N, d]`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return super().fit(X, y)
