"""arm3d, the built-in data set: a robot arm with the factors of mpi3d_toy."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import arm3d_renderer

from disentanglement_lib.data.ground_truth import (  # isort: skip
    ground_truth_data,
    util,
)

# Drawing in pieces of a power of two, filled up, bounds the number of batch sizes
# that the renderer is compiled for.
_LARGEST_PIECE = 64


class Arm3D(ground_truth_data.GroundTruthData):
    """A robot arm that holds an object, drawn on the fly.

    The factors of variation, in mpi3d's order and with the sizes of its first
    published toy file, 460 800 images in all:

    | factor | values |
    |---|---|
    | 0 object color | red, green, blue, yellow |
    | 1 object shape | sphere, cylinder, cone, ring |
    | 2 object size | small, large |
    | 3 camera height | low, middle, high |
    | 4 background color | blue, red, green |
    | 5 horizontal axis | 40 angles about the vertical, -70 to 70 degrees |
    | 6 vertical axis | 40 angles of elevation, -35 to 55 degrees |
    """

    factor_names = list(arm3d_renderer.FACTOR_NAMES)

    def __init__(self) -> None:
        sizes = list(arm3d_renderer.FACTOR_SIZES)
        self._state_space = util.SplitDiscreteStateSpace(sizes, list(range(len(sizes))))

    @property
    def num_factors(self) -> int:
        return len(arm3d_renderer.FACTOR_SIZES)

    @property
    def factors_num_values(self) -> list[int]:
        return list(arm3d_renderer.FACTOR_SIZES)

    @property
    def observation_shape(self) -> list[int]:
        return [arm3d_renderer.IMAGE_SIZE, arm3d_renderer.IMAGE_SIZE, 3]

    def sample_factors(self, num: int, random_state: np.random.RandomState):
        """Draws factors uniformly: int64 `[num, 7]`."""
        return self._state_space.sample_latent_factors(num, random_state)

    def render(self, factors: tf.Tensor) -> tf.Tensor:
        """Draws images in TensorFlow: see `arm3d_renderer.render`."""
        return arm3d_renderer.render(factors)

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: np.random.RandomState | None = None
    ) -> np.ndarray:
        """Draws the images of the given factors; there is no chance in it.

        Args:
          factors: Integers `[N, 7]`, from 0 to `factors_num_values` less one.
          random_state: Not used; here because other data sets need it.

        Returns:
          Images `[N, 64, 64, 3]`, float32 in (0, 1).

        Raises:
          ValueError: If `factors` has another shape or a value out of range.
        """
        factors = _checked(factors)
        images = np.empty([len(factors), *self.observation_shape], np.float32)
        for start in range(0, len(factors), _LARGEST_PIECE):
            piece = factors[start : start + _LARGEST_PIECE]
            filled = np.zeros([1 << (len(piece) - 1).bit_length(), 7], np.int32)
            filled[: len(piece)] = piece
            drawn = self.render(filled).numpy()
            images[start : start + len(piece)] = drawn[: len(piece)]
        return images


def _checked(factors: np.ndarray) -> np.ndarray:
    factors = np.asarray(factors)
    sizes = np.array(arm3d_renderer.FACTOR_SIZES)
    if factors.ndim != 2 or factors.shape[1] != len(sizes):
        raise ValueError(
            f"arm3d's factors are integers of shape [N, {len(sizes)}]; "
            f"got shape {list(factors.shape)}."
        )
    if np.any(factors < 0) or np.any(factors >= sizes):
        raise ValueError(
            f"arm3d's factors go from 0 to {list(sizes - 1)}; got values from "
            f"{factors.min(0).tolist()} to {factors.max(0).tolist()}."
        )
    return factors
