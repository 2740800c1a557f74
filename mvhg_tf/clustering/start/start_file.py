"""What training starts from, in a file: networks, mixture and responsibilities.

Runs that differ in their prior can share one, see `train`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from mvhg_tf.clustering import files
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import written_whole

if TYPE_CHECKING:
    from mvhg_tf.clustering.vade import VaDE


def save(path: str, model: VaDE, responsibilities: np.ndarray, x: np.ndarray) -> None:
    """Saves a pretrained model's start, whole or not at all.

    Args:
      path: of an npz file.
      model: a VaDE after `pretrain`.
      responsibilities: what `pretrain` returned, `[N, K]`.
      x: what it was pretrained on, `[N, D]`.
    """
    weights = {name: value.numpy() for name, value in _weights(model).items()}
    with written_whole(path) as part:
        np.savez(part, responsibilities=responsibilities, data=_digest(x), **weights)


def load(path: str, model: VaDE, x: np.ndarray) -> np.ndarray:
    """Restores the start of a model; its prior gets the clusters' shares.

    Args:
      path: of the file.
      model: a VaDE of the same networks and number of clusters, with any prior.
      x: the training data, `[N, D]`, which must be those of the start.

    Returns:
      The responsibilities, float32 `[N, K]`.

    Raises:
      UserError: if the file can't be read or is of another model or other data.
    """
    variables = _weights(model)
    arrays = files.read_npz(path, ["responsibilities", "data", *variables])
    if str(arrays.get("data")) != _digest(x):
        raise UserError(
            f"{path} is not a start for these data: give one that was created with the "
            "same data, version and random_seed."
        )
    rows = (len(x), model.num_clusters)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    for name, shape in (shapes | {"responsibilities": rows}).items():
        if name not in arrays or arrays[name].shape != shape:
            raise UserError(
                f"{path} belongs to a model of another shape (its {name} differs): "
                "give one that was created with the same networks and number of "
                "clusters."
            )
        if arrays[name].dtype.kind != "f" or not np.isfinite(arrays[name]).all():
            raise UserError(
                f"{path} is damaged (its {name} holds numbers that are not finite): "
                "give another file."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    responsibilities = arrays["responsibilities"]
    model.prior.set_proportions(responsibilities.mean(axis=0))
    return responsibilities


def _weights(model: VaDE) -> dict:
    """The variables of networks, mixture and likelihood, not those of the prior."""
    parts = {
        "encoder": model.encoder,
        "decoder": model.decoder,
        "mixture": model.mixture,
        "likelihood": model.likelihood,
    }
    return {
        f"{name}_{index}": variable
        for name, part in parts.items()
        for index, variable in enumerate(getattr(part, "weights", ()))
    }


def _digest(x: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(x, np.float32).tobytes()).hexdigest()
