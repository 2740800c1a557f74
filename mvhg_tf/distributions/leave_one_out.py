"""Unbiased gradients of the mean loss of draws, from several draws of each urn."""

from collections.abc import Callable

import tensorflow as tf

from mvhg_tf.distributions.mvhg import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.distributions.parameters import Seed

__all__ = ["leave_one_out_loss"]

_LEAST_DRAWS = 3


def leave_one_out_loss(
    distribution: MultivariateFisherNoncentralHypergeometric,
    loss_fn: Callable[[tf.Tensor], tf.Tensor],
    num_draws: int = 16,
    seed: Seed = None,
    name: str = "leave_one_out_loss",
) -> tf.Tensor:
    """The mean loss of several draws, with an unbiased gradient in the weights.

    For each draw, the other draws yield a model of the loss: a quadratic function of
    the counts with the mean slope and curvature of the loss along each count. The
    model's expectation follows exactly from the mean and the variance of the
    distribution, and so does its gradient. The model's error at the draw goes through
    the score function `x - E[x]`, as with a leave-one-out baseline (Kool et al. 2019).
    The model does not depend on the draw for which it is used, so the gradient is
    unbiased for every loss.

    On thirteen of the fourteen problems of `mvhg_tf.programs.estimators` its error at
    16 draws is 0.26 to 0.81 times that of the `"mean"` estimator; on the remaining one
    it is the same. The model has no curvature between two counts: for the product of
    two counts of a small urn, its mean squared error was twice as large.

    ```python
    urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(
        18, [20, 20, 20], log_weights=log_weights, gradient_estimator=None)
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(mvhg_tf.leave_one_out_loss(
          urn, lambda counts: tf.reduce_sum((counts - target) ** 2, axis=-1)))
    tape.gradient(loss, log_weights)
    ```

    Args:
      distribution: A `MultivariateFisherNoncentralHypergeometric` of the batch shape
        `[B...]`; its `gradient_estimator` does not affect the result.
      loss_fn: Maps counts `[num_draws, B..., c]` to the loss of each urn's draw,
        floating `[num_draws, B...]`, differentiable in the counts. The loss of an urn
        must not depend on other urns' counts.
      num_draws: Python `int`, at least 3. The gradient's variance falls faster with it
        than that of independent estimates.
      seed: PRNG seed; see `tfp.random.sanitize_seed` for details.
      name: Python `str` name of the op.

    Returns:
      `[B...]`, the mean over the draws. Gradients with respect to other variables that
      `loss_fn` uses are those of this mean.

    Raises:
      ValueError: If `num_draws` is below 3, or the losses are known to have another
        shape.

    #### References

    * W. Kool, H. van Hoof and M. Welling. Buy 4 REINFORCE Samples, Get a Baseline
      for Free! _ICLR workshop on deep RL meets structured prediction_, 2019.
    """
    if num_draws < _LEAST_DRAWS:
        raise ValueError(
            f"num_draws is {num_draws}, but the model of the loss at a draw needs two "
            f"others: pass at least {_LEAST_DRAWS}."
        )
    with tf.name_scope(name):
        draws = tf.stop_gradient(distribution.sample(num_draws, seed=seed))
        with tf.GradientTape() as tape:
            tape.watch(draws)
            losses = loss_fn(draws)
        slopes = tape.gradient(
            losses, draws, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        _check_shape(losses, draws)
        surrogate = _surrogate(
            distribution, draws, tf.stop_gradient(losses), tf.stop_gradient(slopes)
        )
        return tf.reduce_mean(losses, axis=0) + (
            surrogate - tf.stop_gradient(surrogate)
        )


def _check_shape(losses: tf.Tensor, draws: tf.Tensor) -> None:
    if not losses.shape.is_compatible_with(draws.shape[:-1]):
        raise ValueError(
            f"loss_fn returned the shape {losses.shape} for counts of {draws.shape}: "
            f"return one loss for each draw of each urn, {draws.shape[:-1]}."
        )


def _surrogate(
    distribution: MultivariateFisherNoncentralHypergeometric,
    draws: tf.Tensor,
    losses: tf.Tensor,
    slopes: tf.Tensor,
) -> tf.Tensor:
    """Its gradient in the weights is the estimate, `[B...]`.

    Args:
      distribution: as above.
      draws: x, `[S, B..., c]`.
      losses: `[S, B...]`.
      slopes: the gradients of the losses in the counts, `[S, B..., c]`.
    """
    mean, variance = distribution.mean(), distribution.variance()
    fixed_mean = tf.stop_gradient(mean)
    away = draws - fixed_mean
    slope, curvature = _model(away, slopes, tf.stop_gradient(variance))
    at_draw, at_others = _values_of_model(slope, curvature, away)
    constant = _mean_of_others(losses) - at_others
    missed = losses - constant - at_draw
    # E[(x - a)^2] = Var[x] + (E[x] - a)^2 for any a that is held fixed.
    square = variance + (mean - fixed_mean) ** 2
    expected = tf.reduce_mean(slope, axis=0) * mean
    expected += 0.5 * tf.reduce_mean(curvature, axis=0) * square
    score = tf.reduce_mean(missed * distribution.log_prob(draws), axis=0)
    return tf.reduce_sum(expected, axis=-1) + score


def _model(
    away: tf.Tensor, slopes: tf.Tensor, variance: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The slope at the mean and the curvature of the others' losses, `[S, B..., c]`.

    The curvature along a count is the regression of the slopes on the counts; a
    variance's worth of two draws keeps it finite where the others are alike.
    """
    others = float(away.shape[0] - 1)
    slope, place = _mean_of_others(slopes), _mean_of_others(away)
    joint = _mean_of_others(away * slopes) - place * slope
    spread = _mean_of_others(away**2) - place**2
    curvature = tf.math.divide_no_nan(joint, spread + 2.0 / others * variance)
    return slope - curvature * place, curvature


def _values_of_model(
    slope: tf.Tensor, curvature: tf.Tensor, away: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The model's value at its own draw, and its mean at the others: `[S, B...]`."""

    def value(linear: tf.Tensor, square: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(slope * linear + 0.5 * curvature * square, axis=-1)

    at_others = value(_mean_of_others(away), _mean_of_others(away**2))
    return value(away, away**2), at_others


def _mean_of_others(values: tf.Tensor) -> tf.Tensor:
    """The mean over all draws but each one, of the shape of the values."""
    total = tf.reduce_sum(values, axis=0, keepdims=True)
    return (total - values) / float(values.shape[0] - 1)
