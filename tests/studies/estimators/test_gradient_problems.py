"""The exact gradients and the figures of merit of the gradient estimators."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.studies.estimators import gradient_problems
from mvhg_tf.studies.references import ExactUrn


def _expected_loss(problem, log_weights):
    """E[loss] with probabilities by the chain rule of `ExactUrn`."""
    urn = ExactUrn(problem.group_sizes, problem.total_count, np.exp(log_weights))
    states = {(): 1.0}
    for group in range(len(problem.group_sizes)):
        states = {
            (*counts, count): chance * share
            for counts, chance in states.items()
            for count, share in enumerate(
                urn.conditional(group, problem.total_count - sum(counts))
            )
            if share > 0
        }
    losses = problem.loss(
        tf.constant(list(states), tf.float64), tf.constant(problem.target)
    )
    return losses.numpy() @ np.array(list(states.values()))


@pytest.mark.parametrize(
    "problem",
    [*gradient_problems.urn_problems(), gradient_problems.subset_problems(0)[0]],
    ids=lambda problem: problem.name,
)
def test_exact_gradient_is_the_slope_of_the_expected_loss(problem):
    step = 1e-4
    slopes = [
        (
            _expected_loss(problem, problem.log_weights + direction)
            - _expected_loss(problem, problem.log_weights - direction)
        )
        / (2 * step)
        for direction in step * np.eye(len(problem.log_weights))
    ]
    np.testing.assert_allclose(problem.exact_gradient(), slopes, atol=1e-5)


def test_mean_estimator_of_a_linear_loss_is_exact_in_every_draw():
    # The gradient of a linear loss does not depend on the draw.
    problem = dataclasses.replace(
        gradient_problems.urn_problems()[0],
        loss=lambda x, target: (x * target)[..., 0] - 2.0 * x[..., 1],
    )
    estimates = problem.gradients("mean", 1.0, num_draws=5, seed=(0, 0))
    np.testing.assert_allclose(
        estimates, np.tile(problem.exact_gradient(), (5, 1)), rtol=1e-4, atol=1e-4
    )


def test_quality_of_known_estimates():
    exact = np.array([3.0, 4.0])
    estimates = np.array([[8.0, 4.0], [8.0, 4.0], [8.0, 9.0], [8.0, -1.0]])
    quality = gradient_problems.quality(estimates, exact)
    assert quality["bias"] == pytest.approx(5.0 / 5.0)
    assert quality["deviation"] == pytest.approx(np.sqrt(12.5) / 5.0)
    assert quality["one_minus_cosine"] == pytest.approx(1 - 40 / (np.sqrt(80) * 5))
