"""The paper's encoder and decoder (appendix C.3.2)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

UNITS = (500, 500, 2000)


def make_encoder(
    num_features: int,
    latent_dim: int,
    seed: int = 0,
    units: Sequence[int] = UNITS,
) -> keras.Model:
    """D-500-500-2000-d: x `[B, D]` -> mean and log variance of z, `[B, d]` each.

    The log variance starts at log 0.05 for every x. `units` are those of the hidden
    layers.
    """
    x = hidden = keras.Input([num_features])
    for index, size in enumerate(units):
        hidden = _dense(size, seed + index, activation="relu")(hidden)
    mean = _dense(latent_dim, seed + len(units), name="mean")(hidden)
    log_variance = layers.Dense(
        latent_dim,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(math.log(0.05)),
        name="log_variance",
    )(hidden)
    return keras.Model(x, [mean, log_variance], name="encoder")


def make_decoder(
    num_features: int,
    latent_dim: int,
    seed: int = 0,
    units: Sequence[int] = UNITS,
) -> keras.Model:
    """d-2000-500-500-D: z `[B, d]` -> outputs `[B, D]` for the likelihood.

    `units` are those of the encoder that it mirrors.
    """
    z = hidden = keras.Input([latent_dim])
    for index, size in enumerate(reversed(units)):
        hidden = _dense(size, seed + 100 + index, activation="relu")(hidden)
    outputs = _dense(num_features, seed + 100 + len(units), name="outputs")(hidden)
    return keras.Model(z, outputs, name="decoder")


def _dense(units: int, seed: int, **kwargs: Any) -> layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return layers.Dense(units, kernel_initializer=initializer, **kwargs)
