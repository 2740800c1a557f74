"""Everything that touches disentanglement_lib: data, models, training, programs."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvhg_tf.disentanglement.data.named_data import register_data_set
    from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
    from mvhg_tf.disentanglement.models.pairs.selection import (
        ArgmaxSelection,
        HypergeometricSelection,
        LabelSelection,
    )
    from mvhg_tf.disentanglement.steps.export import export_saved_model
    from mvhg_tf.disentanglement.steps.trained_model import (
        PairResult,
        TrainedModel,
        load_model,
    )

__all__ = [
    "ArgmaxSelection",
    "GroupVAE",
    "HypergeometricSelection",
    "LabelSelection",
    "PairResult",
    "TrainedModel",
    "export_saved_model",
    "load_model",
    "register_data_set",
]

_SELECTIONS = "mvhg_tf.disentanglement.models.pairs.selection"
_TRAINED_MODEL = "mvhg_tf.disentanglement.steps.trained_model"
_HOMES = {
    "ArgmaxSelection": _SELECTIONS,
    "GroupVAE": "mvhg_tf.disentanglement.models.pairs.group_vae",
    "HypergeometricSelection": _SELECTIONS,
    "LabelSelection": _SELECTIONS,
    "PairResult": _TRAINED_MODEL,
    "TrainedModel": _TRAINED_MODEL,
    "export_saved_model": "mvhg_tf.disentanglement.steps.export",
    "load_model": _TRAINED_MODEL,
    "register_data_set": "mvhg_tf.disentanglement.data.named_data",
}


def __getattr__(name: str) -> Any:
    # Imported late, as in the package above: importing TensorFlow takes seconds.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
