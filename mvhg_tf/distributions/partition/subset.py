"""Subsets of a given size: Fisher's distribution with groups of one element."""

from typing import Any

import numpy as np
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import parameters as parameter_util
from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.parameters import TensorLike


def random_subset(
    count: TensorLike,
    scores: TensorLike,
    gradient_estimator: str | None = "mean",
    temperature: TensorLike = 1.0,
    name: str = "RandomSubset",
    **kwargs: Any,
) -> MultivariateFisherNoncentralHypergeometric:
    """A random subset of `count` elements, weighted by the product of their weights.

    ```none
    P(A) = prod_{i in A} exp(scores_i) / Z,   |A| = count
    ```

    It is a `MultivariateFisherNoncentralHypergeometric` with one group for each
    element. So it has exact marginals (`mean`), `entropy`, `log_prob`, `mode`,
    `covariance` and `kl_divergence`. Its samples have the gradient of the exact
    marginals: SIMPLE (Ahmed et al., ICLR 2023). A `RandomPartition` of two groups
    gives subsets too, but with another distribution: the subset is the first `count`
    elements in a race.

    Args:
      count: The number of elements in the subset, whole numbers `[B...]`.
      scores: Log of the elements' weights, floating `[B..., n]`.
      gradient_estimator: As for `MultivariateFisherNoncentralHypergeometric`.
      temperature: As for that class.
      name: Python `str` name prefixed to Ops created by this class.
      **kwargs: Further arguments of the class.

    Returns:
      The distribution of event shape `[n]`: 1 for each element that is in the subset,
      0 for the others.

    Raises:
      ValueError: If `scores` is a scalar.
    """
    dtype = parameter_util.floating_dtype([scores, count, temperature])
    scores = parameter_util.convert(scores, dtype, "scores")
    if scores.shape.rank == 0:
        raise ValueError("scores is a scalar: pass one number for each element.")
    return MultivariateFisherNoncentralHypergeometric(
        total_count=count,
        group_sizes=ps.ones(ps.shape(scores)[-1:], np.int32),
        log_weights=scores,
        gradient_estimator=gradient_estimator,
        temperature=temperature,
        name=name,
        **kwargs,
    )
