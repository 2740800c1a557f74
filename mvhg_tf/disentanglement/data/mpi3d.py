"""The mpi3d data sets: photographs and renderings of a robot arm.

Gondal et al., "On the Transfer of Inductive Bias from Simulation to the Real
World: a New Disentanglement Dataset", NeurIPS 2019.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mvhg_tf.disentanglement.data import grid, npz
from mvhg_tf.disentanglement.installation import data_folder
from mvhg_tf.runs.errors import UserError

NAMES = ("mpi3d_toy", "mpi3d_realistic", "mpi3d_real", "mpi3d_real_complex")
FACTOR_NAMES = (
    "object color",
    "object shape",
    "object size",
    "camera height",
    "background color",
    "horizontal axis",
    "vertical axis",
)
# The files published as toy, realistic and real; and the first toy file and
# real_complex.
PUBLISHED_SIZES = ((6, 6, 2, 3, 3, 40, 40), (4, 4, 2, 3, 3, 40, 40))
_IMAGE_SHAPE = (64, 64, 3)


class MPI3D(grid.StoredGridData):
    """An mpi3d data set, read lazily from a memory-mapped file.

    The file is `<folder>/<name>/<name>.npz`, as published. Its array "images" is
    unpacked once, next to it (see `npz.open_array`): 12 GB for 1 036 800 images.

    The number of values of the factors follows from the number of images.
    (disentanglement_lib's own class relies on the data set's name, and treats files
    with 6 colors and 6 shapes as files with 4 and 4. Then three of four images are
    returned with another image's factors, without an error.)
    """

    def __init__(
        self,
        name: str = "mpi3d_toy",
        folder: str | os.PathLike | None = None,
        factor_sizes: Sequence[Sequence[int]] | None = None,
    ):
        """Opens the data set.

        Args:
          name: One of `NAMES`.
          folder: Where the data sets are; by default the environment variable
            `DISENTANGLEMENT_LIB_DATA` or else the working directory.
          factor_sizes: The sizes that a file may have, recognised by their product; by
            default `PUBLISHED_SIZES`. Tests pass others, to read small files of the
            same layout.

        Raises:
          UserError: If the file is missing, damaged or not an mpi3d file.
        """
        if name not in NAMES:
            raise UserError(f"name must be one of {', '.join(NAMES)}; got {name!r}.")
        if folder is None:
            folder = data_folder()
        path = Path(folder, name, f"{name}.npz")
        if not path.exists() and not path.with_suffix(".npy").exists():
            raise UserError(
                f"The data of {name} are missing: no file {path}. Get it with "
                f"`dlib_download_data --dataset={name}` or from "
                "https://github.com/rr-learning/disentanglement_dataset; "
                f"DISENTANGLEMENT_LIB_DATA names the folder that holds {name}/ (by "
                "default, the working directory)."
            )
        images = npz.open_array(path, "images")
        sizes = _sizes_of(images, path, factor_sizes or PUBLISHED_SIZES)
        super().__init__(FACTOR_NAMES, sizes, images)


def _sizes_of(
    images: np.ndarray, path: Path, factor_sizes: Sequence[Sequence[int]]
) -> Sequence[int]:
    if images.dtype == np.uint8 and images.shape[1:] == _IMAGE_SHAPE:
        for sizes in factor_sizes:
            if len(images) == math.prod(sizes):
                return sizes
    lengths = " or ".join(str(math.prod(sizes)) for sizes in factor_sizes)
    raise UserError(
        f"The file {path} is not an mpi3d file: these hold {lengths} images of "
        f"{list(_IMAGE_SHAPE)} uint8, but this one holds {list(images.shape)} "
        f"{images.dtype}: download it again."
    )
