"""Gradient boosted trees for the metrics: scikit-learn's, but faster.

For a factor of K values scikit-learn's `GradientBoostingClassifier` grows K trees in
each of 100 rounds, one after another, and sorts the points anew along each feature in
each node of each tree. But the points are always the same. Here they are sorted once, a
node's points are filtered from its parent's, which keeps them in order, and all
possible splits of a node are compared with one running sum. The trees of a round are
independent and grow in parallel on the cores.

The splits, and so the scores, are scikit-learn's: the greedy exact search of Friedman,
"Greedy Function Approximation: A Gradient Boosting Machine" (2001), algorithm 6.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import joblib
import numpy as np
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin

from mvhg_tf.runs.errors import UserError

# As in scikit-learn: values this close are one, and a variance this small is none.
_SAME_VALUE = np.float32(1e-7)
_NO_VARIANCE = np.finfo(np.float64).eps
# Gains that differ by less are equal but for rounding.
_TIE = 1e-10
# A curvature below this is that of points whose class is certain.
_FLAT = 1e-150


class GradientBoostingClassifier(ClassifierMixin, BaseEstimator):
    """scikit-learn's classifier of this name, as far as the metrics use it.

    Two features that split a node equally well have equal chances, as in
    scikit-learn; but the draws are seeded, so that a fit can be repeated.

    Args:
      n_estimators: rounds of boosting, of a tree for each class (of two, for one).
      learning_rate: what each tree's step is multiplied by.
      max_depth: of the trees.
      random_state: the seed of the draws among equal splits.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        random_state: int = 0,
    ):
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> GradientBoostingClassifier:
        """Fits the trees.

        Args:
          X: float `[N, d]`, cut to float32 as in scikit-learn.
          y: `[N]`, the classes.

        Returns:
          Itself, with `classes_` `[K]`, the sorted classes, and
          `feature_importances_` `[d]`, each feature's part of what all splits gained.

        Raises:
          UserError: if `X` is not finite, or `y` has one value only.
        """
        points = _checked(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        num_classes = len(self.classes_)
        if num_classes < 2:
            raise UserError(
                f"All {len(codes)} training points have the same value of a factor, so "
                "there is nothing to predict: use more points, or another data set."
            )
        priors = np.bincount(codes) / len(codes)
        if num_classes == 2:
            targets = codes[None] == 1
            self._start = special.logit(priors[1:])
        else:
            targets = codes == np.arange(num_classes)[:, None]
            self._start = np.log(priors)
        gains = self._boost(points, targets)
        total = gains.sum()
        self.feature_importances_ = gains / total if total > 0 else gains
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Returns the most probable class of each row of `X` `[N, d]`."""
        points = _checked(X)

        def score(row: int) -> np.ndarray:
            steps = sum(trees[row].predict(points) for trees in self._rounds)
            return self._start[row] + self.learning_rate * steps

        scores = np.stack(_side_by_side(score, len(self._start)))
        if len(scores) == 1:
            return self.classes_[(scores[0] >= 0).astype(int)]
        return self.classes_[scores.argmax(axis=0)]

    def _boost(self, points: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Grows all trees, and returns what each feature's splits gained, `[d]`.

        Args:
          points: float32 `[d, N]`.
          targets: bool `[T, N]`, what the T trees of a round predict.
        """
        num_trees, num_points = targets.shape
        # The factor is Friedman's, for K scores of which K - 1 would do.
        shrinkage = (num_trees - 1) / num_trees if num_trees > 1 else 1.0
        draws = np.random.RandomState(self.random_state)
        root = _Node.of(points)
        scores = np.repeat(self._start[:, None], num_points, axis=1)
        gains = np.zeros(len(points))
        self._rounds = []
        with ThreadPoolExecutor(_num_threads()) as threads:
            for _ in range(self.n_estimators):
                expected = _probabilities(scores)
                lots = draws.random_sample(
                    [num_trees, 2**self.max_depth - 1, len(points)]
                )

                def grow(
                    row: int, expected: np.ndarray = expected, lots: np.ndarray = lots
                ) -> _Tree:
                    residuals = targets[row] - expected[row]
                    tree = _Tree(self.max_depth, len(points))
                    leaves = tree.grow(root, residuals, lots[row])
                    curvatures = expected[row] * (1 - expected[row])
                    tree.values = shrinkage * _newton(residuals, curvatures, leaves)
                    tree.values.resize(2**self.max_depth)
                    scores[row] += self.learning_rate * tree.values[leaves]
                    return tree

                trees = list(threads.map(grow, range(num_trees)))
                gains += sum(tree.gains for tree in trees)
                self._rounds.append(trees)
        return gains


class _Split(NamedTuple):
    """A node's first `size` points by `feature` go to the left."""

    feature: int
    size: int
    gain: float


class _Node(NamedTuple):
    """M points of a node.

    Attributes:
      order: int `[d, M]`, their numbers, sorted along each feature.
      values: float32 `[d, M]`, the features' values in that order.
    """

    order: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> _Node:
        """The root: all points `[d, N]`."""
        order = np.argsort(points, axis=1, kind="stable")
        return cls(order, np.take_along_axis(points, order, axis=1))

    def best_split(self, residuals: np.ndarray, lots: np.ndarray) -> _Split | None:
        """The split that leaves the least squared error, None if there is none.

        Args:
          residuals: `[N]`, of all points.
          lots: `[d]`, of equally good features the one with the highest is taken.
        """
        size = self.order.shape[1]
        sums = residuals.take(self.order)
        sums -= sums[0].mean()
        if sums[0] @ sums[0] <= _NO_VARIANCE * size:
            return None
        np.cumsum(sums, axis=1, out=sums)
        left = np.arange(1.0, size)
        # About the mean, both sides' sums are opposite: what splitting them gains is
        # s^2 / left + s^2 / right.
        gains = sums[:, :-1]
        gains *= gains
        gains *= size / (left * (size - left))
        gains[self.values[:, 1:] <= self.values[:, :-1] + _SAME_VALUE] = -1.0
        places = gains.argmax(axis=1)
        best = gains[np.arange(len(gains)), places]
        if best.max() < 0:
            return None
        feature = np.where(best >= (1 - _TIE) * best.max(), lots, -1.0).argmax()
        return _Split(int(feature), int(places[feature]) + 1, float(best[feature]))

    def threshold(self, split: _Split) -> np.float32:
        """The largest value that goes to the left, halfway between two points'."""
        below, above = self.values[split.feature, split.size - 1 : split.size + 1]
        middle = np.float64(below) / 2 + np.float64(above) / 2
        rounded = np.float32(middle)
        return rounded if rounded <= middle else np.nextafter(rounded, below)

    def sides(self, split: _Split) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the points on the left and on the right."""
        along = self.order[split.feature]
        return along[: split.size], along[split.size :]

    def children(self, split: _Split, num_points: int) -> tuple[_Node, _Node]:
        """The nodes of the left and of the right; `num_points` is that of the root."""
        goes_left = np.zeros(num_points, bool)
        goes_left[self.sides(split)[0]] = True
        mask = goes_left.take(self.order)
        # Faster than indexing with the masks.
        left, right = (
            _Node(
                self.order.ravel().take(places).reshape(len(mask), -1),
                self.values.ravel().take(places).reshape(len(mask), -1),
            )
            for places in (np.flatnonzero(mask), np.flatnonzero(~mask))
        )
        return left, right


class _Tree:
    """A regression tree, of which node i has the children 2 i + 1 and 2 i + 2.

    All branches are of full depth: a node that is not split sends all to the left.

    Attributes:
      features: int `[2^depth - 1]`, which each inner node looks at.
      thresholds: float32 `[2^depth - 1]`: what is larger goes to the right.
      values: `[2^depth]`, of the leaves.
      gains: `[d]`, by how much the splits lowered the squared error.
    """

    def __init__(self, depth: int, num_features: int):
        self._depth = depth
        num_inner = 2**depth - 1
        self.features = np.zeros(num_inner, np.intp)
        self.thresholds = np.full(num_inner, np.inf, np.float32)
        self.values = np.zeros(num_inner + 1)
        self.gains = np.zeros(num_features)

    def grow(self, root: _Node, residuals: np.ndarray, lots: np.ndarray) -> np.ndarray:
        """Splits the nodes, and returns the leaf of each point, int `[N]`.

        Args:
          root: all points.
          residuals: `[N]`, to be predicted.
          lots: `[2^depth - 1, d]`, see `_Node.best_split`.
        """
        num_inner = len(self.features)
        leaves = np.zeros(len(residuals), np.intp)

        def end(index: int, points: np.ndarray) -> None:
            while index < num_inner:
                index = 2 * index + 1
            leaves[points] = index - num_inner

        def divide(index: int, node: _Node) -> None:
            split = node.best_split(residuals, lots[index])
            if split is None:
                end(index, node.order[0])
                return
            self.features[index] = split.feature
            self.thresholds[index] = node.threshold(split)
            self.gains[split.feature] += split.gain
            children = 2 * index + 1, 2 * index + 2
            if children[0] >= num_inner:
                for child, points in zip(children, node.sides(split), strict=True):
                    end(child, points)
                return
            parts = node.children(split, len(residuals))
            for child, part in zip(children, parts, strict=True):
                divide(child, part)

        divide(0, root)
        return leaves

    def predict(self, points: np.ndarray) -> np.ndarray:
        """The values `[N]` of points `[d, N]`."""
        goes_right = points[self.features] > self.thresholds[:, None]
        values = self.values[:, None]
        for level in reversed(range(self._depth)):
            nodes = slice(2**level - 1, 2 ** (level + 1) - 1)
            values = np.where(goes_right[nodes], values[1::2], values[::2])
        return values[0]


def _checked(X: np.ndarray) -> np.ndarray:
    """Points `[N, d]` as float32 `[d, N]`."""
    points = np.ascontiguousarray(np.transpose(X), np.float32)
    finite = np.isfinite(points)
    if not finite.all():
        raise UserError(
            f"{(~finite).sum()} of {finite.size} numbers of a representation are not "
            "finite: use a model whose training did not diverge."
        )
    return points


def _probabilities(scores: np.ndarray) -> np.ndarray:
    """Of the classes, from scores `[T, N]`; of one score, that of the second of two."""
    return (
        special.expit(scores) if len(scores) == 1 else special.softmax(scores, axis=0)
    )


def _newton(
    residuals: np.ndarray, curvatures: np.ndarray, leaves: np.ndarray
) -> np.ndarray:
    """The Newton step of the log-likelihood in each leaf, zero where it is flat."""
    slopes = np.bincount(leaves, residuals)
    bends = np.bincount(leaves, curvatures)
    return np.divide(slopes, bends, np.zeros_like(slopes), where=bends > _FLAT)


def _side_by_side(function: Callable[[int], np.ndarray], number: int) -> list:
    """The function's values at 0, 1, ..., on all threads."""
    with ThreadPoolExecutor(_num_threads()) as threads:
        return list(threads.map(function, range(number)))


def _num_threads() -> int:
    """The cores, or as many as OpenMP may use: a study's jobs share the cores by it."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    cores = joblib.cpu_count()
    return max(1, min(cores, int(given))) if given.isdigit() else cores
