"""Which latents of a pair are independent: the difference between the GroupVAEs.

A selection sees a pair's posteriors and says, for each latent, whether it is
independent (each view keeps its own) or shared (both views get the average of the
two). It is a Keras layer, so that its weights are the model's.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers
from keras.optimizers.schedules import LearningRateSchedule
from keras.saving import register_keras_serializable

from mvhg_tf.disentanglement.models.shared import gaussian, replicas
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric
from mvhg_tf.schedules import ExponentialAnnealing
from mvhg_tf.sorting import neural_sort

_SORT_STREAM = 1  # of the sort's noise, apart from that of the counts


class Selection(NamedTuple):
    """What a selection layer returns.

    Attributes:
      independent: `[B, d]`, 1 for an independent latent and 0 for a shared one, with
        the gradient of the selection's relaxation, if it has one.
      divergence: `[B]`, KL of the selection's posterior to its prior, in nats, times
        a weight if the layer has one; 0 where the selection is not a random variable.
      log_probs: `[B, d + 1]`, log of the posterior probability of each number of
        independent latents, 0 to d; None where the number is not a random variable.
    """

    independent: tf.Tensor
    divergence: tf.Tensor
    log_probs: tf.Tensor | None = None


class PairSelection(layers.Layer):
    """Base class: a subclass implements `select`.

    Args:
      num_latent: d, the number of latents.
    """

    def __init__(self, num_latent: int, **kwargs: Any):
        # In float32, also where the networks compute in half of it.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_latent = num_latent

    def select(
        self,
        posterior_1: Gaussian,
        posterior_2: Gaussian,
        labels: tf.Tensor,
        step: tf.Tensor,
        seed: tf.Tensor,
        training: bool,
    ) -> Selection:
        """Selects the independent latents of B pairs.

        Args:
          posterior_1: of the first views, `[B, d]`.
          posterior_2: of the second views, `[B, d]`.
          labels: int32 `[B]`, one factor that differs, or -1: only LabelVAE uses it.
          step: integer scalar, the training step.
          seed: int32 `[2]`, a stateless seed.
          training: whether the selection is drawn; otherwise it is deterministic.
        """
        raise NotImplementedError

    scalar_names: tuple[str, ...] = ()

    def scalars(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """Scalars to watch in training, by the names in `scalar_names`."""
        del step
        return {}

    def get_config(self) -> dict:
        return {**super().get_config(), "num_latent": self.num_latent}


@register_keras_serializable(package="mvhg_tf")
class LabelSelection(PairSelection):
    """LabelVAE: one latent is independent, the one that the label names.

    Latent i learns factor i, so a factor beyond the latents is never independent. A
    label of -1 leaves no latent independent.
    """

    def select(
        self,
        posterior_1: Gaussian,
        posterior_2: Gaussian,
        labels: tf.Tensor | None,
        step: tf.Tensor,
        seed: tf.Tensor,
        training: bool,
    ) -> Selection:
        independent = tf.one_hot(labels, self.num_latent, dtype=self.compute_dtype)
        return Selection(independent, tf.zeros_like(independent[:, 0]))


@register_keras_serializable(package="mvhg_tf")
class ArgmaxSelection(PairSelection):
    """AdaVAE (Locatello et al. 2020): a threshold on KL(posterior_1 || posterior_2).

    It lies midway between the pair's least and greatest divergence over the latents.
    """

    def select(
        self,
        posterior_1: Gaussian,
        posterior_2: Gaussian,
        labels: tf.Tensor | None,
        step: tf.Tensor,
        seed: tf.Tensor,
        training: bool,
    ) -> Selection:
        divergence = tf.stop_gradient(gaussian.kl(posterior_1, posterior_2))
        low = tf.reduce_min(divergence, axis=-1, keepdims=True)
        high = tf.reduce_max(divergence, axis=-1, keepdims=True)
        independent = (divergence >= 0.5 * (low + high)) & (high > low)
        independent = tf.cast(independent, divergence.dtype)
        return Selection(independent, tf.zeros_like(independent[:, 0]))


class CountSelection(PairSelection):
    """Base class of selections that learn a law of the number of independent latents.

    It has the dense layer to the log weights of independent and shared latents, and the
    prior's log-odds.

    Args:
      num_latent: d, the number of latents.
      initial_log_odds: of an independent against a shared latent, at the start, in
        the dense layer's bias and in the prior.
      learn_prior: whether the prior's log-odds is a trainable weight.
    """

    def __init__(
        self,
        num_latent: int,
        initial_log_odds: float = -3.0,
        learn_prior: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_latent, **kwargs)
        self.initial_log_odds = initial_log_odds
        self.learn_prior = learn_prior
        self.log_weights = layers.Dense(2, name="log_weights", dtype="float32")
        self.log_weights.build((None, num_latent))
        self.log_weights.bias.assign([initial_log_odds, 0.0])
        self.prior_log_odds = self.add_weight(
            name="prior_log_odds",
            shape=(),
            initializer=keras.initializers.Constant(initial_log_odds),
            trainable=learn_prior,
        )

    def prior_log_weights(self) -> tf.Tensor:
        """Of independent and shared latents, `[2]`."""
        return tf.stack([tf.convert_to_tensor(self.prior_log_odds), 0.0])

    def log_subsets(self) -> tf.Tensor:
        """log C(d, k) for each k, `[d + 1]`."""
        d = float(self.num_latent)
        k = tf.range(d + 1)
        return tf.math.lgamma(d + 1) - tf.math.lgamma(k + 1) - tf.math.lgamma(d - k + 1)

    scalar_names: tuple[str, ...] = ("prior_log_odds",)

    def scalars(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The prior's log-odds."""
        del step
        return {"prior_log_odds": tf.convert_to_tensor(self.prior_log_odds)}

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            "initial_log_odds": self.initial_log_odds,
            "learn_prior": self.learn_prior,
        }


@register_keras_serializable(package="mvhg_tf")
class HypergeometricSelection(CountSelection):
    """HGVAE (section 5.2, C.2.2): the number of independent latents is learned.

    gamma, the symmetric KL of each latent's two posteriors `[B, d]`, goes through
    one dense layer to log weights `[B, 2]`; the counts (k_hat, d - k_hat) are drawn
    from the noncentral hypergeometric distribution with d elements in each of the
    two groups and d draws; NeuralSort of gamma puts the latents in descending order,
    and the first k_hat are independent.

    In training k_hat is a draw; otherwise it is the mode, so that a representation
    is deterministic. The KL to the prior is exact: the prior of k is of the same
    family, its log-odds learned (empirical Bayes) or fixed, and given k every subset of
    k latents is as likely, so that the one taken costs log C(d, k).

    Args:
      num_latent: d, the number of latents.
      temperature: tau of both relaxations, from the step.
      gradient_estimator: "mean" or "gumbel_softmax", how a draw is differentiated.
      log_divergences: whether log(1 + gamma) is used instead of gamma, which spans
        orders of magnitude.
      charge_subset: whether the choice of the subset is charged; without this, the
        objective is not a bound on the likelihood.
      divergence_weight: of the KL and of this charge. Above 1 independent latents are
        dearer, and the bound is less tight; below 1 it is none.
      stochastic_sort: whether training sorts with Gumbel noise, so that the order is a
        Plackett-Luce draw of these log scores (Grover et al. 2019, section 5).
      relaxed_sort: whether training uses NeuralSort's relaxed matrices instead of
        permutations, so that a latent may be partly independent.
      **kwargs: as in `CountSelection`: `initial_log_odds`, `learn_prior`.
    """

    def __init__(
        self,
        num_latent: int,
        temperature: LearningRateSchedule | None = None,
        gradient_estimator: str = "mean",
        log_divergences: bool = True,
        charge_subset: bool = True,
        divergence_weight: float = 1.0,
        stochastic_sort: bool = False,
        relaxed_sort: bool = False,
        **kwargs: Any,
    ):
        super().__init__(num_latent, **kwargs)
        self.stochastic_sort = stochastic_sort
        self.relaxed_sort = relaxed_sort
        self.temperature = temperature or ExponentialAnnealing()
        self.gradient_estimator = gradient_estimator
        self.log_divergences = log_divergences
        self.charge_subset = charge_subset
        self.divergence_weight = divergence_weight

    def select(
        self,
        posterior_1: Gaussian,
        posterior_2: Gaussian,
        labels: tf.Tensor | None,
        step: tf.Tensor,
        seed: tf.Tensor,
        training: bool,
    ) -> Selection:
        gamma = gaussian.symmetric_kl(posterior_1, posterior_2)
        order_by = tf.math.log1p(gamma) if self.log_divergences else gamma
        temperature = self.temperature(step)
        log_weights = replicas.pad_to_global(self.log_weights(order_by))
        counts = self._counts(log_weights, temperature)
        log_probs = counts.marginal_log_prob(0)
        if training:
            num_independent = counts.sample_one_hot(seed=seed)[..., 0, :]
        else:
            likeliest = tf.argmax(log_probs, axis=-1)
            num_independent = tf.one_hot(likeliest, self.num_latent + 1)
        # The latent at place i, from 0, is independent if k_hat > i.
        num_independent = replicas.local_rows(num_independent)
        by_place = 1.0 - tf.cumsum(num_independent, axis=-1)[..., :-1]
        if training and self.stochastic_sort:
            order_by += _gumbel_noise(order_by, seed)
        is_hard = not (training and self.relaxed_sort)
        places = neural_sort(order_by, temperature, hard=is_hard)
        independent = tf.linalg.matvec(places, by_place, transpose_a=True)
        prior = self._counts(self.prior_log_weights(), temperature)
        divergence = counts.kl_divergence(prior)
        if self.charge_subset:
            divergence += tf.linalg.matvec(tf.exp(log_probs), self.log_subsets())
        divergence = replicas.local_rows(self.divergence_weight * divergence)
        return Selection(independent, divergence, replicas.local_rows(log_probs))

    scalar_names = ("temperature", "prior_log_odds")

    def scalars(self, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The temperature and the prior's log-odds."""
        return {"temperature": self.temperature(step), **super().scalars(step)}

    def _counts(
        self, log_weights: tf.Tensor, temperature: tf.Tensor
    ) -> MultivariateFisherNoncentralHypergeometric:
        return MultivariateFisherNoncentralHypergeometric(
            total_count=float(self.num_latent),
            group_sizes=[float(self.num_latent)] * 2,
            log_weights=log_weights,
            gradient_estimator=self.gradient_estimator,
            temperature=temperature,
        )

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "temperature": keras.saving.serialize_keras_object(self.temperature),
            "gradient_estimator": self.gradient_estimator,
            "log_divergences": self.log_divergences,
            "charge_subset": self.charge_subset,
            "divergence_weight": self.divergence_weight,
            "stochastic_sort": self.stochastic_sort,
            "relaxed_sort": self.relaxed_sort,
        }

    @classmethod
    def from_config(cls, config: dict) -> "HypergeometricSelection":
        temperature = keras.saving.deserialize_keras_object(config["temperature"])
        return cls(**{**config, "temperature": temperature})


def _gumbel_noise(local: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Of the shape `[B, d]` and dtype of `local`; apart from the seed's own noise."""
    seed = tf.random.experimental.stateless_fold_in(seed, _SORT_STREAM)
    uniform = tf.random.stateless_uniform(
        replicas.global_shape(local),
        seed,
        minval=local.dtype.as_numpy_dtype(1e-30),
        dtype=local.dtype,
    )
    return replicas.local_rows(-tf.math.log(-tf.math.log(uniform)))
