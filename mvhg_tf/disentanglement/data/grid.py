"""Data sets that hold one image for each combination of their factors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvhg_tf.disentanglement import compat  # noqa: F401

from disentanglement_lib.data.ground_truth import ground_truth_data  # isort: skip


class GridData(ground_truth_data.GroundTruthData):
    """Base of the data sets whose factors are independent and uniform.

    Attributes:
      factor_names: A name for each factor.
    """

    def __init__(self, factor_names: Sequence[str], factor_sizes: Sequence[int]):
        """Initializes the factors.

        Args:
          factor_names: A name for each factor.
          factor_sizes: How many values each factor has.
        """
        self.factor_names = list(factor_names)
        self._factor_sizes = [int(size) for size in factor_sizes]

    @property
    def num_factors(self) -> int:
        return len(self._factor_sizes)

    @property
    def factors_num_values(self) -> list[int]:
        return list(self._factor_sizes)

    def sample_factors(
        self, num: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draws factors uniformly: int64 `[num, num_factors]`."""
        return random_state.randint(
            self._factor_sizes, size=(num, self.num_factors), dtype=np.int64
        )

    def check_factors(self, factors: np.ndarray) -> np.ndarray:
        """Returns the factors, int64 `[N, num_factors]`, if all are in range.

        Raises:
          ValueError: If they have another shape, or a value is out of range or
            not an integer.
        """
        factors, sizes = np.asarray(factors), np.array(self._factor_sizes)
        if factors.ndim != 2 or factors.shape[1] != len(sizes):
            raise ValueError(
                f"factors must have shape [N, {len(sizes)}], a column each for "
                f"{', '.join(self.factor_names)}; got shape {list(factors.shape)}."
            )
        whole = factors.astype(np.int64)
        wrong = np.any((whole != factors) | (whole < 0) | (whole >= sizes), axis=1)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"factors must be integers from 0 to {(sizes - 1).tolist()}; row "
                f"{row} is {factors[row].tolist()}."
            )
        return whole
