"""The library's own training, run in a process of its own (see `library_worker`)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from benchmarks.line_process import LineProcess
from mvhg_tf.disentanglement.data import grid
from mvhg_tf.runs.errors import UserError

# The models of pairs that the library has.
MODELS = ("group_vae_labels", "group_vae_argmax")
# In place of a model: only the library's pipeline runs, and a step is a batch.
DATA_ONLY = "data"
# As mpi3d's, but with fewer positions of the arm.
FACTOR_SIZES = (4, 4, 2, 3, 3, 10, 10)
_SETTLE_SECONDS = 0.5


def save_images(path: Path) -> Path:
    """Stores a 64 x 64 x 3 image of noise for each combination of the factors.

    Args:
      path: the images' `.npy` file; the factors' sizes are stored beside it.

    Returns:
      `path`.
    """
    shape = (int(np.prod(FACTOR_SIZES)), 64, 64, 3)
    images = np.random.RandomState(0).randint(0, 256, shape, np.uint8)
    np.save(path, images)
    np.save(f"{path}.sizes.npy", FACTOR_SIZES)
    return path


class StoredImages(grid.GridData):
    """Images as `save_images` stores them.

    Args:
      path: their `.npy` file.
      mapped: whether they stay in the file and are read as they are needed.
    """

    def __init__(self, path: Path, mapped: bool = False):
        names = [f"factor {i}" for i in range(len(FACTOR_SIZES))]
        super().__init__(names, FACTOR_SIZES)
        self._images = np.load(path, mmap_mode="r" if mapped else None)

    @property
    def observation_shape(self) -> list[int]:
        return list(self._images.shape[1:])

    def sample_bytes_from_factors(self, factors: np.ndarray) -> np.ndarray:
        """Images uint8 `[N, H, W, C]` of factors `[N, F]`."""
        rows = np.ravel_multi_index(tuple(factors.T), self._factor_sizes)
        return self._images[rows]

    def sample_observations_from_factors(
        self, factors: np.ndarray, random_state: np.random.RandomState | None = None
    ) -> np.ndarray:
        """Images float32 `[N, H, W, C]` in [0, 1] of factors `[N, F]`."""
        return self.sample_bytes_from_factors(factors) / np.float32(255)


class Worker(LineProcess):
    """A running `library_worker`, as a context manager.

    Args:
      library: a checkout of disentanglement_lib.
      python: a Python that has TensorFlow 2.15 and what the library needs.
      images: see `save_images`.
      model: one of `MODELS`, or `DATA_ONLY`.
      batch_size: pairs a step.

    Raises:
      UserError: on entry, if there is no such library or Python.
    """

    def __init__(
        self, library: str, python: str, images: Path, model: str, batch_size: int
    ):
        script = os.path.join(os.path.dirname(__file__), "library_worker.py")
        super().__init__(
            [python, script, library, str(images), model, str(batch_size)],
            what="The library's training",
            flag="--stock_python",
            needs="TensorFlow 2.15, gin-config 0.3 and what disentanglement_lib needs",
            environment={"TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self._library = library

    def __enter__(self) -> Worker:
        if not Path(self._library, "disentanglement_lib/methods/weak").is_dir():
            raise UserError(
                f"--library_source {self._library!r} has no "
                "disentanglement_lib/methods/weak; give a checkout of "
                "disentanglement_lib."
            )
        super().__enter__()
        return self

    def seconds_of(self, num_steps: int) -> float:
        """Trains `num_steps` steps and returns the seconds they took.

        Raises:
          UserError: if the library can't be run.
        """
        seconds = float(self.ask(num_steps))
        # The library's pipeline now fills its buffers, which is no one else's time.
        time.sleep(_SETTLE_SECONDS)
        return seconds
