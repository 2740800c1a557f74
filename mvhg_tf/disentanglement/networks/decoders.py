"""Decoders under disentanglement_lib's gin names: latents to the logits of images."""

import math
from collections.abc import Callable

import gin
import keras
from keras import layers

from mvhg_tf.disentanglement.networks.encoders import Shape
from mvhg_tf.disentanglement.networks.sub_pixel import Conv2DTransposeToImages
from mvhg_tf.runs.errors import UserError


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
    """Two dense layers and four transposed convolutions, to 64 x 64 images.

    Raises:
      UserError: if the images are not 64 x 64.
    """
    height, width, channels = observation_shape
    if (height, width) != (64, 64):
        raise UserError(
            f"@deconv_decoder makes 64 x 64 images, but the data set's are {height} x "
            f"{width}: resize the images, or bind decoder.decoder_fn = @fc_decoder."
        )
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = layers.Dense(256, "relu", name="d1")(latents)
    x = layers.Dense(1024, "relu", name="d2")(x)
    x = layers.Reshape((4, 4, 64))(x)
    for name, filters in (("d3", 64), ("d4", 32), ("d5", 32)):
        x = layers.Conv2DTranspose(filters, 4, 2, "same", activation="relu", name=name)(
            x
        )
    logits = Conv2DTransposeToImages(channels, name="d6")(x)
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
