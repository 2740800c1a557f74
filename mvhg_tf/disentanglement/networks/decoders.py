"""Decoders under disentanglement_lib's gin names: latents to the logits of images."""

import math
from collections.abc import Callable

import gin
import keras
from keras import layers

from mvhg_tf.disentanglement.networks.encoders import Shape, num_strided_layers
from mvhg_tf.disentanglement.networks.sub_pixel import Conv2DTransposeToImages


@gin.configurable("decoder", allowlist=["decoder_fn"])
def make_decoder(
    num_latent: int,
    observation_shape: Shape,
    decoder_fn: Callable[[int, Shape], keras.Model] = gin.REQUIRED,
) -> keras.Model:
    """The decoder: latents `[B, d]` -> logits of the images, `[B, H, W, C]`.

    Args:
      num_latent: d, the number of latents.
      observation_shape: `(H, W, C)` of the images.
      decoder_fn: builds the network from those two.
    """
    return decoder_fn(num_latent, tuple(observation_shape))


@gin.configurable("deconv_decoder", allowlist=[])
def deconv_decoder(num_latent: int, observation_shape: Shape) -> keras.Model:
    """Two dense layers and transposed convolutions, four of them for 64 x 64 images.

    Images of other sizes have as many as `conv_encoder`; a side that they can't double
    to is cut off.

    Args:
      num_latent: d, the number of latents.
      observation_shape: `(H, W, C)`, of 32 to 256 pixels a side.

    Raises:
      UserError: if a side is shorter or longer.
    """
    height, width, channels = observation_shape
    num_layers = num_strided_layers(observation_shape, "decoder", "deconv_decoder")
    rows, columns = (-(-side // 2**num_layers) for side in (height, width))
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = layers.Dense(256, "relu", name="d1")(latents)
    x = layers.Dense(rows * columns * 64, "relu", name="d2")(x)
    x = layers.Reshape((rows, columns, 64))(x)
    for layer in range(num_layers - 1):
        filters = 64 if layer == 0 else 32
        x = layers.Conv2DTranspose(
            filters, 4, 2, "same", activation="relu", name=f"d{layer + 3}"
        )(x)
    logits = Conv2DTransposeToImages(channels, name=f"d{num_layers + 2}")(x)
    rest = logits.shape[1] - height, logits.shape[2] - width
    if any(rest):
        cut = tuple((side // 2, side - side // 2) for side in rest)
        logits = layers.Cropping2D(cut)(logits)
    return keras.Model(latents, logits, name="deconv_decoder")


@gin.configurable("fc_decoder", allowlist=[])
def fc_decoder(num_latent: int, observation_shape: Shape) -> keras.Model:
    """Three dense layers of 1200 units."""
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = latents
    for name in ("d1", "d2", "d3"):
        x = layers.Dense(1200, "tanh", name=name)(x)
    x = layers.Dense(math.prod(observation_shape), name="d4")(x)
    return keras.Model(latents, layers.Reshape(observation_shape)(x), name="fc_decoder")


@gin.configurable("test_decoder", allowlist=[])
def test_decoder(num_latent: int, observation_shape: Shape) -> keras.Model:
    """A linear decoder, for quick tests."""
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = layers.Dense(math.prod(observation_shape), name="d1")(latents)
    logits = layers.Reshape(observation_shape)(x)
    return keras.Model(latents, logits, name="test_decoder")
