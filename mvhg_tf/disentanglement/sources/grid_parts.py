"""Two parts of a grid of factors: each combination of factors is in one of them."""

import dataclasses
from collections.abc import Sequence

import numpy as np

# SplitMix64 (Steele et al. 2014): a bijection of 64 bits that mixes them well.
_GAMMA = 0x9E3779B97F4A7C15
_MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@dataclasses.dataclass(frozen=True)
class GridPart:
    """One of two disjoint halves of all combinations of factors, chosen at random.

    Attributes:
      seed: of the division, from 0 to 2**32 - 1.
      index: which half, 0 or 1.
    """

    seed: int
    index: int

    def holds(
        self, factors: np.ndarray, factors_num_values: Sequence[int]
    ) -> np.ndarray:
        """Which combinations are in this half.

        Args:
          factors: int `[N, F]`.
          factors_num_values: number of values of each of the F factors.

        Returns:
          bool `[N]`.
        """
        mixed = np.full(len(factors), self.seed, np.uint64)
        for column, size in zip(factors.T, factors_num_values, strict=True):
            # Beyond 2**64 combinations some share a half, which does no harm.
            mixed = mixed * np.uint64(size) + column.astype(np.uint64)
        mixed = (mixed + np.uint64(1)) * np.uint64(_GAMMA)
        for shift, factor in _MIXERS:
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        return (mixed >> np.uint64(63)) == self.index
