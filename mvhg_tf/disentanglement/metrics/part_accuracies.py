"""What parts of a representation know of the factors: logistic regressions."""

import warnings
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from mvhg_tf.disentanglement.metrics.encoded_pairs import EncodedPairs

Protocol = Literal["matched", "paper"]

# lbfgs needs some hundred iterations for standardised inputs.
_MAX_ITERATIONS = 5_000


def accuracy_scores(
    train: EncodedPairs,
    test: EncodedPairs,
    num_values: np.ndarray,
    protocol: Protocol = "matched",
) -> dict[str, object]:
    """The scores of what the parts know, see `compute_shared_independent`.

    Args:
      train: the pairs to train on.
      test: the pairs to test on.
      num_values: `[F]`; a factor with one value has nothing to predict.
      protocol: "matched" or "paper".
    """
    is_matched = protocol == "matched"
    center = train.means.mean(axis=(0, 1))
    scale = train.means.std(axis=(0, 1)) + 1e-8

    def inputs_of(means: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if not is_matched:
            return np.where(mask, means, 0.0).astype(np.float32)
        means = np.where(mask, (means - center) / scale, 0.0)
        return np.concatenate([means, mask], axis=-1, dtype=np.float32)

    def everything(pairs: EncodedPairs) -> np.ndarray:
        return np.ones_like(pairs.shared)

    # Of the regressions: the view whose factors they predict, whether these are the
    # shared ones (None: all), and from which means and which of them.
    kinds = [
        (0, True, lambda pairs: (pairs.means[0], pairs.shared)),
        (0, False, lambda pairs: (pairs.means[0], ~pairs.shared)),
        (1, False, lambda pairs: (pairs.means[1], ~pairs.shared)),
        (0, True, lambda pairs: (pairs.means.mean(axis=0), everything(pairs))),
        (0, None, lambda pairs: (pairs.codes, everything(pairs))),
    ]
    scores = np.full([len(kinds), len(num_values)], np.nan)
    unconverged = 0
    for row, (view, is_shared, part) in enumerate(kinds):
        inputs = [inputs_of(*part(pairs)) for pairs in (train, test)]
        rows = [
            np.ones_like(pairs.shared_factors)
            if is_shared is None
            else pairs.shared_factors == is_shared
            for pairs in (train, test)
        ]
        if not is_matched:
            rows[0] = np.ones_like(rows[0])
        for factor in np.flatnonzero(num_values > 1):
            used = [mask[:, factor] for mask in rows]
            scores[row, factor], converged = _adjusted_accuracy(
                inputs[0][used[0]],
                train.factors[view][used[0], factor],
                inputs[1][used[1]],
                test.factors[view][used[1], factor],
            )
            unconverged += not converged
    accuracies = {
        "shared_accuracy": scores[0],
        "independent_accuracy": scores[1:3].mean(axis=0),
        "undivided_accuracy": scores[3],
        "linear_accuracy": scores[4],
    }
    return {
        **{name: _mean_of_known(values) for name, values in accuracies.items()},
        **{f"{name}_per_factor": values for name, values in accuracies.items()},
        "unconverged_fits": unconverged,
    }


def _adjusted_accuracy(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> tuple[float, bool]:
    """The adjusted balanced accuracy of a logistic regression; did it converge?

    It is NaN where it has no meaning: with fewer than two values to tell apart.
    """
    if len(np.unique(y_train)) < 2 or len(np.unique(y_test)) < 2:
        return np.nan, True
    model = LogisticRegression(max_iter=_MAX_ITERATIONS)
    # The matrices are small: on two cores, two threads take ten times as long as one.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Of no convergence, which `unconverged_fits` tells; and, in small sets, of
        # values that are rare or missing.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(x_train, y_train)
        score = balanced_accuracy_score(y_test, model.predict(x_test), adjusted=True)
    return score, bool(np.max(model.n_iter_) < _MAX_ITERATIONS)


def _mean_of_known(scores: np.ndarray) -> float:
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if known.size else np.nan
