"""Data sets by name, for gin's `dataset.name`."""

from __future__ import annotations

import dataclasses
import importlib
import types
from collections.abc import Callable

import gin
import tensorflow as tf

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import arm3d, mpi3d
from mvhg_tf.errors import UserError

from disentanglement_lib.data.ground_truth import ground_truth_data  # isort: skip


@dataclasses.dataclass(frozen=True)
class _LibraryData:
    """A data set of disentanglement_lib, which reads its files when it is made."""

    module: str
    class_name: str
    arguments: tuple = ()
    # From the library's module, which knows the folder, to the files it reads.
    files: Callable[[types.ModuleType], list[str]] = lambda module: []
    source: str = ""

    def __call__(self) -> ground_truth_data.GroundTruthData:
        # Imported only here: what the modules import takes a second.
        module = importlib.import_module(
            f"disentanglement_lib.data.ground_truth.{self.module}"
        )
        files = self.files(module)
        for file in files:
            if not tf.io.gfile.exists(file):
                raise UserError(
                    f"The data of {self.class_name} are missing: no {file}. "
                    f"Get {self.source}; DISENTANGLEMENT_LIB_DATA names the folder "
                    "that holds all data (by default, the working directory)."
                )
        try:
            return getattr(module, self.class_name)(*self.arguments)
        except MemoryError:
            raise
        except Exception as error:
            # Damaged files make every kind of error in the libraries that read
            # them; the library itself, which is fixed, makes none.
            raise UserError(
                f"The data of {self.class_name} could not be read "
                f"({type(error).__name__}: {error}); "
                f"get {' and '.join(files)} again."
            ) from error


def _dsprites(class_name: str, factors: list[int]) -> _LibraryData:
    return _LibraryData(
        "dsprites",
        class_name,
        (factors,),
        lambda module: [module.DSPRITES_PATH],
        "it from https://github.com/google-deepmind/dsprites-dataset",
    )


def _small_norb_files(module: types.ModuleType) -> list[str]:
    return [
        module.SMALLNORB_TEMPLATE.format(chunk, part)
        for chunk in module.SMALLNORB_CHUNKS
        for part in ("dat", "cat", "info")
    ]


_SPRITE_FACTORS = [1, 2, 3, 4, 5]  # all but the color, which is always white

_DATA_SETS: dict[str, Callable[[], ground_truth_data.GroundTruthData]] = {
    "arm3d": arm3d.Arm3D,
    **{name: lambda name=name: mpi3d.MPI3D(name) for name in mpi3d.NAMES},
    "dsprites_full": _dsprites("DSprites", _SPRITE_FACTORS),
    "dsprites_noshape": _dsprites("DSprites", _SPRITE_FACTORS[1:]),
    "color_dsprites": _dsprites("ColorDSprites", _SPRITE_FACTORS),
    "noisy_dsprites": _dsprites("NoisyDSprites", _SPRITE_FACTORS),
    "scream_dsprites": dataclasses.replace(
        _dsprites("ScreamDSprites", _SPRITE_FACTORS),
        files=lambda module: [module.DSPRITES_PATH, module.SCREAM_PATH],
        source=(
            "the sprites from https://github.com/google-deepmind/dsprites-dataset "
            "and the picture from "
            "https://upload.wikimedia.org/wikipedia/commons/f/f4/The_Scream.jpg"
        ),
    ),
    "smallnorb": _LibraryData(
        "norb",
        "SmallNORB",
        files=_small_norb_files,
        source="and unpack it from https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",
    ),
    "cars3d": _LibraryData(
        "cars3d",
        "Cars3D",
        files=lambda module: [module.CARS3D_PATH],
        source="its folder data/cars from "
        "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
    ),
    "shapes3d": _LibraryData(
        "shapes3d",
        "Shapes3D",
        files=lambda module: [module.SHAPES3D_PATH],
        source="3dshapes.h5 from https://github.com/google-deepmind/3d-shapes and "
        "store its arrays `images` and `labels` with numpy.savez",
    ),
    "dummy_data": _LibraryData("dummy_data", "DummyData"),
}

NAMES = tuple(_DATA_SETS)


# Library code that asks its own `named_data` gets this module, and so this
# function (see `compat`): there is one "dataset" for gin.
@gin.configurable("dataset")
def get_named_ground_truth_data(
    name: str = gin.REQUIRED,
) -> ground_truth_data.GroundTruthData:
    """Makes the data set of a name.

    Args:
      name: One of `NAMES`. All but `arm3d` and `dummy_data` read files from the
        folder that the environment variable `DISENTANGLEMENT_LIB_DATA` names.

    Returns:
      The data set. Those that TensorFlow can draw have a method
      `render(factors)`.

    Raises:
      UserError: If there is no data set of that name, or its files are missing or
        damaged.
    """
    if name not in NAMES:
        raise UserError(
            f"There is no data set {name!r}; dataset.name is one of {', '.join(NAMES)}."
        )
    return _DATA_SETS[name]()
