"""TensorFlow 1's optimizers under the names and parameters that gin files use.

Defaults and updates are TensorFlow 1's (momentum too, unless the learning rate
changes: Keras keeps past steps as they were scaled). `use_locking` is accepted
because the library's gin files bind it; updates are always atomic in TensorFlow 2.
"""

from collections.abc import Callable
from typing import TypeAlias

import gin
import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.steps import learning_rates  # noqa: F401  (for gin)
from mvhg_tf.runs.limits import Decay, NotNegative

OptimizerFn = Callable[..., keras.optimizers.Optimizer]
LearningRate: TypeAlias = NotNegative | LearningRateSchedule


@gin.configurable("vae_optimizer")
def make_vae_optimizer(
    optimizer_fn: OptimizerFn = gin.REQUIRED,
    learning_rate: LearningRate | Callable[[], LearningRate] | None = None,
) -> keras.optimizers.Optimizer:
    """The optimizer of the autoencoder.

    Args:
      optimizer_fn: such as `@AdamOptimizer`.
      learning_rate: overrides the optimizer's own, if given; a number, a schedule, or
        what makes one, such as `@exponential_decay`.
    """
    return _make_optimizer(optimizer_fn, learning_rate)


@gin.configurable("discriminator_optimizer")
def make_discriminator_optimizer(
    optimizer_fn: OptimizerFn = gin.REQUIRED,
    learning_rate: LearningRate | Callable[[], LearningRate] | None = None,
) -> keras.optimizers.Optimizer:
    """The optimizer of FactorVAE's discriminator; arguments as the autoencoder's."""
    return _make_optimizer(optimizer_fn, learning_rate)


@gin.configurable("mine_optimizer")
def make_mine_optimizer(
    optimizer_fn: OptimizerFn | None = None,
    learning_rate: LearningRate | Callable[[], LearningRate] | None = 0.01,
) -> keras.optimizers.Optimizer:
    """The optimizer of MineVAE's networks; the library's, Adam at 0.01, by default."""
    return _make_optimizer(optimizer_fn or adam_optimizer, learning_rate)


def _make_optimizer(
    optimizer_fn: OptimizerFn,
    learning_rate: LearningRate | Callable[[], LearningRate] | None,
) -> keras.optimizers.Optimizer:
    if learning_rate is None:
        return optimizer_fn()
    if callable(learning_rate) and not isinstance(learning_rate, LearningRateSchedule):
        learning_rate = learning_rate()
    return optimizer_fn(learning_rate=learning_rate)


def _as_keras(learning_rate: LearningRate) -> LearningRate:
    """Keras takes no integer for a learning rate."""
    return float(learning_rate) if isinstance(learning_rate, int) else learning_rate


@gin.configurable("AdamOptimizer")
def adam_optimizer(
    learning_rate: LearningRate = 0.001,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
    epsilon: NotNegative = 1e-8,
    use_locking: bool = False,
    name: str = "Adam",
) -> keras.optimizers.Adam:
    """Adam (Kingma and Ba, 2014)."""
    del use_locking
    return keras.optimizers.Adam(
        learning_rate=_as_keras(learning_rate),
        beta_1=beta1,
        beta_2=beta2,
        epsilon=epsilon,
        name=name,
    )


@gin.configurable("GradientDescentOptimizer")
def gradient_descent_optimizer(
    learning_rate: LearningRate,
    use_locking: bool = False,
    name: str = "GradientDescent",
) -> keras.optimizers.SGD:
    """Gradient descent."""
    del use_locking
    return keras.optimizers.SGD(_as_keras(learning_rate), name=name)


@gin.configurable("MomentumOptimizer")
def momentum_optimizer(
    learning_rate: LearningRate,
    momentum: Decay,
    use_locking: bool = False,
    name: str = "Momentum",
    use_nesterov: bool = False,
) -> keras.optimizers.SGD:
    """Gradient descent with momentum."""
    del use_locking
    return keras.optimizers.SGD(
        _as_keras(learning_rate), momentum, use_nesterov, name=name
    )


@gin.configurable("AdagradOptimizer")
def adagrad_optimizer(
    learning_rate: LearningRate,
    initial_accumulator_value: NotNegative = 0.1,
    use_locking: bool = False,
    name: str = "Adagrad",
) -> keras.optimizers.Adagrad:
    """Adagrad (Duchi et al. 2011)."""
    del use_locking
    return keras.optimizers.Adagrad(
        _as_keras(learning_rate), initial_accumulator_value, epsilon=0.0, name=name
    )


@gin.configurable("AdadeltaOptimizer")
def adadelta_optimizer(
    learning_rate: LearningRate = 0.001,
    rho: Decay = 0.95,
    epsilon: NotNegative = 1e-8,
    use_locking: bool = False,
    name: str = "Adadelta",
) -> keras.optimizers.Adadelta:
    """Adadelta (Zeiler 2012)."""
    del use_locking
    return keras.optimizers.Adadelta(_as_keras(learning_rate), rho, epsilon, name=name)


@gin.configurable("RMSPropOptimizer")
def rmsprop_optimizer(
    learning_rate: LearningRate,
    decay: Decay = 0.9,
    momentum: Decay = 0.0,
    epsilon: NotNegative = 1e-10,
    use_locking: bool = False,
    centered: bool = False,
    name: str = "RMSProp",
) -> keras.optimizers.RMSprop:
    """RMSProp (Tieleman and Hinton 2012)."""
    del use_locking
    return RMSPropFromOne(
        _as_keras(learning_rate), decay, momentum, epsilon, centered, name=name
    )


@register_keras_serializable(package="mvhg_tf")
class RMSPropFromOne(keras.optimizers.RMSprop):
    """RMSprop whose mean squares start at 1, as in TensorFlow 1, and not at 0."""

    def build(self, variables: list[keras.Variable]) -> None:
        is_new = not self.built
        super().build(variables)
        if is_new:
            for mean_square in self._velocities:
                mean_square.assign(tf.ones_like(mean_square))
