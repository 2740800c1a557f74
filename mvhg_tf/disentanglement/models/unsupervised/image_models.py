"""The models of single images that gin files name: `model.model = @vae()`.

Names and parameters are disentanglement_lib's. Each is a function that returns a
builder; `train` calls the builder with the data set's image shape and a seed once
both are known.
"""

import functools
from collections.abc import Callable
from typing import Any

import gin

from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import (
    AdversarialTotalCorrelation,
    FactorVAE,
)
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.networks import (
    Shape,
    make_discriminator,
    make_networks,
)
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import NotNegative, Positive

ModelBuilder = Callable[[Shape, int], VAE]


@gin_config.configurable("vae")
def vae(beta: NotNegative = gin.REQUIRED) -> ModelBuilder:
    """beta-VAE (Higgins et al. 2017).

    Args:
      beta: weight of the KL to the prior.
    """
    return with_regularizer(image_regularizers.WeightedKL(beta))


@gin_config.configurable("annealed_vae")
def annealed_vae(
    gamma: NotNegative = gin.REQUIRED,
    c_max: NotNegative = gin.REQUIRED,
    iteration_threshold: Positive = gin.REQUIRED,
) -> ModelBuilder:
    """AnnealedVAE (Burgess et al. 2018).

    Args:
      gamma: weight of the distance of the KL from the capacity.
      c_max: the final capacity, in nats.
      iteration_threshold: the step at which it is reached.
    """
    return with_regularizer(
        image_regularizers.AnnealedCapacity(gamma, c_max, iteration_threshold)
    )


@gin_config.configurable("dip_vae")
def dip_vae(
    lambda_od: NotNegative = gin.REQUIRED,
    lambda_d_factor: NotNegative = gin.REQUIRED,
    dip_type: image_regularizers.DipType = "i",
) -> ModelBuilder:
    """DIP-VAE (Kumar et al. 2018).

    Args:
      lambda_od: weight of the covariances.
      lambda_d_factor: weight of the variances' distances from 1, in `lambda_od`.
      dip_type: "i" (of the posterior means) or "ii" (of the latents).
    """
    return with_regularizer(
        image_regularizers.MomentMatching(lambda_od, lambda_d_factor, dip_type)
    )


@gin_config.configurable("beta_tc_vae")
def beta_tc_vae(beta: NotNegative = gin.REQUIRED) -> ModelBuilder:
    """beta-TC-VAE (Chen et al. 2018).

    Args:
      beta: weight of the total correlation within the KL.
    """
    return with_regularizer(image_regularizers.WeightedTotalCorrelation(beta))


@gin_config.configurable("factor_vae")
def factor_vae(gamma: NotNegative = gin.REQUIRED) -> ModelBuilder:
    """FactorVAE (Kim and Mnih 2018).

    Args:
      gamma: weight of the total correlation, as the discriminator sees it.
    """

    def build(observation_shape: Shape, seed: int) -> FactorVAE:
        encoder, decoder = make_networks(observation_shape)
        discriminator = make_discriminator(encoder.outputs[0].shape[-1])
        regularizer = AdversarialTotalCorrelation(discriminator, gamma)
        return FactorVAE(encoder, decoder, regularizer, seed)

    return build


def with_regularizer(regularizer: image_regularizers.Regularizer) -> ModelBuilder:
    """A model of your own: a VAE with an additional regulariser."""
    return functools.partial(_build, regularizer=regularizer)


def _build(
    observation_shape: Shape, seed: int, regularizer: image_regularizers.Regularizer
) -> VAE:
    encoder, decoder = make_networks(observation_shape)
    return VAE(encoder, decoder, regularizer, seed)


_OF_THE_LIBRARY = (
    "AnnealedVAE",
    "BaseVAE",
    "BetaTCVAE",
    "BetaVAE",
    "DIPVAE",
    "GaussianEncoderModel",
)


def __getattr__(name: str) -> Any:
    # The library's `vae` is this module.
    if name in _OF_THE_LIBRARY:
        raise AttributeError(
            f"{name} of disentanglement_lib builds a graph of TensorFlow 1: pass your "
            "own regulariser to image_models.with_regularizer, as shown in "
            "docs/how_to/moving_a_script.md."
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
