"""Random partitions: groups of Fisher-distributed sizes, filled in Plackett-Luce order.

The class is in `random_partition.py`. Its mathematics are functions of tensors, one
idea per file: `race.py` has the quadrature, `order.py` the probability given the sizes
and its bounds, `draws.py` the draws, `boundaries.py` and `gradients.py` their
gradients, `sizes.py` the law of the sizes, `marginals.py` the mean, `mode.py` the mode,
`subset.py` subsets of a given size. `functions.py` binds them for the class.
"""

from mvhg_tf.distributions.partition import partition_kl  # noqa: F401 (registers)
from mvhg_tf.distributions.partition.random_partition import (
    OrderedPartition,
    RandomPartition,
)
from mvhg_tf.distributions.partition.subset import random_subset

__all__ = ["OrderedPartition", "RandomPartition", "random_subset"]
