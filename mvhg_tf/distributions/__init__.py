"""Fisher's noncentral hypergeometric distributions.

The classes are in `mvhg.py` and `univariate.py`. Their mathematics are functions of
tensors, one idea per file: `binomials.py` has the binomial coefficients, `urn.py` the
parameters and the sizes of rows, `tilt.py`, `contour.py` and `normalizer.py` the
normaliser and the moments, `inversion.py` and `sampling.py` the draws,
`straight_through.py` their gradients, with the tables of the paper's relaxation in
`relaxation/`, `leave_one_out.py` gradients from several draws, and `support.py`,
`fit.py` and `kl.py` what their names say. `exact.py` and `merged.py` bind them into the
two methods, and `cached.py` runs them as graphs when they are called eagerly.

`partition` holds random partitions, whose sizes follow the multivariate distribution.
"""

from mvhg_tf.distributions import kl  # noqa: F401  (registers with TFP)
from mvhg_tf.distributions.leave_one_out import leave_one_out_loss
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.partition import (
    OrderedPartition,
    RandomPartition,
    random_subset,
)
from mvhg_tf.distributions.univariate import FisherNoncentralHypergeometric

__all__ = [
    "FisherNoncentralHypergeometric",
    "MultivariateFisherNoncentralHypergeometric",
    "OrderedPartition",
    "RandomPartition",
    "leave_one_out_loss",
    "random_subset",
]
