"""Data sets by name, for gin's `dataset.name`."""

from __future__ import annotations

from collections.abc import Callable

import gin

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import arm3d
from mvhg_tf.errors import UserError

from disentanglement_lib.data.ground_truth import (  # isort: skip
    cars3d,
    dsprites,
    dummy_data,
    ground_truth_data,
    norb,
    shapes3d,
)

_DATA_SETS: dict[str, Callable[[], ground_truth_data.GroundTruthData]] = {
    "arm3d": arm3d.Arm3D,
    "cars3d": cars3d.Cars3D,
    "color_dsprites": lambda: dsprites.ColorDSprites([1, 2, 3, 4, 5]),
    "dsprites_full": lambda: dsprites.DSprites([1, 2, 3, 4, 5]),
    "dsprites_noshape": lambda: dsprites.DSprites([2, 3, 4, 5]),
    "dummy_data": dummy_data.DummyData,
    "noisy_dsprites": lambda: dsprites.NoisyDSprites([1, 2, 3, 4, 5]),
    "scream_dsprites": lambda: dsprites.ScreamDSprites([1, 2, 3, 4, 5]),
    "shapes3d": shapes3d.Shapes3D,
    "smallnorb": norb.SmallNORB,
}


@gin.configurable("dataset")
def get_named_ground_truth_data(name=gin.REQUIRED):
    if name not in _DATA_SETS:
        raise UserError(
            f"There is no data set {name!r}; dataset.name is one of "
            f"{', '.join(_DATA_SETS)}."
        )
    return _DATA_SETS[name]()
