"""Fisher's noncentral hypergeometric distributions.

The classes are in `mvhg.py` and `univariate.py`. Their maths are functions of
tensors, one idea a file: `urn.py` the parameters, `tilt.py`, `contour.py` and
`normalizer.py` the normaliser and the moments, `conditionals.py` and `tables.py`
the law of a group given the earlier ones, `sampling.py` the draws,
`straight_through.py` their gradients, `support.py`, `fit.py` and `kl.py` what the
names say. `exact.py` and `merged.py` bind them into the two methods.

`partition` holds random partitions, whose sizes follow the multivariate distribution.
"""

from mvhg_tf.distributions import kl  # noqa: F401  (registers with TFP)
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
    "random_subset",
]
