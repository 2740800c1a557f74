"""Losses of draws whose gradients are known exactly, and how good estimates are."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from scipy import special
from tqdm import tqdm

from mvhg_tf.distributions import (
    MultivariateFisherNoncentralHypergeometric,
    leave_one_out_loss,
)

# How many draws one estimate takes.
DRAWS = {
    "mean": 1,
    "gumbel_softmax": 1,
    "second_order": 1,
    "leave_one_out": 16,
    "leave_one_out_loss": 16,
}
COMPARED_DRAWS = 16  # whose mean squared errors are compared
TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
NUM_SUBSET_PROBLEMS = 10


# Of counts `[..., c]` and the target, to `[...]`.
Loss: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A loss of an urn's draws; the gradient wanted is of its mean in log_weights.

    Attributes:
      urn: name of the urn.
      name: of the loss.
      group_sizes: `[c]`.
      total_count: n.
      log_weights: `[c]`.
      target: `[c]`, what the loss compares with.
      loss: a function of counts `[..., c]` and the target, to `[...]`.
    """

    urn: str
    name: str
    group_sizes: np.ndarray
    total_count: int
    log_weights: np.ndarray
    target: np.ndarray
    loss: Loss

    def exact_gradient(self) -> np.ndarray:
        """Cov(loss(x), x) `[c]`, over the enumerated support, in float64.

        That is the gradient of E[loss(x)], because the gradient of log p(x) in the
        log-weights is x - E[x].
        """
        support = np.array(
            [
                counts
                for counts in itertools.product(
                    *(range(size + 1) for size in self.group_sizes)
                )
                if sum(counts) == self.total_count
            ],
            np.float64,
        )
        log_terms = np.log(special.binom(self.group_sizes, support)).sum(-1)
        probabilities = special.softmax(log_terms + support @ self.log_weights)
        losses = self.loss(tf.constant(support), tf.constant(self.target)).numpy()
        return (probabilities * losses) @ (support - probabilities @ support)

    def gradients(
        self, estimator: str, temperature: float, num_draws: int, seed: Sequence[int]
    ) -> np.ndarray:
        """Estimates of the exact gradient, float32 `[N, c]`.

        Args:
          estimator: one of `DRAWS`.
          temperature: of "gumbel_softmax".
          num_draws: how many draws in all: N times as many as an estimate takes.
          seed: stateless seed, `[2]`.
        """
        # An urn for each estimate, so that each has a gradient of its own.
        shape = (num_draws // DRAWS[estimator], len(self.log_weights))
        return _estimate(
            tf.constant(np.broadcast_to(self.log_weights, shape), tf.float32),
            tf.constant(self.target, tf.float32),
            tf.constant(temperature, tf.float32),
            tf.constant(seed),
            self.total_count,
            tuple(map(int, self.group_sizes)),
            self.loss,
            estimator,
        ).numpy()


@tf.function(autograph=False)
def _estimate(
    log_weights: tf.Tensor,
    target: tf.Tensor,
    temperature: tf.Tensor,
    seed: tf.Tensor,
    total_count: int,
    group_sizes: tuple[int, ...],
    loss: Loss,
    estimator: str,
) -> tf.Tensor:
    built_in = estimator in ("mean", "gumbel_softmax")

    def urn() -> MultivariateFisherNoncentralHypergeometric:
        return MultivariateFisherNoncentralHypergeometric(
            float(total_count),
            np.array(group_sizes, np.float32),
            log_weights=log_weights,
            gradient_estimator=estimator if built_in else None,
            temperature=temperature,
        )

    def of_draws(x: tf.Tensor) -> tf.Tensor:
        return loss(x, target)

    if estimator == "second_order":
        return _second_order(urn(), of_draws, seed)
    if estimator == "leave_one_out":
        return _leave_one_out(urn(), of_draws, seed)
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        if built_in:
            losses = of_draws(urn().sample(seed=seed))
        else:
            losses = leave_one_out_loss(urn(), of_draws, DRAWS[estimator], seed=seed)
        total = tf.reduce_sum(losses)
    return tape.gradient(total, log_weights)


def _second_order(
    urn: MultivariateFisherNoncentralHypergeometric,
    loss: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
) -> tf.Tensor:
    """1/2 (Cov v + (x - mean)(x - mean)' v), v the slope of the loss, `[N, c]`.

    Heun's rule, as ReinMax (Liu et al., NeurIPS 2023) is for categorical variables:
    unbiased for every quadratic loss.
    """
    draws = urn.sample(seed=seed)
    with tf.GradientTape() as tape:
        tape.watch(draws)
        total = tf.reduce_sum(loss(draws))
    slopes = tape.gradient(total, draws)
    away = draws - urn.mean()
    own = away * tf.reduce_sum(away * slopes, axis=-1, keepdims=True)
    return 0.5 * (tf.linalg.matvec(urn.covariance(), slopes) + own)


def _leave_one_out(
    urn: MultivariateFisherNoncentralHypergeometric,
    loss: Callable[[tf.Tensor], tf.Tensor],
    seed: tf.Tensor,
) -> tf.Tensor:
    """The score function, less the mean loss of the other draws, `[N, c]`."""
    num_draws = DRAWS["leave_one_out"]
    draws = urn.sample(num_draws, seed=seed)
    losses = loss(draws)
    centred = losses - tf.reduce_mean(losses, axis=0)
    # Less the others' mean is this times S / (S - 1).
    centred *= num_draws / (num_draws - 1)
    return tf.reduce_mean(centred[..., tf.newaxis] * (draws - urn.mean()), axis=0)


def _squared_distance(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.math.squared_difference(x, target), -1)


def _product(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    del target
    return x[..., 0] * x[..., 1]


def _cross_entropy(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return -tf.reduce_sum(target * tf.math.log1p(x), -1)


def _waves(x: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.sin((x - target) / 3.0), -1)


def urn_problems() -> list[Problem]:
    """Four losses of m = (20, 20, 20), n = 18, weights (1, 3, 0.5)."""
    losses = {
        "squared distance": _squared_distance,
        "product": _product,
        "cross-entropy": _cross_entropy,
        "waves": _waves,
    }
    return [
        Problem(
            urn="m = (20, 20, 20), n = 18",
            name=name,
            group_sizes=np.array([20, 20, 20]),
            total_count=18,
            log_weights=np.log([1.0, 3.0, 0.5]),
            target=np.array([3.0, 9.0, 6.0]),
            loss=loss,
        )
        for name, loss in losses.items()
    ]


def subset_problems(seed: int) -> list[Problem]:
    """SIMPLE's setting: 5 of 10, loss |x - b|^2, log-weights and b at random."""
    rng = np.random.default_rng(seed)
    problems = []
    for index in range(NUM_SUBSET_PROBLEMS):
        log_weights, target = rng.normal(size=10), np.abs(rng.normal(size=10))
        problems.append(
            Problem(
                urn="5 of 10",
                name=f"target {index + 1}",
                group_sizes=np.ones(10, int),
                total_count=5,
                log_weights=log_weights,
                target=target,
                loss=_squared_distance,
            )
        )
    return problems


def quality(estimates: np.ndarray, exact: np.ndarray, draws: int = 1) -> dict:
    """How good estimates `[N, c]` of a gradient `[c]` are.

    Args:
      estimates: float `[N, c]`.
      exact: float `[c]`.
      draws: how many draws each estimate takes.

    Returns:
      `bias`, `deviation` (the standard deviation of one estimate) and `error` (the
      root of the mean squared error of the mean of as many estimates as take 16
      draws), all relative to the gradient's norm, and `one_minus_cosine` of the angle
      between the mean estimate and the gradient.
    """
    mean, norm = estimates.mean(0), np.linalg.norm(exact)
    bias = np.linalg.norm(mean - exact) / norm
    deviation = np.sqrt(estimates.var(0).sum()) / norm
    return {
        "bias": bias,
        "deviation": deviation,
        "error": np.sqrt(bias**2 + deviation**2 * draws / COMPARED_DRAWS),
        "one_minus_cosine": 1 - mean @ exact / (np.linalg.norm(mean) * norm),
    }


def measure(problems: Sequence[Problem], num_draws: int, seed: int) -> list[dict]:
    """Measures all estimators on all problems, a row each."""
    others = [name for name in DRAWS if name != "gumbel_softmax"]
    settings = [
        *((name, "") for name in others),
        *(("gumbel_softmax", value) for value in TEMPERATURES),
    ]
    rows = []
    for problem in tqdm(problems, desc="gradients", unit="problem"):
        exact = problem.exact_gradient()
        for index, (estimator, temperature) in enumerate(settings):
            estimates = problem.gradients(
                estimator, temperature or 1.0, num_draws, (seed, index)
            )
            rows.append(
                {
                    "urn": problem.urn,
                    "loss": problem.name,
                    "estimator": estimator,
                    "temperature": temperature,
                    **quality(estimates, exact, DRAWS[estimator]),
                }
            )
    return rows
