"""arm3d, the built-in data set: a robot arm with the factors of mpi3d_toy."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data import arm3d_renderer, grid, mpi3d

# Drawing in pieces of a power of two, filled up, bounds the number of batch sizes
# that the renderer is compiled for.
_LARGEST_PIECE = 64


class Arm3D(grid.GridData):
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

    def __init__(self) -> None:
        super().__init__(mpi3d.FACTOR_NAMES, arm3d_renderer.FACTOR_SIZES)

    @property
    def observation_shape(self) -> list[int]:
        return [arm3d_renderer.IMAGE_SIZE, arm3d_renderer.IMAGE_SIZE, 3]

    def render(self, factors: tf.Tensor) -> tf.Tensor:
        """Draws images in TensorFlow: see `arm3d_renderer.render`."""
        return arm3d_renderer.render(factors)

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: np.random.RandomState | None = None
    ) -> np.ndarray:
        """Draws the images of the given factors, deterministically.

        Args:
          factors: Integers `[N, 7]`, from 0 to `factors_num_values` less one.
          random_state: Not used; other data sets need it.

        Returns:
          Images `[N, 64, 64, 3]`, float32 in (0, 1).

        Raises:
          ValueError: If `factors` has another shape or a value out of range.
        """
        factors = self.check_factors(factors)
        images = np.empty([len(factors), *self.observation_shape], np.float32)
        for start in range(0, len(factors), _LARGEST_PIECE):
            piece = factors[start : start + _LARGEST_PIECE]
            filled = np.zeros(
                [1 << (len(piece) - 1).bit_length(), self.num_factors], np.int32
            )
            filled[: len(piece)] = piece
            drawn = self.render(filled).numpy()
            images[start : start + len(piece)] = drawn[: len(piece)]
        return images
