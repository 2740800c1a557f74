"""cars3d: 183 cars, each seen from 24 azimuths and 4 elevations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import scipy.io

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import grid, prepared
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import cars3d  # isort: skip

FACTOR_NAMES = ("elevation", "azimuth", "object type")
NUM_CARS = 183
_VIEWS = (4, 24)  # elevations, azimuths
_FILE_SHAPE = (128, 128, 3, 24, 4)
_IMAGE_SIZE = 64
_PREPARED_LABELS = ("label_elevation", "label_azimuth", "label")  # tensorflow_datasets'


class Cars3D(grid.StoredGridData):
    """cars3d (Reed et al. 2015), scaled to 64 x 64 pixels as in the library.

    The cars are in the order of their file names; the library uses the order on the
    disk.

    Raises:
      UserError: If a file is missing, damaged or not one of cars3d.
    """

    def __init__(self) -> None:
        folder = Path(cars3d.CARS3D_PATH)
        if not folder.exists() and prepared.is_prepared("cars3d"):
            found = prepared.open_prepared("cars3d", _PREPARED_LABELS, _resized)
            in_order = prepared.GridOrder(found, "cars3d")
            super().__init__(FACTOR_NAMES, in_order.sizes, in_order)
            return
        paths = find_cars(folder)
        cars = np.stack([_read_car(path) for path in paths], axis=2)
        images = cars.reshape(-1, *cars.shape[3:])
        super().__init__(FACTOR_NAMES, cars.shape[:3], images)

    @classmethod
    def files(cls) -> list[str]:
        """The files that the data set is read from: here a folder."""
        return [cars3d.CARS3D_PATH]


def find_cars(folder: Path) -> list[Path]:
    """The files of the cars in a folder, by name.

    Raises:
      UserError: If there are not as many as cars3d has.
    """
    paths = sorted(folder.glob("*.mat"))
    if len(paths) != NUM_CARS:
        raise UserError(
            f"The folder {folder} should hold {NUM_CARS} files *.mat, one for each "
            f"car, but holds {len(paths)}: download it again."
        )
    return paths


def _read_car(path: Path) -> np.ndarray:
    """The views of a car: uint8 `[4, 24, 64, 64, 3]`."""
    try:
        views = scipy.io.loadmat(path, variable_names=["im"])["im"]
    except Exception as error:  # damage makes SciPy raise every kind
        raise UserError(
            f"The file {path} could not be read ({type(error).__name__}: {error}): "
            "download it again."
        ) from error
    if views.dtype != np.uint8 or views.shape != _FILE_SHAPE:
        raise UserError(
            f"The file {path} is not one of cars3d: its array 'im' should hold "
            f"{list(_FILE_SHAPE)} uint8, but holds {list(views.shape)} {views.dtype}: "
            "download it again."
        )
    images = [
        _resized(views[..., azimuth, elevation])
        for elevation in range(_VIEWS[0])
        for azimuth in range(_VIEWS[1])
    ]
    return np.stack(images).reshape(*_VIEWS, _IMAGE_SIZE, _IMAGE_SIZE, 3)


def _resized(image: np.ndarray) -> np.ndarray:
    """An image uint8 `[H, W, 3]` as `[64, 64, 3]`."""
    size = (_IMAGE_SIZE, _IMAGE_SIZE)
    resized = PIL.Image.fromarray(image).resize(size, PIL.Image.Resampling.LANCZOS)
    return np.asarray(resized)
