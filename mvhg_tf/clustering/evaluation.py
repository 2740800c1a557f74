"""The clusters that a trained VaDE has found, and how well they match the labels."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

from mvhg_tf.clustering import scores
from mvhg_tf.clustering.data import Data

if TYPE_CHECKING:
    from mvhg_tf.clustering.vade import VaDE

_OF_LABELS = (
    "scores",
    "train_scores",
    "confusion",
    "class_of_cluster",
    "class_proportions",
)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of the test part, and the proportions of the training part.

    Without labels there are no scores and no classes: `scores` and `train_scores` are
    empty, `confusion` and `class_proportions` have no rows, and each cluster's class is
    -1.

    Attributes:
      scores: `accuracy` (Hungarian), `nmi` and `ari` of the test part.
      train_scores: the same scores on the training part.
      confusion: samples of the test part, `[classes, clusters]`.
      class_of_cluster: the class that each cluster is matched with, one-to-one, `[K]`;
        -1 for extra clusters.
      learned_proportions: of the clusters, by the prior, `[K]`.
      assigned_proportions: shares of the training part that are assigned to the
        clusters, `[K]`.
      weights: of the clusters, scaled to sum to 1, `[K]`: the omega of a hypergeometric
        prior, which exaggerates imbalance, or the proportions of another prior.
      class_proportions: true ones, of the training part, `[classes]`.
    """

    scores: dict[str, float]
    train_scores: dict[str, float]
    confusion: np.ndarray
    class_of_cluster: np.ndarray
    learned_proportions: np.ndarray
    assigned_proportions: np.ndarray
    weights: np.ndarray
    class_proportions: np.ndarray

    @property
    def total_variation(self) -> float:
        """Half the sum of the absolute differences of learned and true proportions.

        A cluster without a class, or a class without a cluster, differs from 0.
        """
        learned = self.by_class(self.learned_proportions)
        extra = self.learned_proportions[self.class_of_cluster < 0]
        return float(
            0.5 * (np.abs(learned - self.class_proportions).sum() + extra.sum())
        )

    def by_class(self, of_clusters: np.ndarray) -> np.ndarray:
        """Values of clusters `[K]` by class; 0 for a class without a cluster."""
        values = np.zeros(len(self.class_proportions))
        named = self.class_of_cluster >= 0
        values[self.class_of_cluster[named]] = of_clusters[named]
        return values

    def as_dict(self) -> dict:
        """All fields, as values that JSON can hold."""
        fields = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in dataclasses.asdict(self).items()
        }
        if not self.scores:
            for name in _OF_LABELS:
                fields.pop(name)
            return fields
        return {
            **fields.pop("scores"),
            "total_variation": self.total_variation,
            **fields,
        }


def evaluate(model: VaDE, data: Data) -> Evaluation:
    """Scores a model on both parts of the data.

    Args:
      model: a VaDE.
      data: its training and test part.
    """
    train_clusters = model.predict(data.train.x)
    num_classes, num_clusters = len(data.classes), model.num_clusters
    assigned = np.bincount(train_clusters, minlength=num_clusters)
    confusion, sizes = np.zeros([0, num_clusters], np.int64), np.zeros(0, np.int64)
    of_test, of_train = {}, {}
    if data.test.labels is not None and data.train.labels is not None:
        clusters = model.predict(data.test.x)
        confusion = confusion_of(data.test.labels, clusters, num_classes, num_clusters)
        sizes = np.bincount(data.train.labels, minlength=num_classes)
        of_test = scores.scores(data.test.labels, clusters)
        of_train = scores.scores(data.train.labels, train_clusters)
    proportions = np.asarray(model.prior.proportions(), np.float64)
    log_weights = getattr(model.prior, "log_weights", None)
    weights = proportions if log_weights is None else np.exp(log_weights.numpy())
    return Evaluation(
        scores=of_test,
        train_scores=of_train,
        confusion=confusion,
        class_of_cluster=name_clusters(confusion),
        learned_proportions=proportions,
        assigned_proportions=assigned / assigned.sum(),
        weights=weights / weights.sum(),
        class_proportions=sizes / max(int(sizes.sum()), 1),
    )


def confusion_of(
    labels: np.ndarray, clusters: np.ndarray, num_classes: int, num_clusters: int
) -> np.ndarray:
    """How many samples of each class are in each cluster, `[classes, clusters]`."""
    table = np.zeros([num_classes, num_clusters], np.int64)
    np.add.at(table, (labels, clusters), 1)
    return table


def name_clusters(confusion: np.ndarray) -> np.ndarray:
    """The one-to-one class of each cluster that gets most samples right, or -1."""
    classes, clusters = linear_sum_assignment(confusion, maximize=True)
    names = np.full(confusion.shape[1], -1)
    names[clusters] = classes
    return names


def in_class_order(class_of_cluster: np.ndarray) -> np.ndarray:
    """Clusters in the order of their classes, those without a class last, `[K]`."""
    named = np.where(class_of_cluster < 0, np.inf, class_of_cluster)
    return np.argsort(named, kind="stable")


def table(evaluation: Evaluation, classes: tuple[str, ...]) -> str:
    """The evaluation for a terminal: the scores, and a line for each cluster."""
    if not classes:
        return _table_without_classes(evaluation)
    lines = [
        "test part: "
        + ", ".join(
            f"{title} {100 * evaluation.scores[name]:.1f} %"
            for name, title in (
                ("accuracy", "accuracy"),
                ("nmi", "NMI"),
                ("ari", "ARI"),
            )
        ),
        "",
        f"{'cluster':>7}  {'class':>10}  {'samples':>7}  {'right':>7}  "
        f"{'assigned':>8}  {'learned':>7}  {'true':>7}",
    ]
    for cluster in in_class_order(evaluation.class_of_cluster):
        label = evaluation.class_of_cluster[cluster]
        named = label >= 0
        name = classes[label] if named else "none"
        samples = evaluation.confusion[:, cluster].sum()
        right = evaluation.confusion[label, cluster] if named else 0
        assigned = 100 * evaluation.assigned_proportions[cluster]
        learned = 100 * evaluation.learned_proportions[cluster]
        true = 100 * evaluation.class_proportions[label] if named else 0.0
        lines.append(
            f"{cluster:7}  {name[:10]:>10}  {samples:7}  {right:7}  "
            f"{assigned:6.1f} %  {learned:5.1f} %  {true:5.1f} %"
        )
    distance = evaluation.total_variation
    lines += ["", f"learned and true proportions: total variation {distance:.3f}"]
    return "\n".join(lines)


def _table_without_classes(evaluation: Evaluation) -> str:
    lines = [f"{'cluster':>7}  {'assigned':>8}  {'learned':>7}"]
    for cluster, shares in enumerate(
        zip(
            evaluation.assigned_proportions, evaluation.learned_proportions, strict=True
        )
    ):
        assigned, learned = (100 * share for share in shares)
        lines.append(f"{cluster:7}  {assigned:6.1f} %  {learned:5.1f} %")
    return "\n".join(lines)
