"""Data sets that hold one image for each combination of their factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData


class GridData(GroundTruthData):
    """Base class of data sets whose factors are independent and uniform.

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
                f"factors must have shape [N, {len(sizes)}], with a column for each of "
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


class StoredImages(Protocol):
    """An array, or an object indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(N, H, W, C)`."""

    def __getitem__(self, places: Any, /) -> Any:
        """The images at these places."""


class StoredGridData(GridData):
    """Grid data whose images are stored as bytes."""

    def __init__(
        self,
        factor_names: Sequence[str],
        factor_sizes: Sequence[int],
        images: StoredImages,
    ):
        """Initializes the factors and images.

        Args:
          factor_names: A name for each factor.
          factor_sizes: How many values each factor has.
          images: uint8 `[N, H, W, C]`, 255 for 1, one for each combination of the
            factors, of which the last varies fastest.
        """
        super().__init__(factor_names, factor_sizes)
        self._images = images

    @property
    def observation_shape(self) -> list[int]:
        return list(self._images.shape[1:])

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: np.random.RandomState | None = None
    ) -> np.ndarray:
        """Reads the images of the given factors.

        Args:
          factors: Integers `[N, num_factors]`, from 0 to `factors_num_values` less
            one.
          random_state: Not used; other data sets need it.

        Returns:
          Images `[N, H, W, C]`, float32 in [0, 1].

        Raises:
          ValueError: If `factors` has another shape or a value out of range.
        """
        return np.divide(
            self.sample_bytes_from_factors(factors), 255.0, dtype=np.float32
        )

    def sample_bytes_from_factors(self, factors: np.ndarray) -> np.ndarray:
        """The same images as stored: uint8, 255 for 1."""
        factors = self.check_factors(factors)
        rows = np.ravel_multi_index(tuple(factors.T), self.factors_num_values)
        return self._images[rows]
