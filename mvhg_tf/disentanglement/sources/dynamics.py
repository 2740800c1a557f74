"""Which factors differ in a pair of images, as gin's `dynamics` says."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np

from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import Limit

_ALLOWED_K = "an integer from 0 {}, or -1 to draw it for each pair"
_WITHOUT_K = (
    "No value is bound to dynamics.k: bind one in a gin file or with "
    "--gin_bindings='dynamics.k = ...'."
)


def _are_places(values: Sequence) -> bool:
    """Whether all are integers from 0 on, none of them twice."""
    whole = all(type(value) is int and value >= 0 for value in values)
    return whole and len(set(values)) == len(values)


@gin_config.configurable("dynamics")
@dataclasses.dataclass(frozen=True)
class Dynamics:
    """Which factors differ in a pair, as gin's `dynamics` says.

    The first image's factors are uniform. Then some factors are redrawn:

    - mode "exact": exactly k factors, chosen uniformly among those with more than one
      value, anew for each pair, each getting another value.
    - mode "fixed": the same factors are shared in every pair, the first F - k, or those
      in `shared_factors`. Each other factor gets another value.
    - mode "dlib" (the library's): 1 or k factors with equal probability, each
      redrawn uniformly, so that it may keep its value.

    Attributes:
      k: how many factors differ: 0 to F; -1 draws it for each pair uniformly from 1
        to F - 1, as the library does. F counts the factors with several values. It may
        be left out where `shared_factors` are given.
      mode: "exact", "fixed" or "dlib".
      shared_factors: only of mode "fixed", the factors that are shared, numbered from
        0.

    Raises:
      UserError: if a value is not one of those, or `k` and `shared_factors` disagree.
    """

    k: Annotated[int, Limit(_ALLOWED_K.format("on"), lambda k: k >= -1)] | None = None
    mode: Literal["exact", "fixed", "dlib"] = "exact"
    shared_factors: (
        Annotated[
            Sequence, Limit("a list of different integers of at least 0", _are_places)
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        """Checks that the values agree.

        Raises:
          UserError: if they don't.
        """
        if self.shared_factors is None:
            if self.k is None:
                raise UserError(_WITHOUT_K)
        elif self.mode != "fixed":
            raise UserError(
                f"dynamics.shared_factors is {list(self.shared_factors)} and "
                f'dynamics.mode is "{self.mode}", but only mode "fixed" shares the '
                'same factors in every pair: bind dynamics.mode to "fixed", or leave '
                "shared_factors out."
            )

    def check_factors(self, factors_num_values: Sequence[int]) -> None:
        """Refuses a data set without such pairs.

        Args:
          factors_num_values: number of values of each of the factors.

        Raises:
          UserError: if so many factors can't differ, or a shared one does not exist.
        """
        sizes = np.asarray(factors_num_values)
        num_varying = int(np.sum(sizes > 1))
        if self.k is not None and self.k > num_varying:
            raise UserError(
                f"dynamics.k is {self.k}, but must be "
                f"{_ALLOWED_K.format(f'to {num_varying}')}: {num_varying} factors of "
                "this data set have several values."
            )
        if self.shared_factors is None:
            return
        if max(self.shared_factors, default=0) >= len(sizes):
            raise UserError(
                f"dynamics.shared_factors is {list(self.shared_factors)}, but must be "
                f"a list of integers from 0 to {len(sizes) - 1}: this data set has "
                f"{len(sizes)} factors."
            )
        num_left = int(np.sum(np.delete(sizes, list(self.shared_factors)) > 1))
        if self.k not in (None, num_left):
            raise UserError(
                f"dynamics.k is {self.k}, but dynamics.shared_factors = "
                f"{list(self.shared_factors)} lets {num_left} factors differ: bind k "
                f"to {num_left} or None, or leave shared_factors out."
            )

    def fixed_sets(self, factors_num_values: Sequence[int] | np.ndarray) -> np.ndarray:
        """The sets of factors that differ in mode "fixed", each as likely.

        Args:
          factors_num_values: number of values of each of the F factors.

        Returns:
          bool `[1, F]`, or, where k is drawn for each pair, `[K, F]` of K values of k.
        """
        varying = np.asarray(factors_num_values) > 1
        if self.shared_factors is not None:
            varying[list(self.shared_factors)] = False
            return varying[None]
        num_varying = int(varying.sum())
        assert self.k is not None  # as it was checked when this was made
        ks = [self.k] if self.k != -1 else [*range(1, max(num_varying, 2))]
        # How many of the varying factors come before each.
        place = np.cumsum(varying) - 1
        return np.stack([varying & (place >= num_varying - k) for k in ks])
