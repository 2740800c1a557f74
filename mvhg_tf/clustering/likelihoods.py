"""Likelihoods p(x | z) of the features of a sample."""

import math

import tensorflow as tf
from keras.saving import deserialize_keras_object, register_keras_serializable

from mvhg_tf.runs.errors import UserError


@register_keras_serializable(package="mvhg_tf")
class Bernoulli:
    """Independent Bernoulli features (paper, eq. 54); values in [0, 1] serve too."""

    def log_prob(self, x: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """log p(x | z), `[B]`, of x and the decoder's logits, `[B, D]` each."""
        loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=outputs)
        return -tf.reduce_sum(loss, axis=-1)

    def mean(self, outputs: tf.Tensor) -> tf.Tensor:
        """E[x | z], `[B, D]`."""
        return tf.sigmoid(outputs)

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict) -> "Bernoulli":
        return cls(**config)


@register_keras_serializable(package="mvhg_tf")
class Gaussian:
    """Independent normal features; the decoder gives the means.

    Args:
      scale: positive standard deviation of each feature, in the units of x.

    Raises:
      UserError: a ValueError, if `scale` is not positive.
    """

    def __init__(self, scale: float = 0.3):
        if not scale > 0:
            raise UserError(
                f"scale is {scale}, but must be positive: give one above 0."
            )
        self.scale = float(scale)

    def log_prob(self, x: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """log p(x | z), `[B]`, of x and the decoder's means, `[B, D]` each."""
        squares = tf.square((x - outputs) / self.scale)
        constant = 2.0 * math.log(self.scale) + math.log(2.0 * math.pi)
        return -0.5 * tf.reduce_sum(squares + constant, axis=-1)

    def mean(self, outputs: tf.Tensor) -> tf.Tensor:
        """E[x | z], `[B, D]`."""
        return outputs

    def get_config(self) -> dict:
        return {"scale": self.scale}

    @classmethod
    def from_config(cls, config: dict) -> "Gaussian":
        return cls(**config)


def get(likelihood):
    """The likelihood of a name or Keras configuration, or the object itself.

    Raises:
      UserError: if it has no `log_prob` and `mean`, or the name is unknown.
    """
    if isinstance(likelihood, dict):
        likelihood = deserialize_keras_object(likelihood)
    if hasattr(likelihood, "log_prob") and hasattr(likelihood, "mean"):
        return likelihood
    if likelihood in ("bernoulli", "gaussian"):
        return {"bernoulli": Bernoulli, "gaussian": Gaussian}[likelihood]()
    raise UserError(
        f'likelihood is {likelihood!r}, but must be "bernoulli", "gaussian" or an '
        "object with log_prob and mean: pass one of these."
    )
