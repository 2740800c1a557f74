"""The random partition as a prior over the clusters of a batch."""

from typing import Any

from keras.saving import register_keras_serializable

from mvhg_tf.clustering.priors.hypergeometric import HypergeometricPrior


@register_keras_serializable(package="mvhg_tf")
class RandomPartitionPrior(HypergeometricPrior):
    """A batch partitioned at random into clusters (Sutter et al., NeurIPS 2023).

    A `RandomPartition` draws the sizes from Fisher's distribution with m_k = n = B, and
    fills the clusters in the order of a Plackett-Luce draw. The samples of a shuffled
    batch are exchangeable, so their scores are equal, every order is equally likely,
    and

        p(Y) = p(sizes) / (n! / prod_k x_k!).

    That is `HypergeometricPrior` of one assignment with `group_sizes="batch"`, which
    this class is. The paper's model (DRPM-VC) also learns a posterior whose sizes and
    order come from a network; VaDE's posterior is that of the mixture (eq. 63).

    Args:
      counts: as in `HypergeometricPrior`.
    """

    def __init__(self, counts: str = "expected", **kwargs: Any):
        super().__init__(counts=counts, **kwargs)

    def get_config(self) -> dict:
        config = super().get_config()
        return {
            name: value
            for name, value in config.items()
            if name not in ("group_sizes", "probability_of")
        }
