"""The probability of a bag's class counts, given each sample's class probabilities."""

from __future__ import annotations

import tensorflow as tf

from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric


def count_log_prob(
    logits: tf.Tensor, counts: tf.Tensor, present: tf.Tensor | None = None
) -> tf.Tensor:
    """Log-probability of the class counts of bags of independent samples.

    Sample i of a bag has class k with probability p_ik = softmax(logits_i)_k, so the
    count N_k of class k is a sum of independent Bernoulli variables, and

        P(N_k = n) = Z(n; omega_k) prod_i (1 - p_ik),  omega_ik = p_ik / (1 - p_ik),

    where Z(n; omega) is the normalizer of Fisher's noncentral hypergeometric
    distribution with groups of one element: the sum, over the ways to choose n of the
    samples, of the product of their odds. Its gradient in the log odds is the
    probability that sample i is among the n, less p_ik: an exact E-step.

    Args:
      logits: of the classes, up to a constant a sample, `[B..., n, K]`, K at least 2.
      counts: samples of each class in a bag, whole, nonnegative, with the sum n (of
        those present), `[B..., K]`.
      present: which of the n places hold a sample, bool `[B..., n]`; these come first.
        None means all. It allows bags of several sizes in one tensor.

    Returns:
      `[B...]`, in the dtype of `logits`. For two classes, the log-probability of the
      counts. For more classes, whose joint probability has no such short form, the
      composite log-likelihood: the sum of the exact log P(N_k = n_k) over the K
      classes.
    """
    logits = tf.convert_to_tensor(logits)
    dtype = logits.dtype
    # The terms are large, and nearly cancel where a network is sure.
    logits, counts = tf.cast(logits, tf.float64), tf.cast(counts, tf.float64)
    log_odds = tf.linalg.matrix_transpose(_log_odds(logits))  # [B..., K, n]
    if log_odds.shape[-2] == 2:
        log_odds, counts = log_odds[..., :1, :], counts[..., :1]
    log_none = -tf.math.softplus(log_odds)
    if present is not None:
        present = tf.convert_to_tensor(present)[..., tf.newaxis, :]
        log_odds = tf.where(present, log_odds, tf.math.log(tf.zeros([], tf.float64)))
        log_none = tf.where(present, log_none, tf.zeros([], tf.float64))
    value = _log_ways(log_odds, counts) + tf.reduce_sum(log_none, axis=-1)
    return tf.cast(tf.reduce_sum(value, axis=-1), dtype)


def _log_ways(log_odds: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """log Z(n_k; omega_k), `[B..., K, n]` and `[B..., K]` -> `[B..., K]`."""
    places = tf.shape(log_odds)[-1]
    law = MultivariateFisherNoncentralHypergeometric(
        counts,
        tf.ones([places], log_odds.dtype),
        log_weights=log_odds,
        gradient_estimator=None,
    )
    # Any n of the samples will do: log Z is what their odds and probability leave.
    order = tf.cast(tf.range(places), log_odds.dtype)
    chosen = order < counts[..., tf.newaxis]
    their_odds = tf.where(chosen, log_odds, tf.zeros([], log_odds.dtype))
    event = tf.cast(chosen, log_odds.dtype)
    return tf.reduce_sum(their_odds, axis=-1) - law.log_prob(event)


def _log_odds(logits: tf.Tensor) -> tf.Tensor:
    """log(p_k / (1 - p_k)), also where p_k is close to 1, `[..., K]`."""
    log_probs = tf.nn.log_softmax(logits)
    likeliest = tf.one_hot(tf.argmax(logits, axis=-1), tf.shape(logits)[-1]) > 0.5
    # The others have at most a half each, so that 1 - p keeps its digits.
    zero = tf.zeros([], logits.dtype)
    log_rest = tf.math.log1p(-tf.where(likeliest, zero, tf.exp(log_probs)))
    others = tf.where(likeliest, tf.math.log(zero), log_probs)
    log_others = tf.reduce_logsumexp(others, axis=-1, keepdims=True)
    return log_probs - tf.where(likeliest, log_others, log_rest)


def proportion_log_prob(
    logits: tf.Tensor, counts: tf.Tensor, present: tf.Tensor | None = None
) -> tf.Tensor:
    """The usual loss of label proportions, for comparison: sum_k n_k log mean_i p_ik.

    Ardehaly and Culotta (2017). It depends only on the bag's mean, so it does not
    penalise a network that predicts the bag's proportions for every sample.

    Args:
      logits: as in `count_log_prob`.
      counts: as in `count_log_prob`.
      present: as in `count_log_prob`.

    Returns:
      `[B...]`.
    """
    logits = tf.convert_to_tensor(logits)
    counts = tf.cast(counts, logits.dtype)
    log_probs = tf.nn.log_softmax(logits)
    if present is not None:
        gone = tf.constant(-float("inf"), logits.dtype)
        log_probs = tf.where(present[..., tf.newaxis], log_probs, gone)
    log_sums = tf.reduce_logsumexp(log_probs, axis=-2)
    log_size = tf.math.log(tf.reduce_sum(counts, axis=-1, keepdims=True))
    return tf.reduce_sum(counts * (log_sums - log_size), axis=-1)
