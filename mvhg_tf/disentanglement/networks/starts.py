"""The weights that networks start from, by gin's `networks.start`."""

import math
from collections.abc import Callable, Iterator
from typing import Literal

import keras
import numpy as np

from mvhg_tf.runs import gin_config

# Of the weights of layers whose outputs should start near one value, the log variances
# and the images: their variance times the fan.
_SMALL = 0.1
_RECTIFIED = ("relu", "leaky_relu", "elu", "gelu", "silu")
_WITH_KERNEL = (
    keras.layers.Dense,
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
)


@gin_config.configurable("networks", allowlist=["start"])
def start_networks(
    encoder: keras.Model,
    decoder: keras.Model,
    mean_logits: Callable[[], np.ndarray],
    seed: int,
    start: Literal["library", "he"] = "library",
) -> None:
    """Sets the weights of a new encoder and decoder.

    With "library" they stay as initialised by Keras: Glorot's uniform law and biases of
    0, as in disentanglement_lib. Signals then shrink from layer to layer: the logits of
    @deconv_decoder hardly differ between latents, so latents learn slowly, and some are
    never used. With "he" signals keep their scale (He et al. 2015): the weights of
    hidden layers are normal with variance 2 / fan_in, or 1 / fan_in where the
    activation is not a rectifier. The fan of a transposed convolution is what one of
    its outputs sums, 4 C_in of a kernel of 4 and a stride of 2. The encoder's means
    have variance 1 / fan_in. Its log variances and the decoder's last layer have a
    tenth of that; its bias makes every image the mean colour.

    Layers other than dense ones and convolutions stay as they are.

    Args:
      encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.
      decoder: latents `[B, d]` -> logits `[B, H, W, C]`.
      mean_logits: gives the logits of the data's mean colour, `[C]`.
      seed: of the weights.
      start: "library" or "he".

    Raises:
      UserError: if `start` is neither.
    """
    if start == "library":
        return
    random_state = np.random.RandomState(seed)
    mean, log_variance = (_last_layer(output) for output in encoder.outputs)
    image = _last_layer(decoder.outputs[0])
    gains = {id(mean): 1.0, id(log_variance): _SMALL, id(image): _SMALL}
    for layer in [*_layers_with_kernels(encoder), *_layers_with_kernels(decoder)]:
        gain = gains.get(id(layer), _gain(layer))
        scale = math.sqrt(gain / _fan_in(layer))
        layer.kernel.assign(random_state.normal(0.0, scale, layer.kernel.shape))
        if layer.bias is not None:
            layer.bias.assign(np.zeros(layer.bias.shape))
    if image is not None and image.bias is not None:
        colour = mean_logits()
        image.bias.assign(np.tile(colour, image.bias.shape[0] // len(colour)))


def _layers_with_kernels(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_with_kernels(layer)
        elif isinstance(layer, _WITH_KERNEL):
            yield layer


def _last_layer(output: keras.KerasTensor) -> keras.layers.Layer | None:
    """The last layer with a kernel before an output of a network, if there is one."""
    layer = output._keras_history.operation
    while not isinstance(layer, _WITH_KERNEL):
        if isinstance(layer, keras.Model):
            return _last_layer(layer.outputs[0])
        parents = layer._inbound_nodes[0].parent_nodes
        if not parents:
            return None
        layer = parents[0].operation
    return layer


def _gain(layer: keras.layers.Layer) -> float:
    """The variance of a layer's weights times its fan, so that signals keep scale."""
    activation = getattr(layer.activation, "__name__", "")
    return 2.0 if activation in _RECTIFIED else 1.0


def _fan_in(layer: keras.layers.Layer) -> float:
    """How many inputs one output of a layer sums."""
    if isinstance(layer, keras.layers.Conv2DTranspose):
        *window, _, inputs = layer.kernel.shape
        return inputs * math.prod(window) / math.prod(layer.strides)
    return math.prod(layer.kernel.shape[:-1])
