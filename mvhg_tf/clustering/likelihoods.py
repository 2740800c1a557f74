"""Likelihoods p(x | z) of the features of a sample."""

import math
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from keras.saving import deserialize_keras_object, register_keras_serializable

from mvhg_tf.runs.errors import UserError

_LEAST_SCALE = 0.01  # of the spread of x


@runtime_checkable
class Likelihood(Protocol):
    """The interface of a likelihood."""

    def log_prob(self, x: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """log p(x | z), `[B]`, of x and the decoder's outputs, `[B, D]` each."""

    def mean(self, outputs: tf.Tensor) -> tf.Tensor:
        """E[x | z], `[B, D]`."""


@register_keras_serializable(package="mvhg_tf")
class Bernoulli:
    """Independent Bernoulli features (paper, eq. 54); any values in [0, 1].

    Attributes:
      bounds: of the allowed values. A likelihood without `bounds` allows any.
    """

    bounds = (0.0, 1.0)

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
class Gaussian(keras.layers.Layer):
    """Independent normal features; the decoder gives the means.

    It is a Keras layer, so a learned scale is trained and saved with the model.

    Args:
      scale: positive standard deviation of each feature, in the units of x.
      learned: whether `scale` is only the initial value of a variable for all features;
        `VaDE.pretrain` sets it to the likeliest value.

    Raises:
      UserError: a ValueError, if `scale` is not positive and finite.
    """

    def __init__(
        self, scale: float = 0.3, learned: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 < scale < math.inf:
            raise UserError(
                f"scale is {scale}, but must be positive and finite: give such a "
                "number."
            )
        self.learned = bool(learned)
        self._first_scale = float(scale)
        self._log_scale = None
        if self.learned:
            self._log_scale = self.add_weight(
                shape=[],
                initializer=keras.initializers.Constant(math.log(scale)),
                name="log_scale",
            )
        self.built = True

    @property
    def scale(self) -> float:
        """The standard deviation now."""
        if self._log_scale is None:
            return self._first_scale
        return float(tf.exp(self._log_scale))

    def fit_scale(self, x: np.ndarray, outputs: np.ndarray) -> None:
        """Sets a learned scale to the likeliest one for x, `[N, D]` and `[N, D]`.

        At least a hundredth of the spread of x, which a perfect reconstruction would
        bring to 0.
        """
        if self._log_scale is not None:
            scale = np.sqrt(np.mean(np.square(np.float64(x) - outputs)))
            self._log_scale.assign(np.log(max(scale, _LEAST_SCALE * np.std(x), 1e-6)))

    def log_prob(self, x: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """log p(x | z), `[B]`, of x and the decoder's means, `[B, D]` each."""
        log_scale = tf.constant(math.log(self._first_scale), x.dtype)
        if self._log_scale is not None:
            log_scale = tf.convert_to_tensor(self._log_scale)
        squares = tf.square((x - outputs) * tf.exp(-log_scale))
        constant = 2.0 * log_scale + math.log(2.0 * math.pi)
        return -0.5 * tf.reduce_sum(squares + constant, axis=-1)

    def mean(self, outputs: tf.Tensor) -> tf.Tensor:
        """E[x | z], `[B, D]`."""
        return outputs

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "scale": self._first_scale,
            "learned": self.learned,
        }


def get(likelihood: str | dict | Likelihood) -> Likelihood:
    """The likelihood of a name or Keras configuration, or the object itself.

    "gaussian" is a `Gaussian` with a learned scale.

    Raises:
      UserError: if it has no `log_prob` and `mean`, or the name is unknown.
    """
    if isinstance(likelihood, dict):
        likelihood = deserialize_keras_object(likelihood)
    if isinstance(likelihood, Likelihood):
        return likelihood
    if likelihood in ("bernoulli", "gaussian"):
        return Bernoulli() if likelihood == "bernoulli" else Gaussian(learned=True)
    raise UserError(
        f'likelihood is {likelihood!r}, but must be "bernoulli", "gaussian" or an '
        "object with log_prob and mean: pass one of these."
    )
