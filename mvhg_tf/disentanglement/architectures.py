"""Networks of disentanglement_lib, as Keras models.

Gin names, layer shapes and activations are the library's; the networks are those
of Higgins et al. (2017), Table 1: row 3 (convolutional) and row 1 (dense), and the
discriminator of Kim and Mnih (2018), appendix A.
Weights start as Keras' defaults (Glorot uniform, zero bias), as in TensorFlow 1.
"""

import math
from collections.abc import Callable

import gin
import keras
from keras import layers

from mvhg_tf.disentanglement.sub_pixel import Conv2DTransposeToImages
from mvhg_tf.errors import UserError, check_positive_integer

Shape = tuple[int, int, int]


@gin.configurable("encoder", allowlist=["num_latent", "encoder_fn"])
def make_gaussian_encoder(
    observation_shape: Shape,
    num_latent: int = gin.REQUIRED,
    encoder_fn: Callable[[Shape, int], keras.Model] = gin.REQUIRED,
) -> keras.Model:
    """The encoder: images `[B, H, W, C]` -> mean and log variance, `[B, d]` each.

    Args:
      observation_shape: `(H, W, C)` of the images.
      num_latent: d, the number of latents.
      encoder_fn: builds the network from those two.

    Raises:
      UserError: if `num_latent` is not a positive integer.
    """
    check_positive_integer("encoder.num_latent", num_latent)
    return encoder_fn(tuple(observation_shape), num_latent)


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


@gin.configurable("discriminator", allowlist=["discriminator_fn"])
def make_discriminator(
    num_latent: int,
    discriminator_fn: Callable[[int], keras.Model] = gin.REQUIRED,
) -> keras.Model:
    """FactorVAE's discriminator: latents `[B, d]` -> logits of two classes, `[B, 2]`.

    Args:
      num_latent: d, the number of latents.
      discriminator_fn: builds the network from that.
    """
    return discriminator_fn(num_latent)


def _gaussian_head(images, features, num_latent: int, name: str) -> keras.Model:
    mean = layers.Dense(num_latent, name="means")(features)
    log_variance = layers.Dense(num_latent, name="log_var")(features)
    return keras.Model(images, (mean, log_variance), name=name)


@gin.configurable("conv_encoder", allowlist=[])
def conv_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """Four strided convolutions and a dense layer of 256 units."""
    images = keras.Input(observation_shape, name="images")
    x = layers.Conv2D(32, 4, 2, "same", activation="relu", name="e1")(images)
    x = layers.Conv2D(32, 4, 2, "same", activation="relu", name="e2")(x)
    x = layers.Conv2D(64, 2, 2, "same", activation="relu", name="e3")(x)
    x = layers.Conv2D(64, 2, 2, "same", activation="relu", name="e4")(x)
    x = layers.Dense(256, "relu", name="e5")(layers.Flatten()(x))
    return _gaussian_head(images, x, num_latent, "conv_encoder")


@gin.configurable("fc_encoder", allowlist=[])
def fc_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """Two dense layers of 1200 units."""
    images = keras.Input(observation_shape, name="images")
    x = layers.Dense(1200, "relu", name="e1")(layers.Flatten()(images))
    x = layers.Dense(1200, "relu", name="e2")(x)
    return _gaussian_head(images, x, num_latent, "fc_encoder")


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


@gin.configurable("fc_discriminator", allowlist=[])
def fc_discriminator(num_latent: int) -> keras.Model:
    """Six dense layers of 1000 leaky rectified units (slope 0.2)."""
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = latents
    for name in ("d1", "d2", "d3", "d4", "d5", "d6"):
        x = layers.Dense(1000, "leaky_relu", name=name)(x)
    logits = layers.Dense(2, name="logits")(x)
    return keras.Model(latents, logits, name="fc_discriminator")


@gin.configurable("test_encoder", allowlist=[])
def test_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """A linear encoder, for quick tests."""
    images = keras.Input(observation_shape, name="images")
    return _gaussian_head(images, layers.Flatten()(images), num_latent, "test_encoder")


@gin.configurable("test_decoder", allowlist=[])
def test_decoder(num_latent: int, observation_shape: Shape) -> keras.Model:
    """A linear decoder, for quick tests."""
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = layers.Dense(math.prod(observation_shape), name="d1")(latents)
    logits = layers.Reshape(observation_shape)(x)
    return keras.Model(latents, logits, name="test_decoder")


def networks(observation_shape: Shape) -> tuple[keras.Model, keras.Model]:
    """The configured encoder of images of a shape `(H, W, C)`, and its decoder."""
    encoder = make_gaussian_encoder(observation_shape)
    return encoder, make_decoder(encoder.outputs[0].shape[-1], observation_shape)
