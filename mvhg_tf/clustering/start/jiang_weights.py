"""The weights that Jiang et al. (2016) published, such as `ae_mnist_weights.h5`.

They belong to a plain autoencoder: first the layers of the encoder, then those of the
decoder, in the format of Keras 1: the attribute `layer_names` of the HDF5 file names
its groups, whose attribute `weight_names` names a kernel and a bias.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import h5py
import numpy as np

from mvhg_tf.clustering.start.layer_wise import layer_pairs
from mvhg_tf.runs.errors import UserError

if TYPE_CHECKING:
    from mvhg_tf.clustering.vade import VaDE


def load_jiang_weights(model: VaDE, path: str | os.PathLike) -> None:
    """Loads the encoder's mean and the decoder; `pretrain(x, epochs=0)` comes next.

    Args:
      model: the VaDE; its networks are mirrored chains of `Dense` layers, like the
        default.
      path: of the HDF5 file.

    Raises:
      UserError: a ValueError, if the model's networks are others, the file can't be
        read, or its layers don't have the sizes of the model's. The model is then as
        it was.
    """
    pairs = layer_pairs(model)
    layers = [down for down, _ in pairs] + [up for _, up in reversed(pairs)]
    wanted = [[weight.shape for weight in layer.weights] for layer in layers]
    try:
        with h5py.File(path) as file:
            found = list(_layers(file))
            sizes = [[weight.shape for weight in weights] for weights in found]
            if sizes != wanted:
                raise UserError(
                    f"{os.fspath(path)!r} holds layers of the sizes {_told(sizes)}, but"
                    f" the model's are {_told(wanted)}: give weights of this model, or "
                    "a model of those sizes."
                )
            values = [[np.float32(weight) for weight in weights] for weights in found]
    except UserError:
        raise
    except Exception as error:  # damage makes h5py raise every kind
        raise UserError(
            f"{os.fspath(path)!r} can't be read as weights of Keras 1 (an HDF5 file "
            "with layer_names): give a file such as ae_mnist_weights.h5."
        ) from error
    if not all(np.isfinite(weight).all() for weights in values for weight in weights):
        raise UserError(
            f"{os.fspath(path)!r} holds weights that are not finite: give another file."
        )
    for layer, weights in zip(layers, values, strict=True):
        layer.set_weights(weights)


def _layers(file: h5py.File) -> Iterator[list[h5py.Dataset]]:
    """The datasets of each layer that has any: neither inputs nor dropout have."""
    for layer in file.attrs["layer_names"]:
        group = file[layer]
        weights = [group[name] for name in group.attrs["weight_names"]]
        if not all(_is_within(file, weight) for weight in weights):
            raise UserError(
                f"{file.filename!r} refers to other files for its weights, which are "
                "not read: give a file that holds them itself."
            )
        if weights:
            yield weights


def _is_within(file: h5py.File, weights: h5py.Dataset) -> bool:
    """Whether the numbers are in the file, and not in one that it refers to."""
    is_elsewhere = weights.external or weights.is_virtual
    return weights.file.id == file.id and not is_elsewhere


def _told(sizes: list) -> str:
    kernels = ["x".join(map(str, weights[0])) for weights in sizes]
    return ", ".join(kernels) or "none"
