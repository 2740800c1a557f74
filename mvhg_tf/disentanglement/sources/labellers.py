"""Labellers: labels of the true factors, under the library's gin names.

Each labeller takes factors `[N, F]`, a data set and a `np.random.RandomState`, and
returns labels float32 `[N, L]` and how many values each of the L may have.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import gin
import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt, Probability

Labels: TypeAlias = tuple[np.ndarray, Sequence[int]]
Labeller = Callable[[np.ndarray, GroundTruthData, np.random.RandomState], Labels]


@gin.configurable("labeller", allowlist=["labeller_fn"])
def make_labels(
    factors: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    labeller_fn: Labeller = gin.REQUIRED,
) -> Labels:
    """The labels that the configured labeller gives, such as `@perfect_labeller`."""
    labels, sizes = labeller_fn(factors, dataset, random_state)
    return np.asarray(labels, np.float32), [int(size) for size in sizes]


@gin.configurable("perfect_labeller", allowlist=[])
def perfect_labeller(
    factors: np.ndarray, dataset: GroundTruthData, random_state: np.random.RandomState
) -> Labels:
    """The factors themselves."""
    del random_state
    return factors, dataset.factors_num_values


@gin_config.configurable("bin_labeller", allowlist=["num_bins"])
def bin_labeller(
    factors: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    num_bins: PositiveInt = 5,
) -> Labels:
    """Rough labels: a factor of more than `num_bins` values is cut into that many."""
    del random_state
    sizes = np.array(dataset.factors_num_values)
    binned = np.minimum(factors * num_bins // sizes, num_bins - 1)
    labels = np.where(sizes > num_bins, binned, factors)
    return labels, np.minimum(sizes, num_bins).tolist()


@gin_config.configurable("noisy_labeller", allowlist=["prob_random"])
def noisy_labeller(
    factors: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    prob_random: Probability = 0.1,
) -> Labels:
    """Each label is, with probability `prob_random`, a uniform one instead.

    Raises:
      UserError: if `prob_random` is not in [0, 1].
    """
    is_random = random_state.uniform(size=factors.shape) < prob_random
    values = random_state.randint(dataset.factors_num_values, size=factors.shape)
    return np.where(is_random, values, factors), dataset.factors_num_values


@gin.configurable("permuted_labeller", allowlist=[])
def permuted_labeller(
    factors: np.ndarray, dataset: GroundTruthData, random_state: np.random.RandomState
) -> Labels:
    """Labels without order: the values of each factor are renamed at random."""
    sizes: Sequence[int] = dataset.factors_num_values
    columns = [
        random_state.permutation(size)[column]
        for size, column in zip(sizes, factors.T, strict=True)
    ]
    return np.stack(columns, axis=1), sizes


@gin_config.configurable("partial_labeller", allowlist=["num_observed_factors"])
def partial_labeller(
    factors: np.ndarray,
    dataset: GroundTruthData,
    random_state: np.random.RandomState,
    num_observed_factors: PositiveInt = 2,
) -> Labels:
    """Only some factors, chosen at random, in random order.

    Raises:
      UserError: if there are not as many factors as `num_observed_factors`.
    """
    num_factors = factors.shape[1]
    if num_observed_factors > num_factors:
        raise UserError(
            f"partial_labeller.num_observed_factors is {num_observed_factors!r}, but "
            f"this data set has {num_factors} factors: bind it to an integer from 1 "
            f"to {num_factors}."
        )
    kept = random_state.choice(num_factors, num_observed_factors, replace=False)
    return factors[:, kept], [dataset.factors_num_values[i] for i in kept]
