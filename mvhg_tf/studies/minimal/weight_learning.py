"""Learning an urn's weights by gradient descent through its draws (appendix B.5.1).

For each of ten data sets, of urns with the weights (1, omega_2, 1), unknown weights
are learned by making draws look like the data: the loss is the squared difference of
a draw and an observation (the paper's eq. 43). The gradient passes through the draws.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.studies import references

GROUP_SIZES = (200, 200, 200)
TOTAL_COUNT = 180
OMEGA_2 = tuple(range(1, 11))
# The settings of the authors' program; batch size 1, too.
LEARNING_RATE = 1e-3
LEARNING_RATE_DECAY = 0.99  # An epoch.
TEMPERATURE = 0.5


@dataclasses.dataclass(frozen=True)
class Learner:
    """How draws are made, and how gradients pass through them."""

    method: str
    gradient_estimator: str

    def __str__(self) -> str:
        return f"{self.method}, {self.gradient_estimator}"


LEARNERS = (
    Learner("exact", "mean"),
    Learner("exact", "gumbel_softmax"),
    Learner("merged", "gumbel_softmax"),
)


def make_data(num_samples: int, seed: int) -> np.ndarray:
    """Exact draws `[10, num_samples, 3]` of the ten urns, by `references.ExactUrn`."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            references.ExactUrn(GROUP_SIZES, TOTAL_COUNT, (1.0, weight, 1.0)).sample(
                num_samples, rng
            )
            for weight in OMEGA_2
        ]
    ).astype(np.float32)


def true_log_weights() -> np.ndarray:
    """The ten urns' log-weights `[10, 3]`."""
    log_weights = np.zeros((len(OMEGA_2), 3))
    log_weights[:, 1] = np.log(OMEGA_2)
    return log_weights


def recovery_error(log_weights: np.ndarray) -> np.ndarray:
    """The largest error of centred log-weights, `[..., 10, 3]` to `[..., 10]`.

    Weights matter up to a common factor, so both sides are centred first. An error
    of 0.1 is one of about 10% in a weight.
    """
    error = log_weights - true_log_weights()
    return np.abs(error - error.mean(-1, keepdims=True)).max(-1)


def steps_needed(
    steps: np.ndarray, errors: np.ndarray, tolerance: float
) -> list[int | None]:
    """The first step from which on the error stays within the tolerance.

    Args:
      steps: recorded steps `[R]`, in order.
      errors: at these steps `[R, K]`.
      tolerance: the error allowed.

    Returns:
      For each of the K, the step, or None where the last error is too large.
    """
    needed = []
    for column in np.asarray(errors).T:
        outside = np.flatnonzero(column > tolerance)
        first = outside[-1] + 1 if len(outside) else 0
        needed.append(int(steps[first]) if first < len(steps) else None)
    return needed


class WeightLearning:
    """Stochastic gradient descent of all learners on all ten urns at once.

    Adam works on each entry alone and the loss is a sum over the urns and learners,
    so one variable `[L, 10, 3]` trains them independently.

    Args:
      training: observations `[10, N, 3]`.
      validation: observations `[10, M, 3]`.
      batch_size: observations of a step and urn; what is left of N at the end of
        an epoch is dropped.
      seed: of the draws and of the order of the observations.
    """

    def __init__(
        self,
        training: np.ndarray,
        validation: np.ndarray,
        batch_size: int,
        seed: int,
        learners: Sequence[Learner] = LEARNERS,
    ) -> None:
        self.learners = learners
        self.log_weights = tf.Variable(tf.zeros([len(learners), len(OMEGA_2), 3]))
        self._num_training = training.shape[1]
        self._steps_per_epoch = self._num_training // batch_size
        self._batch_size = batch_size
        # Draws have the sample axis first.
        self._training = tf.constant(training.transpose(1, 0, 2))
        self._validation = tf.constant(validation.transpose(1, 0, 2))
        self._seed = seed
        self._optimizer = keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(
                LEARNING_RATE,
                decay_steps=self._steps_per_epoch,
                decay_rate=LEARNING_RATE_DECAY,
                staircase=True,
            )
        )
        self._optimizer.build([self.log_weights])

    def train(
        self, num_epochs: int, num_records: int, progress: tqdm
    ) -> dict[str, np.ndarray]:
        """Trains, and records losses and weights at regular steps.

        Args:
          num_epochs: passes over the training data.
          num_records: how many times an epoch the state is recorded; at most one a
            step.
          progress: is moved by the steps done.

        Returns:
          `step` `[R]`, `training_loss` and `validation_loss` `[R, L, 10]` (a mean
          over the steps since the last record; over the validation data), and
          `log_weights` `[R, L, 10, 3]`.
        """
        rng = np.random.default_rng(self._seed)
        records: dict[str, list[Any]] = {
            "step": [],
            "training_loss": [],
            "validation_loss": [],
            "log_weights": [],
        }
        step = 0
        for _ in range(num_epochs):
            order = rng.permutation(self._num_training)
            order = order[: self._steps_per_epoch * self._batch_size]
            batches = order.reshape(self._steps_per_epoch, self._batch_size)
            for chunk in np.array_split(batches, num_records):
                training_loss, validation_loss = self._train_chunk(
                    tf.constant(chunk, tf.int32), tf.constant(step, tf.int32)
                )
                step += len(chunk)
                records["step"].append(step)
                records["training_loss"].append(training_loss.numpy())
                records["validation_loss"].append(validation_loss.numpy())
                records["log_weights"].append(self.log_weights.numpy())
                progress.update(len(chunk))
        return {name: np.asarray(values) for name, values in records.items()}

    @tf.function(reduce_retracing=True)
    def _train_chunk(
        self, batches: tf.Tensor, first_step: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes a step on each row of `batches` and returns mean losses."""
        # Only the loop is for AutoGraph.
        losses_of = tf.autograph.experimental.do_not_convert(self._losses)
        total = tf.zeros(self.log_weights.shape[:-1])
        num_steps = tf.shape(batches)[0]
        for index in tf.range(num_steps):
            observed = tf.gather(self._training, batches[index])
            with tf.GradientTape() as tape:
                losses = losses_of(observed, first_step + index)
                loss = tf.reduce_sum(losses)
            gradient = tape.gradient(loss, self.log_weights)
            self._optimizer.apply([gradient], [self.log_weights])
            total += losses
        # A step's seed is its number, so a negative one is no step's.
        validation_loss = losses_of(self._validation, -1 - first_step)
        return total / tf.cast(num_steps, tf.float32), validation_loss

    def _losses(self, observed: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Mean squared differences `[L, 10]` of `[b, 10, 3]` and as many draws."""
        losses = []
        for index, learner in enumerate(self.learners):
            distribution = MultivariateFisherNoncentralHypergeometric(
                total_count=float(TOTAL_COUNT),
                group_sizes=tf.constant(GROUP_SIZES, tf.float32),
                log_weights=self.log_weights[index],
                method=learner.method,
                gradient_estimator=learner.gradient_estimator,
                temperature=TEMPERATURE,
            )
            draws = distribution.sample(
                observed.shape[0] or tf.shape(observed)[0],
                seed=tf.stack([tf.constant(self._seed + index), seed]),
            )
            difference = tf.math.squared_difference(draws, observed)
            losses.append(tf.reduce_mean(tf.reduce_sum(difference, -1), 0))
        return tf.stack(losses)
