"""Selections that draw which latents are independent, not only how many.

`HypergeometricSelection` draws a number k and takes the k latents that differ most.
Here each set of k latents has a probability, so that the choice is learned too, and
costs its own information rather than the logarithm of the number of choices.
"""

from typing import Any

import keras
import tensorflow as tf
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.pairs.selection import CountSelection, Selection
from mvhg_tf.disentanglement.models.shared import gaussian, replicas
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.distributions import (
    MultivariateFisherNoncentralHypergeometric,
    RandomPartition,
    random_subset,
)


class _DrawnSelection(CountSelection):
    """Base class: a subclass implements `_choose`.

    With gamma the symmetric KL of each latent's two posteriors, log(1 + gamma) goes
    through one dense layer to the log weights of the number of independent latents, as
    in `HypergeometricSelection`. Each latent's score is log(1 + gamma) times a
    trainable sharpness, plus a trainable offset of the latent.

    Args:
      num_latent: d, the number of latents.
      initial_sharpness: of the scores, at the start.
      **kwargs: as in the base class: `initial_log_odds`, `learn_prior`.
    """

    def __init__(
        self, num_latent: int, initial_sharpness: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(num_latent, **kwargs)
        self.initial_sharpness = initial_sharpness
        self.sharpness = self.add_weight(
            name="sharpness",
            shape=(),
            initializer=keras.initializers.Constant(initial_sharpness),
        )
        self.offsets = self.add_weight(
            name="offsets", shape=(num_latent,), initializer="zeros"
        )

    def select(
        self,
        posterior_1: Gaussian,
        posterior_2: Gaussian,
        labels: tf.Tensor | None,
        step: tf.Tensor,
        seed: tf.Tensor,
        training: bool,
    ) -> Selection:
        del labels, step
        signal = tf.math.log1p(gaussian.symmetric_kl(posterior_1, posterior_2))
        scores = self.sharpness * signal + self.offsets
        chosen = self._choose(
            replicas.pad_to_global(self.log_weights(signal)),
            replicas.pad_to_global(scores),
            self.prior_log_weights(),
            tf.unstack(tf.random.split(seed, 2)),
            training,
        )
        return Selection(*map(replicas.local_rows, chosen))

    def _choose(
        self,
        log_weights: tf.Tensor,
        scores: tf.Tensor,
        prior_log_weights: tf.Tensor,
        seeds: list[tf.Tensor],
        training: bool,
    ) -> Selection:
        """The selection of the global batch.

        Args:
          log_weights: `[B, 2]`, of independent and shared latents.
          scores: `[B, d]`, greater for those that are rather independent.
          prior_log_weights: `[2]`.
          seeds: two, int32 `[2]`.
          training: whether it is drawn; otherwise the number is the likeliest, and so
            is the subset given it (see `_likeliest`).
        """
        raise NotImplementedError

    scalar_names = ("prior_log_odds", "sharpness")

    def scalars(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The prior's log-odds and the scores' sharpness."""
        sharpness = tf.convert_to_tensor(self.sharpness)
        return {**super().scalars(step), "sharpness": sharpness}

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {**super().get_config(), "initial_sharpness": self.initial_sharpness}


@register_keras_serializable(package="mvhg_tf")
class SubsetSelection(_DrawnSelection):
    """Draws the number, then a subset weighted by the product of its latents' weights.

    k, the number of independent latents, follows the noncentral hypergeometric
    distribution, with d elements in each of two groups and d draws. Given k, the subset
    A has a probability proportional to the product of exp(scores) over A
    (`random_subset`). A draw passes the gradient of its exact marginal probabilities:
    to the scores, given k, that of SIMPLE (Ahmed et al., ICLR 2023), and to the log
    weights that of the mean over k. For what is linear in the selection its expectation
    is exact.

    The prior of k is of the same family, with learned or fixed log-odds, and its
    subsets of one size are as likely. The divergence from it is exact: that of k, plus
    the mean of log C(d, k) less the entropy of the subset.
    """

    def _choose(
        self,
        log_weights: tf.Tensor,
        scores: tf.Tensor,
        prior_log_weights: tf.Tensor,
        seeds: list[tf.Tensor],
        training: bool,
    ) -> Selection:
        d = self.num_latent
        counts = self._counts(log_weights)
        log_probs = counts.marginal_log_prob(0)
        numbers = tf.range(d + 1.0)
        of_all = random_subset(numbers, scores[:, tf.newaxis])
        if training:
            number = counts.sample_one_hot(seed=seeds[0])[..., 0, :]
            k = tf.stop_gradient(tf.reduce_sum(number * numbers, axis=-1))
            drawn = random_subset(k, scores).sample(seed=seeds[1])
        else:
            number = tf.one_hot(tf.argmax(log_probs, axis=-1), d + 1)
            drawn = _likeliest(scores, log_probs)
        marginals = tf.linalg.matvec(of_all.mean(), number, transpose_a=True)
        independent = tf.stop_gradient(drawn - marginals) + marginals
        divergence = counts.kl_divergence(self._counts(prior_log_weights))
        divergence += tf.reduce_sum(
            tf.exp(log_probs) * (self.log_subsets() - of_all.entropy()), axis=-1
        )
        return Selection(independent, divergence, log_probs)

    def _counts(
        self, log_weights: tf.Tensor
    ) -> MultivariateFisherNoncentralHypergeometric:
        """The law of the numbers of independent and shared latents."""
        return MultivariateFisherNoncentralHypergeometric(
            total_count=float(self.num_latent),
            group_sizes=[float(self.num_latent)] * 2,
            log_weights=log_weights,
            gradient_estimator="mean",
        )


@register_keras_serializable(package="mvhg_tf")
class PartitionSelection(_DrawnSelection):
    """DRPM-VAE (Sutter et al., NeurIPS 2023): a random partition into two groups.

    The latents are put into a random order by their scores (Plackett-Luce), and the
    first k of them are independent, k from the noncentral hypergeometric distribution
    (`RandomPartition`). A draw passes that class's gradients: the mean's to the log
    weights, the race's to the scores.

    The prior is a partition of learned or fixed log-odds and equal scores. The
    divergence from it is exact in k. Of the order, the mean over draws of the exact
    log-probabilities is taken, whose gradient is unbiased.

    Args:
      num_latent: d, the number of latents.
      num_draws: for the divergence, at least 2.
      **kwargs: as of the base class: `initial_log_odds`, `initial_sharpness`,
        `learn_prior`.
    """

    def __init__(self, num_latent: int, num_draws: int = 8, **kwargs: Any) -> None:
        super().__init__(num_latent, **kwargs)
        self.num_draws = num_draws

    def _choose(
        self,
        log_weights: tf.Tensor,
        scores: tf.Tensor,
        prior_log_weights: tf.Tensor,
        seeds: list[tf.Tensor],
        training: bool,
    ) -> Selection:
        law = RandomPartition(log_weights, scores)
        prior = RandomPartition(prior_log_weights, tf.zeros([self.num_latent]))
        log_probs = law.sizes_distribution().marginal_log_prob(0)
        if training:
            independent = law.sample(seed=seeds[0])[..., 0]
        else:
            independent = _likeliest(scores, log_probs)
        divergence = law.kl_divergence_estimate(prior, self.num_draws, seeds[1])
        return Selection(independent, divergence, log_probs)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {**super().get_config(), "num_draws": self.num_draws}


def _likeliest(scores: tf.Tensor, log_probs: tf.Tensor) -> tf.Tensor:
    """The likeliest number of latents, those of the greatest scores.

    Given their number, these are the likeliest of the subset's law and of the race's.

    Args:
      scores: `[B, d]`.
      log_probs: `[B, d + 1]`, of the numbers.

    Returns:
      `[B, d]`, 1 for each of them, 0 for the others.
    """
    order = tf.argsort(scores, axis=-1, direction="DESCENDING", stable=True)
    place = tf.argsort(order, axis=-1)
    number = tf.argmax(log_probs, axis=-1, output_type=tf.int32)
    return tf.cast(place < number[:, tf.newaxis], scores.dtype)
