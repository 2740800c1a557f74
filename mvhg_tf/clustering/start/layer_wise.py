"""Layer-wise pretraining: one denoising autoencoder for each pair of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from mvhg_tf.clustering.batches import batches
from mvhg_tf.runs.errors import UserError

if TYPE_CHECKING:
    from mvhg_tf.clustering.vade import VaDE

_CORRUPTION = 0.2  # of the inputs and of the hidden units, set to 0


def train(
    model: VaDE, x: np.ndarray, epochs: int, batch_size: int, verbose: int = 0
) -> None:
    """Starts the networks from the outside in, as Jiang et al. (2016) did.

    The i-th layer of the encoder and the i-th last of the decoder learn to restore
    the outputs of the layer before from corrupted ones (Xie et al., "Unsupervised
    deep embedding for clustering analysis", 2016, section 3.2). The outermost pair
    has the likelihood of the model for its loss, the others squared errors.

    Args:
      model: the VaDE; both networks are plain, mirrored chains of `Dense` layers.
      x: float32 `[N, D]`.
      epochs: for each pair, by Adam, 1e-3.
      batch_size: at most N.
      verbose: of Keras.

    Raises:
      UserError: a ValueError, if the networks are not such chains.
    """
    inputs = x
    for index, (down, up) in enumerate(layer_pairs(model)):
        seed = model.seed + 2 * index
        # Copies, because a layer that is called anew is no longer part of its
        # network alone.
        pair = [type(layer).from_config(layer.get_config()) for layer in (down, up)]
        autoencoder = keras.Sequential(
            [
                keras.Input([inputs.shape[1]]),
                keras.layers.Dropout(_CORRUPTION, seed=seed),
                pair[0],
                keras.layers.Dropout(_CORRUPTION, seed=seed + 1),
                pair[1],
            ]
        )
        for copy, layer in zip(pair, (down, up), strict=True):
            copy.set_weights(layer.get_weights())
        loss = "mse" if index else lambda x, out: -model.likelihood.log_prob(x, out)
        autoencoder.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=False)
        data, steps = batches((inputs, inputs), batch_size, seed, epochs)
        autoencoder.fit(
            data, steps_per_epoch=steps, epochs=epochs, verbose=verbose, shuffle=False
        )
        for copy, layer in zip(pair, (down, up), strict=True):
            layer.set_weights(copy.get_weights())
        inputs = np.asarray(down(inputs))


def layer_pairs(model: VaDE) -> list[tuple[keras.layers.Dense, keras.layers.Dense]]:
    """The layers that undo each other, the outermost pair first.

    Raises:
      UserError: a ValueError, if the networks are not mirrored chains of `Dense`
        layers with biases, apart from the encoder's "log_variance".
    """
    down = [
        layer for layer in _inner_layers(model.encoder) if layer.name != "log_variance"
    ]
    up = _inner_layers(model.decoder)[::-1]
    plain = all(
        isinstance(layer, keras.layers.Dense) and layer.bias is not None
        for layer in (*down, *up)
    )
    if not plain or [layer.kernel.shape for layer in down] != [
        layer.kernel.shape[::-1] for layer in up
    ]:
        raise UserError(
            "The encoder and decoder are not mirrored chains of Dense layers with "
            "biases, which layer-wise pretraining and the weights of Jiang et al. "
            "require: pass such networks, or skip it (layer_wise_epochs=0)."
        )
    return list(zip(down, up, strict=True))


def _inner_layers(network: keras.Model) -> list[keras.layers.Layer]:
    return [
        layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
