"""Encoders under disentanglement_lib's gin names: images to Gaussians of latents."""

import math
from collections.abc import Callable
from typing import TypeAlias

import gin
import keras
from keras import layers

from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt

Shape: TypeAlias = tuple[int, ...]  # (H, W, C)
LEAST_PIXELS, MOST_PIXELS = 32, 256  # a side, of the convolutional networks


@gin_config.configurable("encoder", allowlist=["num_latent", "encoder_fn"])
def make_gaussian_encoder(
    observation_shape: Shape,
    num_latent: PositiveInt = gin.REQUIRED,
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
    return encoder_fn(tuple(observation_shape), num_latent)


@gin.configurable("conv_encoder", allowlist=[])
def conv_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """Strided convolutions, four of them for 64 x 64 images, and a dense layer of 256.

    The library's layers: the last two convolutions have kernels of 2 x 2, where
    Higgins et al. (2017), Table 1, have 4 x 4, as those before them (its issue 37).
    Images of other sizes have as many as leave the shorter side 4 to 7 places.

    Args:
      observation_shape: `(H, W, C)`, of 32 to 256 pixels a side.
      num_latent: d, the number of latents.

    Raises:
      UserError: if a side is shorter or longer.
    """
    num_layers = num_strided_layers(observation_shape, "encoder", "conv_encoder")
    images = keras.Input(observation_shape, name="images")
    x = images
    for layer in range(num_layers):
        is_late = layer >= num_layers - 2
        filters, kernel = (64, 2) if is_late else (32, 4)
        name = f"e{layer + 1}"
        x = layers.Conv2D(filters, kernel, 2, "same", activation="relu", name=name)(x)
    name = f"e{num_layers + 1}"
    x = layers.Dense(256, "relu", name=name)(layers.Flatten()(x))
    return _gaussian_head(images, x, num_latent, "conv_encoder")


def num_strided_layers(observation_shape: Shape, part: str, name: str) -> int:
    """How many layers of stride 2 a convolutional network of such images has.

    Args:
      observation_shape: `(H, W, C)` of the images.
      part: "encoder" or "decoder".
      name: of the network.

    Raises:
      UserError: if it can't handle such images.
    """
    height, width, _ = observation_shape
    if not LEAST_PIXELS <= min(height, width) <= max(height, width) <= MOST_PIXELS:
        raise UserError(
            f"@{name} takes images of {LEAST_PIXELS} to {MOST_PIXELS} pixels a side, "
            f"but the data set's are {height} x {width}: resize the images, or bind "
            f"{part}.{part}_fn = @fc_{part}."
        )
    return int(math.log2(min(height, width) / 4))


@gin.configurable("fc_encoder", allowlist=[])
def fc_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """Two dense layers of 1200 units."""
    images = keras.Input(observation_shape, name="images")
    x = layers.Dense(1200, "relu", name="e1")(layers.Flatten()(images))
    x = layers.Dense(1200, "relu", name="e2")(x)
    return _gaussian_head(images, x, num_latent, "fc_encoder")


@gin.configurable("test_encoder", allowlist=[])
def test_encoder(observation_shape: Shape, num_latent: int) -> keras.Model:
    """A linear encoder, for quick tests."""
    images = keras.Input(observation_shape, name="images")
    return _gaussian_head(images, layers.Flatten()(images), num_latent, "test_encoder")


def _gaussian_head(
    images: keras.KerasTensor, features: keras.KerasTensor, num_latent: int, name: str
) -> keras.Model:
    mean = layers.Dense(num_latent, name="means")(features)
    log_variance = layers.Dense(num_latent, name="log_var")(features)
    return keras.Model(images, (mean, log_variance), name=name)
