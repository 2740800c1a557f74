"""The models of pairs that gin files name: `model.model = @group_vae_labels()`.

Each name is a function without arguments that returns a builder; `train` calls the
builder with the data set's image shape and a seed once both are known.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Literal

import gin
from keras.optimizers.schedules import LearningRateSchedule

from mvhg_tf.disentanglement.models.pairs import pair_regularizers
from mvhg_tf.disentanglement.models.pairs.drawn_selections import (
    PartitionSelection,
    SubsetSelection,
)
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import (
    ArgmaxSelection,
    HypergeometricSelection,
    LabelSelection,
    PairSelection,
)
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.networks import Shape, make_networks
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import NotNegative, Positive, PositiveInt, at_least
from mvhg_tf.schedules import ExponentialAnnealing

ModelBuilder = Callable[[Shape, int], GroupVAE]


def _build(
    observation_shape: Shape,
    seed: int,
    make_selection: Callable[[int], PairSelection],
    average: Callable[..., gaussian.Gaussian],
    regularizer: Callable[..., object],
    beta: float | LearningRateSchedule,
) -> GroupVAE:
    encoder, decoder = make_networks(observation_shape)
    return GroupVAE(
        encoder=encoder,
        decoder=decoder,
        selection=make_selection(encoder.outputs[0].shape[-1]),
        average=average,
        regularizer=regularizer,
        beta=beta,
        seed=seed,
    )


@gin_config.configurable("group_vae", allowlist=["beta"])
def build_group_vae(
    observation_shape: Shape,
    seed: int,
    make_selection: Callable[[int], PairSelection],
    regularizer: Callable[..., object] = pair_regularizers.paper,
    beta: NotNegative | LearningRateSchedule = gin.REQUIRED,
) -> GroupVAE:
    """A GroupVAE that averages moments (Hosoya 2018).

    Args:
      observation_shape: `(H, W, C)` of the images.
      seed: of the noise in training.
      make_selection: from the number of latents.
      regularizer: see `pair_regularizers`.
      beta: weight of the regulariser, or a schedule such as
        `@ExponentialAnnealing()`.
    """
    average = gaussian.average_moments
    return _build(observation_shape, seed, make_selection, average, regularizer, beta)


@gin_config.configurable("mlvae", allowlist=["beta"])
def build_mlvae(
    observation_shape: Shape,
    seed: int,
    make_selection: Callable[[int], PairSelection],
    regularizer: Callable[..., object] = pair_regularizers.paper,
    beta: NotNegative | LearningRateSchedule = gin.REQUIRED,
) -> GroupVAE:
    """The same with ML-VAE's average (Bouchacourt et al. 2018)."""
    average = gaussian.average_precisions
    return _build(observation_shape, seed, make_selection, average, regularizer, beta)


@gin.configurable("group_vae_labels", allowlist=[])
def group_vae_labels() -> ModelBuilder:
    """LabelVAE: one factor that differs is known."""
    return functools.partial(build_group_vae, make_selection=LabelSelection)


@gin.configurable("group_vae_argmax", allowlist=[])
def group_vae_argmax() -> ModelBuilder:
    """AdaVAE: a threshold on the divergences."""
    return functools.partial(build_group_vae, make_selection=ArgmaxSelection)


@gin.configurable("group_vae_hypergeometric", allowlist=[])
def group_vae_hypergeometric() -> ModelBuilder:
    """HGVAE: the number of independent latents is learned."""
    return hgvae(build_group_vae)


@gin_config.configurable("group_vae_subset")
def group_vae_subset(
    initial_log_odds: float = -3.0,
    initial_sharpness: Positive = 2.0,
    learn_prior: bool = True,
) -> ModelBuilder:
    """Draws the number of independent latents, then which ones, by learned weights.

    Its objective is the pair bound; see `SubsetSelection`.

    Args:
      initial_log_odds: of an independent against a shared latent, at the start.
      initial_sharpness: how much log(1 + gamma) counts in a latent's score, at the
        start.
      learn_prior: whether the prior's log-odds is learned.
    """
    return _of_pair_bound(
        functools.partial(
            SubsetSelection,
            initial_log_odds=initial_log_odds,
            initial_sharpness=initial_sharpness,
            learn_prior=learn_prior,
        )
    )


@gin_config.configurable("group_vae_partition")
def group_vae_partition(
    initial_log_odds: float = -3.0,
    initial_sharpness: Positive = 2.0,
    learn_prior: bool = True,
    num_draws: Annotated[int, at_least(2)] = 8,
) -> ModelBuilder:
    """DRPM-VAE (Sutter et al. 2023): a random partition, in number and order.

    Its objective is the pair bound; see `PartitionSelection`.

    Args:
      initial_log_odds: of an independent against a shared latent, at the start.
      initial_sharpness: how much log(1 + gamma) counts in a latent's score, at the
        start.
      learn_prior: whether the prior's log-odds is learned.
      num_draws: of the order's divergence from its prior.
    """
    return _of_pair_bound(
        functools.partial(
            PartitionSelection,
            initial_log_odds=initial_log_odds,
            initial_sharpness=initial_sharpness,
            learn_prior=learn_prior,
            num_draws=num_draws,
        )
    )


def _of_pair_bound(make_selection: Callable[[int], PairSelection]) -> ModelBuilder:
    return functools.partial(
        build_group_vae,
        make_selection=make_selection,
        regularizer=pair_regularizers.pair_elbo,
    )


@gin.configurable("mlvae_labels", allowlist=[])
def mlvae_labels() -> ModelBuilder:
    """ML-VAE with one known factor that differs."""
    return functools.partial(build_mlvae, make_selection=LabelSelection)


@gin.configurable("mlvae_argmax", allowlist=[])
def mlvae_argmax() -> ModelBuilder:
    """ML-VAE with AdaVAE's threshold."""
    return functools.partial(build_mlvae, make_selection=ArgmaxSelection)


@gin.configurable("mlvae_hypergeometric", allowlist=[])
def mlvae_hypergeometric() -> ModelBuilder:
    """ML-VAE with a learned number of independent latents."""
    return hgvae(build_mlvae)


@gin_config.configurable("hgvae", denylist=["build"])
def hgvae(
    build: Callable[..., GroupVAE],
    objective: Literal["pair_elbo", "paper"] = "pair_elbo",
    gradient_estimator: Literal["mean", "gumbel_softmax"] = "mean",
    log_divergences: bool = True,
    initial_log_odds: float = -3.0,
    learn_prior: bool = True,
    charge_subset: bool = True,
    divergence_weight: NotNegative = 1.0,
    stochastic_sort: bool = False,
    relaxed_sort: bool = False,
    initial_temperature: Positive = 10.0,
    final_temperature: Positive = 0.01,
    temperature_steps: PositiveInt = 50_000,
) -> ModelBuilder:
    """The shared options of the hypergeometric models, under the gin name `hgvae`.

    Args:
      build: the base model.
      objective: "pair_elbo" or "paper", see `pair_regularizers`.
      gradient_estimator: "mean" or "gumbel_softmax", of a draw of k.
      log_divergences: whether log(1 + gamma) is used instead of gamma.
      initial_log_odds: of an independent against a shared latent, at the start.
      learn_prior: whether the prior over k, which only the pair bound has, is learned.
      charge_subset: whether the pair bound charges log C(d, k) for which latents are
        independent, as a bound of the likelihood must.
      divergence_weight: how much the pair bound charges for k and for which latents
        are independent; 1 is the bound, above 1 independent latents are dearer.
      stochastic_sort: whether training sorts with Gumbel noise.
      relaxed_sort: whether training uses NeuralSort's relaxed matrices instead of
        permutations.
      initial_temperature: tau at step 0.
      final_temperature: tau from `temperature_steps` on.
      temperature_steps: steps of the exponential annealing (eq. 52).

    Raises:
      UserError: if `objective` or `gradient_estimator` is unknown, a temperature or
        `temperature_steps` is not positive, or `charge_subset` or `divergence_weight`
        is changed under the paper's objective, which charges for neither.
    """
    if objective == "paper" and (not charge_subset or divergence_weight != 1.0):
        raise UserError(
            f"hgvae.charge_subset is {charge_subset} and hgvae.divergence_weight is "
            f"{divergence_weight}, but hgvae.objective = 'paper' does not charge for "
            "the selection: leave both out, or bind hgvae.objective = 'pair_elbo'."
        )
    selection = functools.partial(
        HypergeometricSelection,
        temperature=ExponentialAnnealing(
            initial_temperature, final_temperature, temperature_steps
        ),
        gradient_estimator=gradient_estimator,
        log_divergences=log_divergences,
        initial_log_odds=initial_log_odds,
        learn_prior=learn_prior and objective == "pair_elbo",
        charge_subset=charge_subset,
        divergence_weight=divergence_weight,
        stochastic_sort=stochastic_sort,
        relaxed_sort=relaxed_sort,
    )
    return functools.partial(
        build,
        make_selection=selection,
        regularizer=pair_regularizers.OBJECTIVES[objective],
    )
