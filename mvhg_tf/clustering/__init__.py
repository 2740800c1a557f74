"""VaDE: variational deep clustering with a choice of priors over cluster sizes.

Jiang et al. 2016; Sutter et al. 2023, section 5.3 and appendix C.3.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvhg_tf.clustering.bags.classifier import LabelProportionsClassifier
    from mvhg_tf.clustering.bags.count_likelihood import count_log_prob
    from mvhg_tf.clustering.estimator import VaDEClusterer
    from mvhg_tf.clustering.priors.base import ClusterPrior
    from mvhg_tf.clustering.priors.categorical import CategoricalPrior
    from mvhg_tf.clustering.priors.hypergeometric import HypergeometricPrior
    from mvhg_tf.clustering.priors.partition_prior import RandomPartitionPrior
    from mvhg_tf.clustering.priors.uniform import UniformPrior
    from mvhg_tf.clustering.start.jiang_weights import load_jiang_weights
    from mvhg_tf.clustering.vade import VaDE

__all__ = [
    "CategoricalPrior",
    "ClusterPrior",
    "HypergeometricPrior",
    "LabelProportionsClassifier",
    "RandomPartitionPrior",
    "UniformPrior",
    "VaDE",
    "VaDEClusterer",
    "count_log_prob",
    "load_jiang_weights",
]

_HOMES = {
    "CategoricalPrior": "mvhg_tf.clustering.priors.categorical",
    "ClusterPrior": "mvhg_tf.clustering.priors.base",
    "HypergeometricPrior": "mvhg_tf.clustering.priors.hypergeometric",
    "LabelProportionsClassifier": "mvhg_tf.clustering.bags.classifier",
    "RandomPartitionPrior": "mvhg_tf.clustering.priors.partition_prior",
    "UniformPrior": "mvhg_tf.clustering.priors.uniform",
    "VaDE": "mvhg_tf.clustering.vade",
    "VaDEClusterer": "mvhg_tf.clustering.estimator",
    "count_log_prob": "mvhg_tf.clustering.bags.count_likelihood",
    "load_jiang_weights": "mvhg_tf.clustering.start.jiang_weights",
}


def __getattr__(name: str) -> Any:
    # Imported late, as in the package above: importing TensorFlow takes seconds.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
