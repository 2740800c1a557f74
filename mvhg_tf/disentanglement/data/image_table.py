"""Images in any order, with or without a table of their factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.runs.errors import UserError

_CHECKED_AT_ONCE = 1 << 12  # images
# What differs in a pair: so many factors, or each of these, of all F, and no other.
_Wanted = int | tuple[bool, ...]


class FactorsUnknown(UserError):
    """Unknown factors were asked for."""


class PairDynamics(Protocol):
    """Which factors differ in a pair, see `sources.pairs.Dynamics`."""

    @property
    def k(self) -> int | None:
        """How many differ; -1 draws it for each pair."""

    @property
    def mode(self) -> str:
        """How they differ."""

    def fixed_sets(self, factors_num_values: Sequence[int]) -> np.ndarray:
        """The sets of factors that differ in mode "fixed", bool `[K, F]`."""

    def check_factors(self, factors_num_values: Sequence[int]) -> None:
        """Raises a UserError if such pairs can't be made."""


class ImageTable(GroundTruthData):
    """N images that are looked up by row, 0 to N - 1.

    Factors are drawn as they occur: a uniform row gives its factors. So every metric
    that draws images at random works. A metric that sets single factors may ask for
    combinations that are missing, and then raises. If several images have the same
    factors, one is drawn at random.

    Attributes:
      factor_names: A name for each of the F factors; empty if they are not known.
      factors: Integers `[N, F]`, from 0 on, or None.
      rows: int64, the rows that are drawn from.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        factors: np.ndarray | None,
        factor_names: Sequence[str],
        source: str,
    ):
        """Initializes the images and their table.

        Args:
          arrays: Images, uint8 (255 for 1) or float in [0, 1], `[N_i, H, W, C]`; their
            rows are numbered consecutively.
          factors: Integers `[N, F]`, from 0 on, or None if they are not known.
          factor_names: F names.
          source: Where they come from, for messages.
        """
        self._arrays = list(arrays)
        self._ends = np.cumsum([len(array) for array in arrays])
        self._source = source
        self.factors = factors
        self.factor_names = list(factor_names)
        self.draw_from(np.arange(self._ends[-1]))

    def draw_from(self, rows: np.ndarray) -> None:
        """Draws only from these rows, int64 `[M]`, from now on."""
        self.rows = rows
        self._rows_of: dict[bytes, list[int]] | None = None
        self._known: dict[_Wanted, bool] = {}  # whether there are such pairs
        if self.factors is not None:
            # By columns, and small: pairs are looked for in all of them.
            kind = np.min_scalar_type(int(self.factors.max()))
            self._columns = np.ascontiguousarray(self.factors[rows].T.astype(kind))

    @property
    def num_factors(self) -> int:
        return len(self.factor_names)

    @property
    def factors_num_values(self) -> list[int]:
        if self.factors is None:
            return []
        return [int(size) for size in self.factors.max(axis=0) + 1]

    @property
    def observation_shape(self) -> list[int]:
        return list(self._arrays[0].shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """Of what `images_of_rows` returns: uint8 or float32."""
        is_bytes = self._arrays[0].dtype == np.uint8
        return np.dtype(np.uint8 if is_bytes else np.float32)

    def images_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Images `[M, H, W, C]` as they are stored, of integers `[M]`."""
        images = np.empty([len(rows), *self.observation_shape], self.dtype)
        array_of = np.searchsorted(self._ends, rows, side="right")
        for number, array in enumerate(self._arrays):
            here = array_of == number
            images[here] = array[rows[here] - (self._ends[number] - len(array))]
        return images

    def observations_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """The same images, float32 in [0, 1]."""
        images = self.images_of_rows(rows)
        if images.dtype == np.uint8:
            return np.divide(images, 255.0, dtype=np.float32)
        return images

    def sample_observations(
        self, num: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draws images, float32 `[num, H, W, C]` in [0, 1]; factors may be unknown.

        Args:
          num: How many.
          random_state: The draw depends only on it.
        """
        return self.observations_of_rows(self._draw_rows(num, random_state))

    def _draw_rows(self, num: int, random_state: np.random.RandomState) -> np.ndarray:
        return self.rows[random_state.randint(len(self.rows), size=num)]

    def sample_factors(
        self, num: int, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Draws factors as they occur: int64 `[num, F]`.

        Raises:
          UserError: If no factors are known.
        """
        factors = self.check_factors_known()
        return factors[self._draw_rows(num, random_state)].astype(np.int64)

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Images of the given factors, float32 `[M, H, W, C]` in [0, 1].

        Raises:
          UserError: If no factors are known, or no image has these.
        """
        self.check_factors_known()
        places = self._places()
        rows = np.empty(len(factors), np.int64)
        for number, wanted in enumerate(np.asarray(factors, np.int64)):
            found = places.get(wanted.tobytes())
            if found is None:
                raise UserError(
                    f"{self._source} has no image with the factors {wanted.tolist()}: "
                    "use a metric that draws images as they are (such as @mig, @dci or "
                    "@sap_score), or add the missing combinations."
                )
            rows[number] = found[random_state.randint(len(found))]
        return self.observations_of_rows(rows)

    def draw_pairs(
        self,
        num: int,
        dynamics: PairDynamics | None,
        random_state: np.random.RandomState,
    ) -> np.ndarray:
        """Draws pairs of rows that differ as gin's `dynamics` says, int64 `[num, 2]`.

        The first is uniform among the rows that have a partner, the second among its
        partners.

        Args:
          num: How many.
          dynamics: Its k is 0 to F, or -1 to draw it for each pair, uniformly from
            those numbers from 1 to F - 1 that occur. F counts the factors with several
            values. Its mode is "exact" or "fixed".
          random_state: The draw depends only on it.

        Raises:
          UserError: If there is no such pair of rows.
        """
        assert dynamics is not None  # which listed pairs alone may do without
        self.check_dynamics(dynamics)
        allowed = [
            wanted for wanted in self._all_wanted(dynamics) if self._occurs(wanted)
        ]
        pairs = np.empty([num, 2], np.int64)
        for pair in pairs:
            wanted = allowed[random_state.randint(len(allowed))]
            partners = np.empty(0, np.int64)
            while not partners.size:
                pair[0] = random_state.randint(len(self.rows))
                partners = self._partners(pair[0], wanted)
            pair[1] = partners[random_state.randint(len(partners))]
        return self.rows[pairs]

    def check_dynamics(self, dynamics: PairDynamics) -> None:
        """Raises a UserError unless there are pairs as gin's `dynamics` asks for."""
        self.check_factors_known()
        if dynamics.mode == "dlib":
            raise UserError(
                f'dynamics.mode is {dynamics.mode!r}, but must be "exact" or "fixed", '
                f"as {self._source} does not hold each combination of its factors: "
                "bind it to one of these."
            )
        if any(self._occurs(wanted) for wanted in self._all_wanted(dynamics)):
            return
        if dynamics.mode == "fixed":
            differing = np.flatnonzero(dynamics.fixed_sets(self.factors_num_values)[0])
            raise UserError(
                f'dynamics.mode is "fixed", but no two images of {self._source} differ '
                f"in the factors {differing.tolist()} and in no other: bind "
                'dynamics.shared_factors to others, or dynamics.mode to "exact".'
            )
        occurring = [str(n) for n in range(self.num_factors + 1) if self._occurs(n)]
        raise UserError(
            f"dynamics.k is {dynamics.k}, but no two images of {self._source} differ "
            f"in that many factors: bind it to one of {', '.join(occurring)}."
        )

    def check_factors_known(self) -> np.ndarray:
        """The factors, int `[N, F]`; a UserError if there is no table of them."""
        if self.factors is None:
            raise FactorsUnknown(
                f"The factors of {self._source} are not known, but are needed here: "
                "add them (factors_1 and factors_2 of an npz file), or choose what "
                "needs no factors."
            )
        return self.factors

    def _all_wanted(self, dynamics: PairDynamics) -> list[_Wanted]:
        """What may differ in a pair, whether it occurs or not."""
        if dynamics.mode == "fixed":
            dynamics.check_factors(self.factors_num_values)
            sets = dynamics.fixed_sets(self.factors_num_values)
            return [tuple(wanted) for wanted in sets.tolist()]
        assert dynamics.k is not None  # which mode "fixed" alone may do without
        varying = sum(size > 1 for size in self.factors_num_values)
        return [dynamics.k] if dynamics.k >= 0 else [*range(1, max(varying, 2))]

    def has_pairs(self, k: int) -> bool:
        """Whether two rows differ in exactly k factors."""
        return self._occurs(k)

    def _occurs(self, wanted: _Wanted) -> bool:
        """Whether two rows differ so."""
        if wanted not in self._known:
            places = range(len(self.rows))
            self._known[wanted] = any(
                self._partners(place, wanted).size for place in places
            )
        return self._known[wanted]

    def _partners(self, place: int, wanted: _Wanted) -> np.ndarray:
        """Places in `rows` of those that differ so from one there."""
        if isinstance(wanted, tuple):
            found = np.ones(len(self.rows), bool)
            for column, differs in zip(self._columns, wanted, strict=True):
                found &= (column != column[place]) == differs
            return np.flatnonzero(found)
        differing = np.zeros(len(self.rows), np.int16)
        for column in self._columns:
            differing += column != column[place]
        return np.flatnonzero(differing == wanted)

    def _places(self) -> dict[bytes, list[int]]:
        """The rows of each combination of factors, by its bytes as int64."""
        if self._rows_of is None:
            factors = self.check_factors_known()
            self._rows_of = {}
            for row in self.rows:
                key = factors[row].astype(np.int64).tobytes()
                self._rows_of.setdefault(key, []).append(row)
        return self._rows_of


def check_images(images: np.ndarray, name: str, source: str) -> None:
    """Raises a UserError unless images are `[N, H, W, C]`, bytes or in [0, 1]."""
    is_bytes, is_float = images.dtype == np.uint8, images.dtype.kind == "f"
    shaped = images.ndim == 4 and images.shape[-1] in (1, 3, 4) and images.size > 0
    if not (shaped and (is_bytes or is_float)):
        raise UserError(
            f"{name} of {source} is {images.dtype} {list(images.shape)}, but must be "
            "[N, H, W, C], at least one image, with 1, 3 or 4 channels, uint8 (255 for "
            "1) or float (in [0, 1]): store it like that."
        )
    if is_bytes:
        return
    for start in range(0, len(images), _CHECKED_AT_ONCE):
        part = images[start : start + _CHECKED_AT_ONCE]
        if not (part.min() >= 0.0 and part.max() <= 1.0):
            raise UserError(
                f"{name} of {source} is {images.dtype} and has values from "
                f"{part.min():g} to {part.max():g}, but floats must be in [0, 1]: "
                "rescale them, or store uint8 (255 for 1)."
            )


def check_factors(factors: np.ndarray, num_images: int, name: str, source: str) -> None:
    """Raises a UserError unless factors are integers `[N, F]` from 0 on."""
    if factors.ndim != 2 or len(factors) != num_images or not factors.size:
        raise UserError(
            f"{name} of {source} has the shape {list(factors.shape)}, but must have a "
            f"row for each of the {num_images} images and a column for each factor, at "
            "least one of each: store it like that."
        )
    if factors.dtype.kind not in "iu" or factors.min() < 0:
        raise UserError(
            f"{name} of {source} ({factors.dtype}, from {factors.min()}) must be "
            "integers of at least 0: number the values of each factor, as "
            "np.unique(values, return_inverse=True) does."
        )
