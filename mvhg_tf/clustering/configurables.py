"""Clustering's options as gin configurables; importing this module registers them.

vade.prior = @hypergeometric_prior()
hypergeometric_prior.group_sizes = "batch"
pretrain.init = "auto"
fit.epochs = 10
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated

import gin
import keras
import numpy as np
import tensorflow as tf

from mvhg_tf import schedules  # noqa: F401  (for gin)
from mvhg_tf.clustering import defaults, likelihoods, priors
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.checks import check_batch_size
from mvhg_tf.clustering.start.jiang_weights import load_jiang_weights
from mvhg_tf.clustering.vade import VaDE
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import (
    Positive,
    PositiveInt,
    PositiveInts,
    at_least,
)

_PARTS: dict[str, dict[str, type]] = {
    "vade.prior": {
        "uniform_prior": priors.UniformPrior,
        "categorical_prior": priors.CategoricalPrior,
        "hypergeometric_prior": priors.HypergeometricPrior,
        "random_partition_prior": priors.RandomPartitionPrior,
    },
    "vade.likelihood": {
        "bernoulli_likelihood": likelihoods.Bernoulli,
        "gaussian_likelihood": likelihoods.Gaussian,
    },
}
for _parts in _PARTS.values():
    for _name, _part in _parts.items():
        gin.external_configurable(_part, _name)


def check_all_used(command_bindings: Sequence[str]) -> None:
    """Refuses bindings of a prior or a likelihood that no model would get.

    A file's binding for its own prior may remain unused if the command chooses another
    prior.

    Args:
      command_bindings: the bindings that do not come from a file.

    Raises:
      UserError: a ValueError, if there is such a binding.
    """
    config, command = gin.config_str(), "\n".join(command_bindings)
    for parameter, parts in _PARTS.items():
        for name in parts:
            bound = re.search(rf"\b{name}\.\w+(?= =)", config)
            if not bound or re.search(rf"@\S*\b{name}\b", config):
                continue
            if parameter in command and f"{name}." not in command:
                continue
            raise UserError(
                f"{bound[0]} is bound, but is used only with {parameter} = @{name}(): "
                "bind that too, or leave it out."
            )


@gin_config.configurable(
    "vade",
    denylist=["num_features", "num_clusters", "seed", "num_samples", "is_table"],
)
def vade(
    num_features: int,
    num_clusters: int,
    seed: int,
    num_samples: int,
    is_table: bool = False,
    prior: str | priors.ClusterPrior = "hypergeometric",
    likelihood: str | likelihoods.Likelihood = "auto",
    units: PositiveInts | None = None,
    latent_dim: PositiveInt | None = None,
    temperature: Positive | Callable[[tf.Tensor], tf.Tensor] = 0.5,
    learning_rate: Positive | Callable[[tf.Tensor], tf.Tensor] = 1e-3,
    prior_rate: Positive = 10.0,
    prior_weight: Annotated[float, at_least(0)] = 1.0,
) -> VaDE:
    """A compiled VaDE.

    Args:
      num_features: D.
      num_clusters: K.
      seed: of the weights and the noise.
      num_samples: N.
      is_table: whether samples are rows of numbers, rather than intensities.
      prior: a name, or a reference such as `@hypergeometric_prior()`.
      likelihood: a name, or a reference such as `@gaussian_likelihood()`. "auto":
        Bernoulli for intensities, Gaussian with a learned scale for a table.
      units: of the hidden layers of the encoder; the decoder mirrors them. By default,
        those of `defaults.units_for`.
      latent_dim: d; by default that of `defaults.latent_dim_for`.
      temperature: of the draws of assignments; or such as `@ExponentialAnnealing()`.
      learning_rate: of Adam; or such as `@ExponentialAnnealing()`.
      prior_rate: see `VaDE.compile`.
      prior_weight: see `VaDE.compile`.

    Raises:
      UserError: a ValueError, if an argument is not allowed.
    """
    if latent_dim is None:
        latent_dim = defaults.latent_dim_for(num_samples, num_features, num_clusters)
    if units is None:
        units = defaults.units_for(num_samples, num_features, latent_dim, is_table)
    if isinstance(likelihood, str) and likelihood == "auto":
        likelihood = "gaussian" if is_table else "bernoulli"
    model = VaDE(
        num_features,
        num_clusters,
        prior=prior,
        likelihood=likelihood,
        encoder=make_encoder(num_features, latent_dim, seed, units),
        decoder=make_decoder(num_features, latent_dim, seed, units),
        temperature=temperature,
        seed=seed,
    )
    model.compile(
        learning_rate=learning_rate, prior_rate=prior_rate, prior_weight=prior_weight
    )
    return model


@gin.configurable(
    "pretrain", denylist=["model", "x", "verbose", "callbacks", "is_done"]
)
def pretrain(
    model: VaDE,
    x: np.ndarray,
    init: str = "auto",
    epochs: int | None = None,
    layer_wise_epochs: int = 0,
    batch_size: int | None = None,
    starts: int = 12,
    whiten: bool = True,
    weights: str = "",
    verbose: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    is_done: bool = False,
) -> np.ndarray | None:
    """`VaDE.pretrain`, after loading `weights` if a file is given.

    Args as `pretraining.pretrain`, but:
      weights: path of the weights of Jiang et al. (2016), or "". Bind `epochs` to 0
        to leave the networks as these make them.
      is_done: whether an earlier process has pretrained the model: then the call only
        registers the used values with gin.

    Returns:
      Responsibilities, float32 `[N, K]`; None if it is done.

    Raises:
      UserError: a ValueError, if an argument is not allowed.
    """
    if is_done:
        return None
    if weights:
        load_jiang_weights(model, weights)
    return model.pretrain(
        x,
        init=init,
        epochs=epochs,
        layer_wise_epochs=layer_wise_epochs,
        batch_size=batch_size,
        starts=starts,
        whiten=whiten,
        verbose=verbose,
        callbacks=callbacks,
    )


@gin_config.configurable("fit", denylist=["num_samples"])
def fit_arguments(
    num_samples: int,
    epochs: PositiveInt | None = None,
    batch_size: PositiveInt | None = None,
    held_epochs: Annotated[int, at_least(0)] | None = None,
) -> dict[str, int]:
    """The arguments of `VaDE.fit`, checked before anything else runs.

    Args:
      num_samples: N.
      epochs: of training; by default as many as 120 steps take, but 10 to 50.
      batch_size: B, at most N; by default 128, or N if that is less.
      held_epochs: how many of them keep the clusters of the start; by default two in
        five.

    Raises:
      UserError: a ValueError, if an argument is not allowed.
    """
    batch_size = min(128, num_samples) if batch_size is None else batch_size
    check_batch_size(batch_size, num_samples)
    epochs = defaults.epochs_for(num_samples, batch_size) if epochs is None else epochs
    held_epochs = 2 * epochs // 5 if held_epochs is None else held_epochs
    return {"epochs": epochs, "batch_size": batch_size, "held_epochs": held_epochs}
