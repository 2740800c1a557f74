"""FactorVAE's discriminator, under disentanglement_lib's gin names."""

from collections.abc import Callable

import gin
import keras
from keras import layers


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


@gin.configurable("fc_discriminator", allowlist=[])
def fc_discriminator(num_latent: int) -> keras.Model:
    """Six dense layers of 1000 leaky rectified units (slope 0.2)."""
    latents = keras.Input((num_latent,), name="latent_vectors")
    x = latents
    for name in ("d1", "d2", "d3", "d4", "d5", "d6"):
        x = layers.Dense(1000, "leaky_relu", name=name)(x)
    logits = layers.Dense(2, name="logits")(x)
    return keras.Model(latents, logits, name="fc_discriminator")
