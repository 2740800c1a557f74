"""Optimizers under the names and parameters that the library's gin files use."""

from collections.abc import Callable

import gin
import keras


@gin.configurable("vae_optimizer")
def make_vae_optimizer(
    optimizer_fn: Callable[..., keras.optimizers.Optimizer] = gin.REQUIRED,
    learning_rate: float | None = None,
) -> keras.optimizers.Optimizer:
    """The optimizer of the autoencoder.

    Args:
      optimizer_fn: such as `@AdamOptimizer`.
      learning_rate: overrides the optimizer's own, if given.
    """
    if learning_rate is None:
        return optimizer_fn()
    return optimizer_fn(learning_rate=learning_rate)


@gin.configurable("AdamOptimizer")
def adam_optimizer(
    learning_rate: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    use_locking: bool = False,
    name: str = "Adam",
) -> keras.optimizers.Adam:
    """Adam (Kingma and Ba, 2014) with TensorFlow 1's parameters and defaults.

    `use_locking` is accepted because the library's gin files bind it; updates are
    always atomic in TensorFlow 2.
    """
    del use_locking
    return keras.optimizers.Adam(
        learning_rate=learning_rate,
        beta_1=beta1,
        beta_2=beta2,
        epsilon=epsilon,
        name=name,
    )
