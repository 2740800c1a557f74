"""Annealing of temperatures and weights over the training steps."""

import math

import gin
import keras
import tensorflow as tf

from mvhg_tf.runs.limits import Positive, PositiveInt, checked

__all__ = ["ExponentialAnnealing"]


@keras.saving.register_keras_serializable(package="mvhg_tf")
class ExponentialAnnealing(keras.optimizers.schedules.LearningRateSchedule):
    """From `initial` to `final` at a constant rate, then constant.

        value(t) = initial * exp(-r t),  r = (log initial - log final) / num_steps

    for `t <= num_steps`, and `final` after (paper, eqs. 52 and 53). It is a Keras
    `LearningRateSchedule`, so it can also set a learning rate.

    Args:
      initial: positive value at step 0.
      final: positive value from step `num_steps` on.
      num_steps: positive number of steps in between.

    Raises:
      UserError: a ValueError, if an argument is not positive.
    """

    @checked("ExponentialAnnealing")
    def __init__(
        self,
        initial: Positive = 10.0,
        final: Positive = 0.01,
        num_steps: PositiveInt = 50_000,
    ) -> None:
        super().__init__()
        self.initial = float(initial)
        self.final = float(final)
        self.num_steps = int(num_steps)

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The value at `step` (integer scalar), a float32 scalar."""
        done = tf.minimum(tf.cast(step, tf.float32) / self.num_steps, 1.0)
        start, end = math.log(self.initial), math.log(self.final)
        return tf.exp(start + (end - start) * done)

    def get_config(self) -> dict[str, float]:
        return {
            "initial": self.initial,
            "final": self.final,
            "num_steps": self.num_steps,
        }


gin.external_configurable(ExponentialAnnealing, "ExponentialAnnealing")
