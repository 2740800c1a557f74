"""What the class computes, on tensors: eager calls run as cached graphs."""

import functools
from collections.abc import Callable

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions import cached as cached_calls
from mvhg_tf.distributions.partition import draws, gradients, marginals, order
from mvhg_tf.distributions.partition import mode as modes
from mvhg_tf.distributions.partition.sizes import sizes_law
from mvhg_tf.distributions.urn import CORE_DTYPE, Size

# The numbers of elements and of groups are those of loops and nodes.
cached = functools.partial(cached_calls.cached, keep_events=True)

# Apart from the seed of the sizes, so that sizes and order are independent.
_RACE_SALT = (0x0FACE5, 0x3C6EF372)


def log_prob(
    log_weights: tf.Tensor, scores: tf.Tensor, assignment: tf.Tensor
) -> tf.Tensor:
    """log P(assignment), -inf off the support: `[..., n, K]` to `[...]`."""
    sizes, given_sizes = _log_probs(log_weights, scores, assignment)
    return sizes + given_sizes


def _log_probs(
    log_weights: tf.Tensor, scores: tf.Tensor, assignment: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """log P(sizes), -inf off the support, and log P(assignment | sizes)."""
    shape = ps.broadcast_shape(ps.shape(assignment)[:-2], ps.shape(scores)[:-1])
    shape = ps.broadcast_shape(shape, ps.shape(log_weights)[:-1])
    event = ps.shape(assignment)[-2:]
    assignment = tf.broadcast_to(assignment, ps.concat([shape, event], axis=0))
    is_possible, counts, given_sizes = _given_sizes(scores, assignment)
    # Not in the cached graph: the sizes' law has graphs of its own.
    sizes = sizes_law(log_weights, event[0], None).log_prob(counts)
    return tf.where(is_possible, sizes, -float("inf")), given_sizes


@cached
def _given_sizes(
    scores: tf.Tensor, assignment: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Whether rows are one-hot, the sizes, and log P(assignment | sizes)."""
    assignment = tf.stop_gradient(assignment)
    one_hot = tf.reduce_all(assignment * assignment == assignment, axis=[-2, -1])
    one_hot &= tf.reduce_all(tf.reduce_sum(assignment, axis=-1) == 1.0, axis=-1)
    # Any assignment that is one serves where there is none.
    first = tf.one_hot(0, ps.shape(assignment)[-1], dtype=CORE_DTYPE)
    assignment = tf.where(one_hot[..., tf.newaxis, tf.newaxis], assignment, first)
    counts = tf.reduce_sum(assignment, axis=-2)
    return one_hot, counts, order.log_prob_given_sizes(scores, assignment)


@cached
def log_prob_lower_bound(
    log_weights: tf.Tensor, scores: tf.Tensor, assignment: tf.Tensor
) -> tf.Tensor:
    """The probability of the sizes and of the likeliest order that fills them."""
    return _likeliest_order(log_weights, scores, assignment)


@cached
def log_prob_upper_bound(
    log_weights: tf.Tensor, scores: tf.Tensor, assignment: tf.Tensor
) -> tf.Tensor:
    """The lower bound times the number of orders."""
    number = order.log_number_of_orders(assignment)
    return _likeliest_order(log_weights, scores, assignment) + number


def _likeliest_order(
    log_weights: tf.Tensor, scores: tf.Tensor, assignment: tf.Tensor
) -> tf.Tensor:
    shape = ps.broadcast_shape(ps.shape(assignment)[:-2], ps.shape(scores)[:-1])
    event = ps.shape(assignment)[-2:]
    assignment = tf.broadcast_to(assignment, ps.concat([shape, event], axis=0))
    counts = tf.reduce_sum(assignment, axis=-2)
    sizes = sizes_law(log_weights, event[0], None).log_prob(counts)
    return sizes + order.log_prob_of_likeliest_order(scores, assignment)


@cached
def draw(
    log_weights: tf.Tensor,
    scores: tf.Tensor,
    temperature: tf.Tensor,
    num_draws: Size,
    seed: tf.Tensor,
    gradient_estimator: str | None,
    order_estimator: str | None,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draws with their gradients; parameters of the full batch shape.

    Returns:
      Assignments `[S, B..., n, K]`, sizes `[S, B..., K]` and orders `[S, B..., n]`.
    """
    dtype, num_elements = scores.dtype, ps.shape(scores)[-1]
    law = sizes_law(log_weights, num_elements, gradient_estimator, temperature)
    sizes = law.sample(num_draws, seed=seed)
    race_seed = tf.bitwise.bitwise_xor(seed, tf.constant(_RACE_SALT, seed.dtype))
    scores = tf.cast(scores, CORE_DTYPE)
    if order_estimator is None:
        scores = tf.stop_gradient(scores)
    temperature = tf.cast(temperature, CORE_DTYPE)
    drawn_sizes = tf.cast(tf.stop_gradient(sizes), CORE_DTYPE)
    race = draws.run(tf.stop_gradient(scores), num_draws, race_seed)
    groups = draws.fill(race.places, drawn_sizes)
    one_hot = tf.one_hot(groups, ps.shape(log_weights)[-1], dtype=dtype)

    @tf.custom_gradient
    def value(
        sizes: tf.Tensor, scores: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_sizes, of_scores = gradients.cotangents(
                scores,
                drawn_sizes,
                race,
                groups,
                tf.cast(upstream, CORE_DTYPE),
                order_estimator,
                temperature,
            )
            return tf.cast(of_sizes, sizes.dtype), tf.reduce_sum(of_scores, axis=0)

        return tf.identity(one_hot), gradient

    return value(sizes, scores), sizes, race.order


@cached
def mean(log_weights: tf.Tensor, scores: tf.Tensor, num_elements: int) -> tf.Tensor:
    """E[assignment], `[B..., n, K]`."""
    return marginals.mean(log_weights, scores, num_elements)


@cached
def mode(log_weights: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The likeliest assignment, `[B..., n, K]`."""
    by_score = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    sizes = modes.likeliest_sizes(
        log_weights, tf.sort(scores, axis=-1, direction="DESCENDING")
    )
    groups = draws.fill(tf.argsort(by_score, axis=-1, stable=True), sizes)
    return tf.one_hot(groups, ps.shape(log_weights)[-1], dtype=CORE_DTYPE)


@cached
def entropy_given_sizes(
    log_weights: tf.Tensor, scores: tf.Tensor, drawn: tf.Tensor
) -> tf.Tensor:
    """The mean of -log P(drawn | sizes), with an unbiased gradient: `[B...]`."""
    sizes, given_sizes = _log_probs(log_weights, scores, drawn)
    value = -tf.stop_gradient(given_sizes)
    return _mean_with_score(value, sizes + given_sizes)


@cached
def divergence_given_sizes(
    log_weights: tf.Tensor, scores: tf.Tensor, other_scores: tf.Tensor, drawn: tf.Tensor
) -> tf.Tensor:
    """The mean of log P(drawn | sizes) - log P_other(drawn | sizes): `[B...]`.

    Its gradient is unbiased, in the parameters of both.
    """
    sizes, given_sizes = _log_probs(log_weights, scores, drawn)
    shape = ps.broadcast_shape(ps.shape(drawn)[:-2], ps.shape(other_scores)[:-1])
    shape = ps.concat([shape, ps.shape(drawn)[-2:]], axis=0)
    other = order.log_prob_given_sizes(other_scores, tf.broadcast_to(drawn, shape))
    value = tf.stop_gradient(given_sizes) - other
    return _mean_with_score(value, sizes + given_sizes)


def _mean_with_score(values: tf.Tensor, log_probs: tf.Tensor) -> tf.Tensor:
    """The mean over draws, which are of the log-probabilities: `[S, ...]`.

    Where the draws' law depends on parameters, its gradient is by the score function;
    what a draw's value is compared with is the mean of the others' values.
    """
    number = tf.cast(ps.shape(values)[0], CORE_DTYPE)
    fixed = tf.stop_gradient(values)
    surplus = fixed - (tf.reduce_sum(fixed, axis=0) - fixed) / (number - 1.0)
    score = log_probs - tf.stop_gradient(log_probs)  # 0, with a gradient
    return tf.reduce_mean(values + surplus * score, axis=0)
