"""TensorFlow 1's decays of a learning rate, by name, as Keras schedules.

A gin file names one without brackets, `vae_optimizer.learning_rate =
@exponential_decay`, and binds its parameters. Rates may be integers there, which Keras
would compute in integers with.
"""

import math
from collections.abc import Sequence

import gin
from keras.optimizers import schedules
from keras.optimizers.schedules import LearningRateSchedule

from mvhg_tf.runs.limits import NotNegative, PositiveInt


@gin.configurable("piecewise_constant")
def piecewise_constant(
    boundaries: Sequence[int], values: Sequence[float]
) -> LearningRateSchedule:
    """`values[0]` to step `boundaries[0]` inclusive, then `values[1]`, and so on."""
    return schedules.PiecewiseConstantDecay(list(boundaries), list(map(float, values)))


@gin.configurable("exponential_decay")
def exponential_decay(
    learning_rate: NotNegative,
    decay_steps: PositiveInt,
    decay_rate: float,
    staircase: bool = False,
) -> LearningRateSchedule:
    """`decay_rate` times as much after each `decay_steps`, in jumps if `staircase`."""
    return schedules.ExponentialDecay(
        float(learning_rate), decay_steps, decay_rate, staircase=staircase
    )


@gin.configurable("natural_exp_decay")
def natural_exp_decay(
    learning_rate: NotNegative,
    decay_steps: PositiveInt,
    decay_rate: float,
    staircase: bool = False,
) -> LearningRateSchedule:
    """exp(-`decay_rate`) times as much after each `decay_steps`."""
    return exponential_decay(
        learning_rate, decay_steps, math.exp(-decay_rate), staircase
    )


@gin.configurable("inverse_time_decay")
def inverse_time_decay(
    learning_rate: NotNegative,
    decay_steps: PositiveInt,
    decay_rate: float,
    staircase: bool = False,
) -> LearningRateSchedule:
    """Divided by 1 + `decay_rate` t, where t counts in `decay_steps`."""
    return schedules.InverseTimeDecay(
        float(learning_rate), decay_steps, decay_rate, staircase=staircase
    )


@gin.configurable("polynomial_decay")
def polynomial_decay(
    learning_rate: NotNegative,
    decay_steps: PositiveInt,
    end_learning_rate: NotNegative = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> LearningRateSchedule:
    """To `end_learning_rate` in `decay_steps`, by a polynomial (1: a straight line).

    With `cycle` it starts again, each time over a longer span.
    """
    return schedules.PolynomialDecay(
        float(learning_rate), decay_steps, end_learning_rate, power, cycle
    )


@gin.configurable("cosine_decay")
def cosine_decay(
    learning_rate: NotNegative, decay_steps: PositiveInt, alpha: float = 0.0
) -> LearningRateSchedule:
    """To `alpha` times as much in `decay_steps`, by half a cosine."""
    return schedules.CosineDecay(float(learning_rate), decay_steps, alpha)
