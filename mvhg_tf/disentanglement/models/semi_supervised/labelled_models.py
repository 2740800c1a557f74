"""The semi-supervised models that gin files name: `model.model = @s2_vae`.

Names and parameters are disentanglement_lib's. As there, the name has no brackets:
`train` calls it with the sizes of the labels, once they are known, for a builder such
as those of `unsupervised`.
"""

import inspect
from collections.abc import Callable, Sequence

import gin
import keras

from mvhg_tf.disentanglement.models.semi_supervised.annealers import (
    SupervisedWeight,
    make_annealer,
)
from mvhg_tf.disentanglement.models.semi_supervised.mine_vae import (
    MineVAE,
    MutualInformation,
)
from mvhg_tf.disentanglement.models.semi_supervised.semi_supervised_vae import (
    SemiSupervisedFactorVAE,
    SemiSupervisedVAE,
    SupervisedVAE,
)
from mvhg_tf.disentanglement.models.semi_supervised.supervised_losses import (
    make_supervised_loss,
)
from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import (
    AdversarialTotalCorrelation,
)
from mvhg_tf.disentanglement.networks import (
    Shape,
    make_discriminator,
    make_networks,
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import NotNegative

ModelBuilder = Callable[[Shape, int], SemiSupervisedVAE]
LabelledBuilder = Callable[[Sequence[int]], ModelBuilder]


def needs_labels(model: Callable) -> bool:
    """Whether what is bound to `model.model` is one of these."""
    return "label_sizes" in inspect.signature(model).parameters


@gin_config.configurable("s2_vae", denylist=["label_sizes"])
def s2_vae(
    label_sizes: Sequence[int],
    beta: NotNegative = gin.REQUIRED,
    gamma_sup: NotNegative = gin.REQUIRED,
) -> ModelBuilder:
    """beta-VAE; `gamma_sup` weights the labels, as in all of these."""
    return _with_regularizer(
        image_regularizers.WeightedKL(beta), label_sizes, gamma_sup
    )


@gin_config.configurable("s2_dip_vae", denylist=["label_sizes"])
def s2_dip_vae(
    label_sizes: Sequence[int],
    lambda_od: NotNegative = gin.REQUIRED,
    lambda_d_factor: NotNegative = gin.REQUIRED,
    gamma_sup: NotNegative = gin.REQUIRED,
    dip_type: image_regularizers.DipType = "i",
) -> ModelBuilder:
    """DIP-VAE, see `unsupervised.dip_vae`."""
    regularizer = image_regularizers.MomentMatching(
        lambda_od, lambda_d_factor, dip_type
    )
    return _with_regularizer(regularizer, label_sizes, gamma_sup)


@gin_config.configurable("s2_beta_tc_vae", denylist=["label_sizes"])
def s2_beta_tc_vae(
    label_sizes: Sequence[int],
    beta: NotNegative = gin.REQUIRED,
    gamma_sup: NotNegative = gin.REQUIRED,
) -> ModelBuilder:
    """beta-TC-VAE, see `unsupervised.beta_tc_vae`."""
    regularizer = image_regularizers.WeightedTotalCorrelation(beta)
    return _with_regularizer(regularizer, label_sizes, gamma_sup)


@gin_config.configurable("s2_factor_vae", denylist=["label_sizes"])
def s2_factor_vae(
    label_sizes: Sequence[int],
    gamma: NotNegative = gin.REQUIRED,
    gamma_sup: NotNegative = gin.REQUIRED,
) -> ModelBuilder:
    """FactorVAE, see `unsupervised.factor_vae`."""
    weight = make_annealer(gamma_sup)

    def build(observation_shape: Shape, seed: int) -> SemiSupervisedVAE:
        encoder, decoder = make_networks(observation_shape)
        discriminator = make_discriminator(encoder.outputs[0].shape[-1])
        regularizer = AdversarialTotalCorrelation(discriminator, gamma)
        loss = make_supervised_loss(label_sizes, encoder.outputs[0].shape[-1])
        return SemiSupervisedFactorVAE(
            encoder, decoder, regularizer, loss, weight, seed
        )

    return build


@gin_config.configurable("s2_mine_vae", denylist=["label_sizes"])
def s2_mine_vae(
    label_sizes: Sequence[int],
    gamma_sup: NotNegative = gin.REQUIRED,
    beta: NotNegative = gin.REQUIRED,
) -> ModelBuilder:
    """beta-VAE with another use of labels, see `MineVAE`; no `supervised_loss`."""
    regularizer = image_regularizers.WeightedKL(beta)
    weight = make_annealer(gamma_sup)
    return _builder(MineVAE, regularizer, label_sizes, weight, MutualInformation)


@gin.configurable("supervised", allowlist=[])
def supervised(label_sizes: Sequence[int]) -> ModelBuilder:
    """Trains on labels alone, with a decoder to show what was learned."""
    nothing = image_regularizers.WeightedKL(0.0)
    return _builder(SupervisedVAE, nothing, label_sizes, SupervisedWeight(1.0))


def _with_regularizer(
    regularizer: image_regularizers.Regularizer,
    label_sizes: Sequence[int],
    gamma_sup: float,
) -> ModelBuilder:
    weight = make_annealer(gamma_sup)
    return _builder(SemiSupervisedVAE, regularizer, label_sizes, weight)


def _builder(
    kind: type[SemiSupervisedVAE],
    regularizer: image_regularizers.Regularizer,
    label_sizes: Sequence[int],
    weight: SupervisedWeight,
    make_loss: Callable[
        [Sequence[int], int], keras.layers.Layer
    ] = make_supervised_loss,
) -> ModelBuilder:
    def build(observation_shape: Shape, seed: int) -> SemiSupervisedVAE:
        encoder, decoder = make_networks(observation_shape)
        loss = make_loss(label_sizes, encoder.outputs[0].shape[-1])
        return kind(encoder, decoder, regularizer, loss, weight, seed)

    return build
