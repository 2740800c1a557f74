"""Priors over the assignments of a batch to clusters, one per module."""

import keras

from mvhg_tf.clustering.priors.base import ClusterPrior
from mvhg_tf.clustering.priors.categorical import CategoricalPrior
from mvhg_tf.clustering.priors.hypergeometric import HypergeometricPrior
from mvhg_tf.clustering.priors.partition_prior import RandomPartitionPrior
from mvhg_tf.clustering.priors.uniform import UniformPrior
from mvhg_tf.runs.errors import UserError

__all__ = [
    "CategoricalPrior",
    "ClusterPrior",
    "HypergeometricPrior",
    "RandomPartitionPrior",
    "UniformPrior",
    "get",
]

_NAMES = {
    "categorical": CategoricalPrior,
    "hypergeometric": HypergeometricPrior,
    "random_partition": RandomPartitionPrior,
    "uniform": UniformPrior,
}


def get(prior: "str | dict | ClusterPrior") -> ClusterPrior:
    """The prior of a name, of a Keras configuration, or the prior itself.

    Raises:
      UserError: if it is none of these.
    """
    if isinstance(prior, dict):
        prior = keras.saving.deserialize_keras_object(prior)
    if isinstance(prior, ClusterPrior):
        return prior
    if isinstance(prior, str) and prior in _NAMES:
        return _NAMES[prior]()
    names = ", ".join(f'"{name}"' for name in _NAMES)
    raise UserError(
        f"prior is {prior!r}, but must be {names} or a ClusterPrior: pass one of these."
    )
