"""The leave-one-out loss: unbiased, and of less error than the mean estimator."""

import exact_urn
import numpy as np
import pytest
import tensorflow as tf

import mvhg_tf

SIZES, TOTAL, LOG_WEIGHTS = (4, 5, 6), 7, (0.3, -0.4, 0.1)
NUM_ESTIMATES = 4000
LOSSES = {
    "linear": lambda x: tf.reduce_sum(x * [1.0, -2.0, 0.5], axis=-1),
    "quadratic": lambda x: tf.reduce_sum((x - [1.0, 2.0, 4.0]) ** 2, axis=-1),
    "product": lambda x: x[..., 0] * x[..., 1],
    "waves": lambda x: tf.reduce_sum(tf.sin(x), axis=-1),
    "no slope": lambda x: tf.cast(x[..., 0] > 2.0, x.dtype),
}


def estimates(loss_fn, seed, estimator=None, num_draws=16):
    """`[N, c]`, an estimate an urn."""
    log_weights = tf.tile([LOG_WEIGHTS], [NUM_ESTIMATES, 1])
    with tf.GradientTape() as tape:
        tape.watch(log_weights)
        urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(
            TOTAL, SIZES, log_weights, gradient_estimator=estimator
        )
        if estimator is None:
            losses = mvhg_tf.leave_one_out_loss(urn, loss_fn, num_draws, seed=seed)
        else:
            losses = tf.reduce_mean(loss_fn(urn.sample(num_draws, seed=seed)), axis=0)
        total = tf.reduce_sum(losses)
    return losses.numpy(), tape.gradient(total, log_weights).numpy()


def exact(loss_fn):
    """The mean loss, and its gradient Cov(loss, x), over the enumerated support."""
    support, probs = exact_urn.enumerate_urn(TOTAL, SIZES, LOG_WEIGHTS)
    losses = loss_fn(tf.constant(support, tf.float32)).numpy()
    return probs @ losses, (probs * losses) @ (support - probs @ support)


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_unbiased(name):
    """Within five standard errors: by chance less than once in 10^5 runs."""
    losses, gradients = estimates(LOSSES[name], seed=[1, 2])
    mean, gradient = exact(LOSSES[name])
    error = losses.std() / np.sqrt(NUM_ESTIMATES)
    np.testing.assert_allclose(losses.mean(), mean, atol=5 * error)
    error = gradients.std(0) / np.sqrt(NUM_ESTIMATES) + 3e-5
    assert np.all(np.abs(gradients.mean(0) - gradient) < 5 * error)


@pytest.mark.parametrize("name", ["quadratic", "waves"])
def test_its_error_is_less_than_that_of_the_mean_estimator(name):
    gradient = exact(LOSSES[name])[1]
    ours, mean = (
        np.mean(np.sum((estimates(LOSSES[name], [1, 2], by)[1] - gradient) ** 2, -1))
        for by in (None, "mean")
    )
    assert ours < mean


def test_a_linear_loss_has_the_exact_gradient_in_every_estimate():
    gradients = estimates(LOSSES["linear"], [1, 2], num_draws=3)[1]
    expected = np.tile(exact(LOSSES["linear"])[1], [NUM_ESTIMATES, 1])
    np.testing.assert_allclose(gradients, expected, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph_with_variables_of_the_loss(jit_compile):
    """What the loss depends on itself gets the gradient of the mean."""
    scale, log_weights = tf.Variable(2.0), tf.Variable(LOG_WEIGHTS)

    @tf.function(autograph=False, jit_compile=jit_compile)
    def gradients():
        with tf.GradientTape() as tape:
            urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(
                TOTAL, SIZES, log_weights, gradient_estimator=None
            )
            loss = mvhg_tf.leave_one_out_loss(
                urn, lambda x: scale * x[..., 0], 8, seed=[1, 2]
            )
        return (loss, *tape.gradient(loss, [scale, log_weights]))

    loss, of_scale, of_weights = gradients()
    np.testing.assert_allclose(of_scale, loss / 2.0, rtol=1e-6)
    urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(TOTAL, SIZES, LOG_WEIGHTS)
    np.testing.assert_allclose(of_weights, 2.0 * urn.covariance()[0], atol=1e-5)


def test_bad_input():
    urn = mvhg_tf.MultivariateFisherNoncentralHypergeometric(TOTAL, SIZES, LOG_WEIGHTS)
    with pytest.raises(ValueError, match="num_draws is 2"):
        mvhg_tf.leave_one_out_loss(urn, LOSSES["linear"], 2)
    with pytest.raises(ValueError, match="one loss for each draw of each urn"):
        mvhg_tf.leave_one_out_loss(urn, tf.reduce_mean)
