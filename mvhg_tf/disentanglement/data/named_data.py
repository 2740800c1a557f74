"""Data sets by name, for gin's `dataset.name`."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from pathlib import Path

import gin

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import arm3d, listed_pairs, mpi3d, own_data
from mvhg_tf.disentanglement.data.prepared import is_prepared
from mvhg_tf.disentanglement.data.unpacked import is_missing
from mvhg_tf.runs.errors import UserError

from disentanglement_lib.data.ground_truth import (  # isort: skip
    dummy_data,
    ground_truth_data,
)


@dataclasses.dataclass(frozen=True)
class _Downloaded:
    """A data set that the user must download."""

    module: str
    class_name: str
    downloads: tuple[str, ...]  # the values of `dlib_download_data --dataset`
    source: str
    arguments: tuple = ()

    def __call__(self) -> ground_truth_data.GroundTruthData:
        # Imported only here, because the modules' own imports take a second.
        module = importlib.import_module(f"mvhg_tf.disentanglement.data.{self.module}")
        data_class = getattr(module, self.class_name)
        prepared_name = self.downloads[0]
        for file in data_class.files():
            of_set = not file.endswith(".jpg")  # not a picture that is drawn over
            if is_missing(Path(file)) and not (of_set and is_prepared(prepared_name)):
                raise UserError(
                    f"The data of {self.class_name} are missing: no {file}. Get them "
                    f"with `dlib_download_data {self._flags}` or from {self.source}; "
                    "DISENTANGLEMENT_LIB_DATA names the folder that holds all data (by "
                    "default, the working directory). Data prepared by "
                    "tensorflow_datasets are found as well."
                )
        try:
            return data_class(*self.arguments)
        except OSError as error:
            raise UserError(
                f"The data of {self.class_name} could not be read ({error}): make "
                f"{' and '.join(data_class.files())} readable."
            ) from error

    @property
    def _flags(self) -> str:
        return " ".join(f"--dataset={name}" for name in self.downloads)


def _dsprites(class_name: str, factors: list[int], scream: bool = False) -> _Downloaded:
    downloads = ("dsprites", "scream") if scream else ("dsprites",)
    source = "https://github.com/google-deepmind/dsprites-dataset"
    if scream:
        source += (
            " and https://upload.wikimedia.org/wikipedia/commons/f/f4/The_Scream.jpg"
        )
    return _Downloaded("dsprites", class_name, downloads, source, (factors,))


_SPRITE_FACTORS = [1, 2, 3, 4, 5]  # all but the color, which is always white

_DATA_SETS: dict[str, Callable[[], ground_truth_data.GroundTruthData]] = {
    "arm3d": arm3d.Arm3D,
    **{name: functools.partial(mpi3d.MPI3D, name) for name in mpi3d.NAMES},
    "dsprites_full": _dsprites("DSprites", _SPRITE_FACTORS),
    "dsprites_noshape": _dsprites("DSprites", _SPRITE_FACTORS[1:]),
    "color_dsprites": _dsprites("ColorDSprites", _SPRITE_FACTORS),
    "noisy_dsprites": _dsprites("NoisyDSprites", _SPRITE_FACTORS),
    # Orientation is random.
    "abstract_dsprites": _dsprites("AbstractDSprites", [1, 2, 4, 5]),
    "scream_dsprites": _dsprites("ScreamDSprites", _SPRITE_FACTORS, scream=True),
    "smallnorb": _Downloaded(
        "smallnorb",
        "SmallNORB",
        ("smallnorb",),
        "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/, and unpack them",
    ),
    "cars3d": _Downloaded(
        "cars3d",
        "Cars3D",
        ("cars3d",),
        "the folder data/cars of "
        "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz",
    ),
    "shapes3d": _Downloaded(
        "shapes3d",
        "Shapes3D",
        ("shapes3d",),
        "https://github.com/google-deepmind/3d-shapes, and store the array `images` of "
        "3dshapes.h5 with numpy.savez",
    ),
    "dummy_data": dummy_data.DummyData,
    "npz": own_data.open_own_data,
    "pairs": listed_pairs.open_pairs,
}

NAMES = tuple(_DATA_SETS)
# What disentanglement_lib's programs and metrics use of a data set.
_INTERFACE = (
    "num_factors",
    "factors_num_values",
    "observation_shape",
    "sample_factors",
    "sample_observations_from_factors",
)


def names() -> list[str]:
    """All values that `dataset.name` may have."""
    return list(_DATA_SETS)


def register_data_set(name: str) -> Callable[[type], type]:
    """Registers a class as a data set of your own: a decorator.

    ```python
    @register_data_set("sprites")
    class Sprites(disentanglement_lib.data.ground_truth.GroundTruthData): ...
    ```

    Programs that import its module (`--import=MODULE`, or `import MODULE` in a gin
    file) then take `dataset.name = "sprites"`.

    Args:
      name: The value of `dataset.name`.

    Returns:
      A decorator of a class that can be called without arguments (gin may bind some)
      and has disentanglement_lib's `GroundTruthData` interface: `num_factors`,
      `factors_num_values`, `observation_shape` (`[H, W, C]`), `sample_factors(num,
      random_state)` and `sample_observations_from_factors(factors, random_state)`,
      images in [0, 1]. If it has `factor_names`, pictures show them.

    Raises:
      UserError: If the name is taken by mvhg_tf, or the class lacks part of the
        interface.
    """

    def register(data_class: type) -> type:
        lacking = [part for part in _INTERFACE if not hasattr(data_class, part)]
        if lacking:
            raise UserError(
                f"The data set {name!r} can't be registered, because "
                f"{data_class.__name__} has no {', '.join(lacking)}: implement the "
                "interface of disentanglement_lib's GroundTruthData."
            )
        if name in NAMES:
            raise UserError(
                f"{name!r} is the name of a data set of mvhg_tf: register "
                f"{data_class.__name__} under another name."
            )
        _DATA_SETS[name] = data_class
        return data_class

    return register


# Library code that asks its own `named_data` gets this module, and so this
# function (see `compat`): there is one "dataset" for gin.
@gin.configurable("dataset")
def get_named_ground_truth_data(
    name: str = gin.REQUIRED,
) -> ground_truth_data.GroundTruthData:
    """Returns the data set of a name.

    Args:
      name: One of `names()`. `npz` and `pairs` read the files at `npz.path` and
        `pairs.path`. `arm3d` and `dummy_data` need no files. All others read files from
        the folder that the environment variable `DISENTANGLEMENT_LIB_DATA` names.

    Returns:
      The data set. Those that TensorFlow can draw have a method
      `render(factors)`.

    Raises:
      UserError: If there is no data set of that name, or its files are missing or
        damaged.
    """
    if name not in names():
        raise UserError(
            f"There is no data set {name!r}; dataset.name is one of "
            f"{', '.join(_DATA_SETS)}, or one of your own, whose module must be "
            "imported (--import=MODULE)."
        )
    return _DATA_SETS[name]()
