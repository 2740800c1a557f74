"""Fisher's noncentral hypergeometric distributions."""

from mvhg_tf.distributions import kl  # noqa: F401  (registers with TFP)
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric

__all__ = [
    "MultivariateFisherNoncentralHypergeometric",
]
