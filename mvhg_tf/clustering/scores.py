"""How well clusters agree with known classes: accuracy, NMI and ARI."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn import metrics

from mvhg_tf.runs.errors import UserError


def accuracy(labels: np.ndarray, clusters: np.ndarray) -> float:
    """Share of samples that are right under the best one-to-one matching with classes.

    Args:
      labels: true classes, `[N]`.
      clusters: found clusters, `[N]`; there may be more or fewer than classes.

    Raises:
      UserError: if they are empty or differ in length.
    """
    labels, clusters = _checked(labels, clusters)
    table = metrics.cluster.contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels))


def scores(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """`accuracy`, `nmi` and `ari`, as in the paper's Table 2, of `[N]` and `[N]`.

    Raises:
      UserError: if they are empty or differ in length.
    """
    labels, clusters = _checked(labels, clusters)
    return {
        "accuracy": accuracy(labels, clusters),
        "nmi": float(metrics.normalized_mutual_info_score(labels, clusters)),
        "ari": float(metrics.adjusted_rand_score(labels, clusters)),
    }


def _checked(labels: ArrayLike, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if labels.shape != clusters.shape or labels.ndim != 1 or not len(labels):
        raise UserError(
            f"labels and clusters have the shapes {labels.shape} and {clusters.shape}, "
            "but must both be [N] with N > 0: give one of each for every sample."
        )
    return labels, clusters
