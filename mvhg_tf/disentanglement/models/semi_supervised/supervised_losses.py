"""Losses of the first latents against labels, under disentanglement_lib's gin names.

Latent j stands for label j. A loss is a layer, since some learn; it takes the
posterior means of labelled images `[B, d]` and their labels `[B, L]`. Like the
library's, all but `embed` are sums over the batch, so that a weight is worth more in a
larger batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import gin
import tensorflow as tf
from keras import layers
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import replicas
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import Positive


class SupervisedLoss(layers.Layer):
    """Base class: a subclass implements `call`.

    Args:
      label_sizes: how many values each of the L labels may have.
    """

    def __init__(self, label_sizes: Sequence[int], **kwargs: Any):
        # In the precision that the means are given in, whatever the networks'.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.label_sizes = [int(size) for size in label_sizes]
        self.built = True  # weights are made with the layer

    def call(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The loss, a scalar, of means `[B, d]` and labels float32 `[B, L]`."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {**super().get_config(), "label_sizes": self.label_sizes}


@register_keras_serializable(package="mvhg_tf")
class CrossEntropy(SupervisedLoss):
    """Bernoulli cross-entropy of each label, divided by its size, in nats."""

    def call(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return _sum_over_batch(
            tf.nn.sigmoid_cross_entropy_with_logits(
                labels=labels / tf.constant(self.label_sizes, tf.float32),
                logits=means[:, : labels.shape[1]],
            )
        )


@register_keras_serializable(package="mvhg_tf")
class SquaredError(SupervisedLoss):
    """Squares of the errors of the labels.

    Args:
      label_sizes: how many values each of the L labels may have.
      learn_scale: whether the latents, times one learned number, are to be the
        labels; else their sigmoids are to be the labels divided by the sizes.
    """

    def __init__(self, label_sizes: Sequence[int], learn_scale: bool, **kwargs: Any):
        super().__init__(label_sizes, **kwargs)
        self.learn_scale = learn_scale
        if learn_scale:
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        latents = means[:, : labels.shape[1]]
        if self.learn_scale:
            error = latents * self.scale - labels
        else:
            sizes = tf.constant(self.label_sizes, tf.float32)
            error = tf.sigmoid(latents) - labels / sizes
        return _sum_over_batch(tf.square(error))

    def get_config(self) -> dict:
        return {**super().get_config(), "learn_scale": self.learn_scale}


@register_keras_serializable(package="mvhg_tf")
class CrossCovariance(SupervisedLoss):
    """Squares of the covariances of each latent with the other latents' labels."""

    def call(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        means, labels = replicas.all_gather(means), replicas.all_gather(labels)
        means -= tf.reduce_mean(means, axis=0)
        labels -= tf.reduce_mean(labels, axis=0)
        num_images = tf.cast(tf.shape(means)[0], tf.float32)
        covariance = tf.matmul(means, labels, transpose_a=True) / num_images
        return squares_off_diagonal(covariance)


@register_keras_serializable(package="mvhg_tf")
class Embedding(SupervisedLoss):
    """Each value of a label has a learned place on its latent's line.

    The loss is the mean over the images of the cross-entropy, in nats and summed over
    the labels, of the softmax of minus the squared distances times sigma squared.

    Args:
      label_sizes: how many values each of the L labels may have.
      sigma: a number, or "learn" for one learned for each label.
      use_order: whether the places of a label's values are evenly spaced.
    """

    def __init__(
        self,
        label_sizes: Sequence[int],
        sigma: float | str,
        use_order: bool,
        **kwargs: Any,
    ):
        super().__init__(label_sizes, **kwargs)
        self.sigma, self.use_order = sigma, use_order
        shapes = [(2,) if use_order else (size,) for size in self.label_sizes]
        self.places = [
            self.add_weight(
                shape=shape, initializer="glorot_uniform", name=f"place_{i}"
            )
            for i, shape in enumerate(shapes)
        ]
        if sigma == "learn":
            self.scales = self.add_weight(
                shape=(len(shapes),), initializer="ones", name="sigma"
            )

    def call(self, means: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        latents = means[:, : labels.shape[1]]
        loss = 0.0
        for i, size in enumerate(self.label_sizes):
            places = tf.convert_to_tensor(self.places[i])
            if self.use_order:
                places = places[0] + places[1] * tf.range(size, dtype=tf.float32)
            sigma = self.scales[i] if self.sigma == "learn" else self.sigma
            logits = -tf.square((latents[:, i, None] - places) * sigma)
            truth = tf.one_hot(tf.cast(labels[:, i], tf.int32), size)
            loss += tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(labels=truth, logits=logits)
            )
        return loss

    def get_config(self) -> dict:
        own = {"sigma": self.sigma, "use_order": self.use_order}
        return {**super().get_config(), **own}


def squares_off_diagonal(matrix: tf.Tensor) -> tf.Tensor:
    """The sum of the squares of all elements of `[M, N]` but (i, i), a scalar."""
    own = tf.linalg.diag_part(matrix)
    others = tf.linalg.set_diag(matrix, tf.zeros_like(own))
    return tf.reduce_sum(tf.square(others))


def _sum_over_batch(values: tf.Tensor) -> tf.Tensor:
    # The mean over the replicas is what is minimised, so each counts R times.
    return replicas.count() * tf.reduce_sum(values)


@gin.configurable("supervised_loss", allowlist=["loss_fn"])
def make_supervised_loss(
    label_sizes: Sequence[int],
    num_latent: int,
    loss_fn: Callable[[Sequence[int]], SupervisedLoss] = gin.REQUIRED,
) -> SupervisedLoss:
    """The configured loss: `@xent`, `@l2`, `@cov` or `@embed`.

    Raises:
      UserError: if there are fewer latents than labels, which only `@cov` allows.
    """
    loss = loss_fn(label_sizes)
    num_labels = len(label_sizes)
    if num_latent < num_labels and not isinstance(loss, CrossCovariance):
        raise UserError(
            f"encoder.num_latent is {num_latent}, but {num_labels} factors are "
            "labelled and each needs a latent: bind encoder.num_latent to at least "
            f"{num_labels}, or labeller.labeller_fn to @partial_labeller."
        )
    return loss


@gin.configurable("xent", allowlist=[])
def xent(label_sizes: Sequence[int]) -> SupervisedLoss:
    """Cross-entropy."""
    return CrossEntropy(label_sizes)


@gin.configurable("l2", allowlist=["learn_scale"])
def l2(label_sizes: Sequence[int], learn_scale: bool = True) -> SupervisedLoss:
    """Squared error."""
    return SquaredError(label_sizes, learn_scale)


@gin.configurable("cov", allowlist=[])
def cov(label_sizes: Sequence[int]) -> SupervisedLoss:
    """Covariances of latents with labels that are not their own."""
    return CrossCovariance(label_sizes)


@gin_config.configurable("embed", allowlist=["sigma", "use_order"])
def embed(
    label_sizes: Sequence[int],
    sigma: Positive | Literal["learn"] = gin.REQUIRED,
    use_order: bool = False,
) -> SupervisedLoss:
    """Places on a line.

    Raises:
      UserError: if `sigma` is neither a positive number nor "learn".
    """
    return Embedding(label_sizes, sigma, use_order)
