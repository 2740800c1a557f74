"""Encoders under disentanglement_lib's gin names: images to Gaussians of latents."""

from collections.abc import Callable
from typing import TypeAlias

import gin
import keras
from keras import layers

from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import PositiveInt

Shape: TypeAlias = tuple[int, ...]  # (H, W, C)


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
