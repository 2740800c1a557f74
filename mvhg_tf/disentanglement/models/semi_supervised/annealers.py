"""How the weight of the labels changes in training, by the library's gin names."""

import dataclasses
from collections.abc import Callable

import gin
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import Positive


@register_keras_serializable(package="mvhg_tf")
@dataclasses.dataclass(frozen=True)
class SupervisedWeight:
    """The weight at each step.

    Attributes:
      gamma_sup: the final weight.
      iteration_threshold: a number of steps.
      kind: "fixed", always the final weight; "anneal", which grows linearly from 0
        within `iteration_threshold` steps; or "fine_tune", 0 up to that step.
    """

    gamma_sup: float
    iteration_threshold: float = 1
    kind: str = "fixed"

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        """The weight at a step, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        share = tf.constant(1.0)
        if self.kind == "anneal":
            share = tf.minimum(step / self.iteration_threshold, 1.0)
        elif self.kind == "fine_tune":
            share = tf.clip_by_value(step - self.iteration_threshold, 0.0, 1.0)
        return self.gamma_sup * share

    def get_config(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "SupervisedWeight":
        return cls(**config)


@gin_config.configurable("annealer", allowlist=["iteration_threshold", "anneal_fn"])
def make_annealer(
    gamma_sup: float,
    iteration_threshold: Positive = gin.REQUIRED,
    anneal_fn: Callable[[float, float], SupervisedWeight] = gin.REQUIRED,
) -> SupervisedWeight:
    """The configured way, `@fixed`, `@anneal` or `@fine_tune`, to a final weight.

    Raises:
      UserError: if `iteration_threshold` is not positive.
    """
    return anneal_fn(gamma_sup, iteration_threshold)


@gin.configurable("fixed", allowlist=[])
def fixed(gamma_sup: float, iteration_threshold: float) -> SupervisedWeight:
    """The final weight from the start."""
    return SupervisedWeight(gamma_sup, iteration_threshold, "fixed")


@gin.configurable("anneal", allowlist=[])
def anneal(gamma_sup: float, iteration_threshold: float) -> SupervisedWeight:
    """A weight that grows linearly."""
    return SupervisedWeight(gamma_sup, iteration_threshold, "anneal")


@gin.configurable("fine_tune", allowlist=[])
def fine_tune(gamma_sup: float, iteration_threshold: float) -> SupervisedWeight:
    """Labels only after `iteration_threshold` steps."""
    return SupervisedWeight(gamma_sup, iteration_threshold, "fine_tune")
