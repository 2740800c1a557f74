"""Bias and variance of partitions' gradients, and bounds, by listing assignments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from mvhg_tf import RandomPartition
from mvhg_tf.studies import text_tables

NUM_ELEMENTS, NUM_GROUPS, DRAWS = 6, 3, 10_000
TEMPERATURES = (0.1, 0.5, 1.0, 2.0, 5.0)
BOUND_ELEMENTS, BOUND_ASSIGNMENTS, DEVIATIONS = 8, 1000, (0.0, 1.5, 4.0, 10.0)


def problem() -> tuple[tf.Tensor, tf.Tensor]:
    """log_weights `[K]` and scores `[n]`."""
    random = np.random.default_rng(1)
    scores = tf.constant(random.normal(0.0, 1.0, NUM_ELEMENTS))
    return tf.constant(random.normal(0.0, 0.5, NUM_GROUPS)), scores


def losses() -> dict[str, Callable[[tf.Tensor], tf.Tensor]]:
    """Losses of assignments `[S, n, K]`, by what they are."""
    random = np.random.default_rng(2)
    size = NUM_ELEMENTS * NUM_GROUPS
    weights = tf.constant(random.normal(size=[NUM_ELEMENTS, NUM_GROUPS]))
    mix = tf.constant(random.normal(size=[size, size]) / np.sqrt(size))

    def mixed(draws):
        return tf.reshape(draws, [-1, size]) @ mix

    return {
        "linear": lambda draws: tf.reduce_sum(draws * weights, axis=[-2, -1]),
        "quadratic": lambda draws: tf.reduce_sum(mixed(draws) ** 2, axis=-1),
        "sum of tanh": lambda draws: tf.reduce_sum(
            tf.tanh(2.0 * mixed(draws)), axis=-1
        ),
        "log-sum-exp": lambda draws: tf.reduce_logsumexp(mixed(draws), axis=-1),
    }


def exact_gradients(loss) -> list[tf.Tensor]:
    """Of E[loss], in log_weights and scores."""
    groups = list(itertools.product(range(NUM_GROUPS), repeat=NUM_ELEMENTS))
    assignments = tf.one_hot(groups, NUM_GROUPS, dtype=tf.float64)
    parameters = problem()
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_probs = RandomPartition(*parameters).log_prob(assignments)
        expected = tf.reduce_sum(tf.exp(log_probs) * loss(assignments))
    return tape.gradient(expected, parameters)


def straight_through(loss, **arguments) -> list[tf.Tensor]:
    """Of each draw: `[S, K]` and `[S, n]`."""
    parameters = [tf.repeat(value[tf.newaxis], DRAWS, 0) for value in problem()]
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        draws = RandomPartition(*parameters, **arguments).sample(seed=[1, 2])
        value = tf.reduce_sum(loss(draws))
    return tape.gradient(value, parameters)


def score_function(loss) -> list[tf.Tensor]:
    """Of each draw, with the exact mean of the loss as a baseline."""
    parameters = [tf.repeat(value[tf.newaxis], DRAWS, 0) for value in problem()]
    draws = RandomPartition(*parameters).sample(seed=[1, 2])
    draws = tf.stop_gradient(draws)
    surplus = loss(draws) - tf.reduce_mean(loss(draws))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        value = tf.reduce_sum(surplus * RandomPartition(*parameters).log_prob(draws))
    return tape.gradient(value, parameters)


def through_the_mean(loss) -> list[tf.Tensor]:
    """Of each draw, as if it were the exact mean of the assignment."""
    draws = RandomPartition(*problem()).sample(DRAWS, seed=[1, 2])
    with tf.GradientTape() as tape:
        tape.watch(draws)
        value = tf.reduce_sum(loss(draws))
    upstream = tf.reshape(tape.gradient(value, draws), [DRAWS, -1])
    parameters = problem()
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        mean = tf.reshape(RandomPartition(*parameters).mean(), [-1])
    return [upstream @ slope for slope in tape.jacobian(mean, parameters)]


def estimators() -> Iterator[tuple[str, int, Callable]]:
    """Names, which parameter (0 log_weights, 1 scores), and the gradients of a loss."""
    yield "sizes: mean", 0, straight_through
    for temperature in TEMPERATURES[1:4]:
        yield (
            f"sizes: gumbel_softmax, temperature {temperature}",
            0,
            lambda loss, t=temperature: straight_through(
                loss, gradient_estimator="gumbel_softmax", temperature=t
            ),
        )
    yield "sizes: as if the draw were mean()", 0, through_the_mean
    yield "sizes: score function", 0, score_function
    yield "order: race", 1, straight_through
    for temperature in TEMPERATURES:
        yield (
            f"order: neural_sort, temperature {temperature}",
            1,
            lambda loss, t=temperature: straight_through(
                loss, order_estimator="neural_sort", temperature=t
            ),
        )
    yield "order: as if the draw were mean()", 1, through_the_mean
    yield "order: score function", 1, score_function


def gradients_section() -> str:
    """A table of relative bias and standard deviation of every estimator and loss."""
    wanted = {name: exact_gradients(loss) for name, loss in losses().items()}
    rows = []
    for name, which, gradients in estimators():
        row = [name]
        for loss_name, loss in losses().items():
            slopes, exact = gradients(loss)[which].numpy(), wanted[loss_name][which]
            size = np.linalg.norm(exact)
            bias = np.linalg.norm(slopes.mean(axis=0) - exact) / size
            deviation = np.sqrt(slopes.var(axis=0).sum()) / size
            row.append(f"{bias:.2f}; {deviation:.2f}")
        rows.append(row)
    return (
        "## Bias and deviation of the gradients\n\n"
        f"For one partition of {NUM_ELEMENTS} elements into {NUM_GROUPS} groups. The "
        "first number is the norm of the bias, the second the root of the summed "
        "variances of one draw's gradient. Both are relative to the norm of the exact "
        f"gradient, from all {NUM_GROUPS**NUM_ELEMENTS} assignments. With {DRAWS} "
        f"draws a bias is known to 1/{round(np.sqrt(DRAWS))} of the deviation. The "
        "score function has "
        "the mean loss as its baseline.\n\n"
        + text_tables.markdown_table(("estimator", *losses()), rows)
    )


def bounds_section() -> str:
    """A table of the bounds over the exact probability."""
    rows = []
    for deviation in DEVIATIONS:
        random = np.random.default_rng(3)
        shape = [BOUND_ASSIGNMENTS, BOUND_ELEMENTS]
        law = RandomPartition(np.zeros(NUM_GROUPS), random.normal(0, deviation, shape))
        for kind, draws in (
            ("drawn", law.sample(seed=[1, 2])),
            (
                "any",
                tf.one_hot(
                    random.integers(0, NUM_GROUPS, shape), NUM_GROUPS, dtype=tf.float64
                ),
            ),
        ):
            value = law.log_prob(draws)
            ratios = []
            for bound in (law.log_prob_lower_bound, law.log_prob_upper_bound):
                of_truth = np.exp(bound(draws) - value)
                low, middle, high = np.quantile(of_truth, [0.05, 0.5, 0.95])
                ratios.append(f"{middle:.3g} ({low:.2g} to {high:.2g})")
            rows.append([deviation, kind, *ratios])
    return (
        "## The bounds\n\n"
        "The bounds relative to the exact probability: medians, and 5% to 95%, of "
        f"{BOUND_ASSIGNMENTS} assignments of {BOUND_ELEMENTS} elements to {NUM_GROUPS} "
        "groups. The assignments are drawn from the distribution itself, or are "
        "arbitrary. Each has its own normal scores with the deviation in the first "
        "column.\n\n"
        + text_tables.markdown_table(
            ("deviation", "assignments", "lower bound", "upper bound"), rows
        )
    )
