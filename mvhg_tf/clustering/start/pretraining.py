"""A start for VaDE: a plain autoencoder, then a mixture of its embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA

from mvhg_tf.clustering import likelihoods
from mvhg_tf.clustering.batches import batches
from mvhg_tf.clustering.checks import check_batch_size, check_choice, check_whole
from mvhg_tf.clustering.start import em, layer_wise, search
from mvhg_tf.clustering.start.whitening import LinearEnds, whitening
from mvhg_tf.runs.errors import UserError

if TYPE_CHECKING:
    from mvhg_tf.clustering.vade import VaDE

INITS = {
    "auto": search.fit_auto,
    "balanced": em.fit_balanced,
    "free": em.fit_free,
}

_BATCH_SIZE = 128
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 2400, 25, 200
_LEARNING_RATE = 1e-3
_RIDGE = 1e-3  # of the mean variance of the embeddings
# Of the variance within clusters, in q(z | x) at the start: embeddings are then
# nearly as sharp as the autoencoder's.
_POSTERIOR_SHARE = 0.05


def pretrain(
    model: VaDE,
    x: np.ndarray,
    init: str = "auto",
    epochs: int | None = None,
    layer_wise_epochs: int = 0,
    batch_size: int | None = None,
    starts: int = 12,
    whiten: bool = True,
    verbose: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
) -> np.ndarray:
    """Trains encoder and decoder as a plain autoencoder, then starts the mixture.

    Clusters are found on the embeddings by EM with full covariances. The model's
    mixture has diagonal ones, so the embeddings are first rotated and scaled to suit it
    (`whitening`); its means, variances and weights are then their moments under the
    clusters found. An encoder layer named "log_variance" that has a bias is set to a
    small constant variance.

    Args:
      model: the VaDE.
      x: float32 `[N, D]`, checked.
      init: "auto": clusters of equal size, unless others are clearly better separated
        (`search.fit_auto`); "balanced": clusters of equal size (`em.fit_balanced`), an
        assumption that helps a lot where it nearly holds; "free": the likeliest
        clusters, of any size (`em.fit_free`).
      epochs: of the autoencoder, with Adam, 1e-3, cosine decay; by default as many as
        2400 steps take, but 25 to 200. 0 leaves the networks as they are, for example
        after `load_jiang_weights`. By default, networks without hidden layers are set
        to the principal components, the optimum for a Gaussian likelihood.
      layer_wise_epochs: epochs of `layer_wise.train` for each pair of layers, before
        the autoencoder's; 0 for none.
      batch_size: of the autoencoder, at most N; by default 128, or N if that is less.
      starts: of the clustering.
      whiten: whether to rotate and scale the embeddings. This needs networks that are
        linear at the embeddings.
      verbose: of Keras.
      callbacks: of Keras, for the autoencoder.

    Returns:
      The responsibilities of the clusters found, float32 `[N, K]`, for `VaDE.fit`.

    Raises:
      UserError: a ValueError, if an argument is not as described here, or the
        autoencoder's embeddings are not finite.
    """
    batch_size = min(_BATCH_SIZE, len(x)) if batch_size is None else batch_size
    check_batch_size(batch_size, len(x))
    check_choice("init", init, INITS)
    is_linear = epochs is None and not layer_wise_epochs and _is_linear(model)
    if epochs is None:
        epochs = _epochs_for(-(-len(x) // batch_size))
    check_whole("epochs", epochs, 0)
    check_whole("layer_wise_epochs", layer_wise_epochs, 0)
    check_whole("starts", starts, 1)
    ends = LinearEnds(model.encoder, model.decoder) if whiten else None
    if layer_wise_epochs:
        layer_wise.train(model, x, layer_wise_epochs, batch_size, verbose)
    if is_linear:
        set_principal_components(model, x)
    elif epochs:
        train_autoencoder(model, x, epochs, batch_size, verbose, callbacks)
    embeddings = model.encode(x).astype(np.float64)
    q = _start_mixture(model, embeddings, init, starts, ends)
    _fit_scale(model, x)
    return q


def _epochs_for(steps: int) -> int:
    """How many epochs of so many steps an autoencoder is trained for by default."""
    return min(max(-(-_STEPS // steps), _FEWEST_EPOCHS), _MOST_EPOCHS)


def _is_linear(model: VaDE) -> bool:
    """Whether the best autoencoder is known: `set_principal_components`."""
    if not isinstance(model.likelihood, likelihoods.Gaussian):
        return False
    layers = [
        layer
        for network in (model.encoder, model.decoder)
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    return len(layers) == 3 and all(
        isinstance(layer, keras.layers.Dense)
        and layer.activation is keras.activations.linear
        and layer.bias is not None
        for layer in layers
    )


def set_principal_components(model: VaDE, x: np.ndarray) -> None:
    """Sets linear networks to the principal components of x, `[N, D]`.

    They reconstruct it with the least squared errors (Baldi and Hornik, 1989).
    """
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    found = PCA(min(model.latent_dim, *x.shape), svd_solver="full").fit(x)
    axes = np.zeros([model.latent_dim, x.shape[1]])
    axes[: len(found.components_)] = found.components_
    (encode,) = [
        layer
        for layer in model.encoder.layers
        if layer.output is model.encoder.outputs[0]
    ]
    encode.set_weights([axes.T, -mean @ axes.T])
    model.decoder.layers[-1].set_weights([axes, mean])


def train_autoencoder(
    model: VaDE,
    x: np.ndarray,
    epochs: int,
    batch_size: int,
    verbose: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
) -> None:
    """Trains the encoder's mean and the decoder to reconstruct x, `[N, D]`."""
    data, steps = batches((x, x), batch_size, model.seed, epochs)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps)
    mean = model.encoder.outputs[0]
    autoencoder = keras.Model(model.encoder.inputs, model.decoder(mean))
    autoencoder.compile(
        keras.optimizers.Adam(rate),
        loss=lambda x, outputs: -model.likelihood.log_prob(x, outputs),
        jit_compile=False,
    )
    autoencoder.fit(
        data,
        steps_per_epoch=steps,
        epochs=epochs,
        verbose=verbose,
        callbacks=callbacks,
        shuffle=False,
    )


def _start_mixture(
    model: VaDE, embeddings: np.ndarray, init: str, starts: int, ends: LinearEnds | None
) -> np.ndarray:
    """Finds clusters, and gives the model their moments; whitened if `ends` are given.

    Returns:
      The responsibilities, float32 `[N, K]`.
    """
    if not np.isfinite(embeddings).all():
        raise UserError(
            "The embeddings of the autoencoder are not finite, so they can't be "
            "clustered: pass a likelihood with a larger scale, or other networks."
        )
    ridge = _RIDGE * embeddings.var(axis=0).mean() + 1e-9
    q = INITS[init](embeddings, model.num_clusters, ridge, starts, model.seed)
    found = em.components(embeddings, q, ridge)
    shares = np.maximum(q.mean(axis=0), 1e-9)
    shares /= shares.sum()
    if ends is not None:
        found = _whiten(ends, found, shares, centre=embeddings.mean(axis=0))
    variances = np.diagonal(found.covariances, axis1=1, axis2=2)
    model.set_mixture(found.means, variances, shares)
    _set_log_variance(model.encoder, np.log(_POSTERIOR_SHARE * shares @ variances))
    return q.astype(np.float32)


def _fit_scale(model: VaDE, x: np.ndarray) -> None:
    """Sets a likelihood's scale, if it has one, for draws of z from q(z | x)."""
    if hasattr(model.likelihood, "fit_scale"):
        mean, log_variance = model.encoder.predict(x, verbose=0)
        noise = np.random.default_rng(model.seed).standard_normal(mean.shape)
        z = mean + np.exp(0.5 * log_variance) * noise
        model.likelihood.fit_scale(x, model.decoder.predict(z, verbose=0))


def _whiten(
    ends: LinearEnds, found: em.Components, shares: np.ndarray, centre: np.ndarray
) -> em.Components:
    matrix = whitening(found.covariances, shares)
    ends.transform(matrix, centre)
    means = (found.means - centre) @ matrix
    return em.Components(means, matrix.T @ found.covariances @ matrix)


def _set_log_variance(encoder: keras.Model, log_variance: np.ndarray) -> None:
    for layer in encoder.layers:
        if layer.name == "log_variance" and getattr(layer, "bias", None) is not None:
            layer.kernel.assign(tf.zeros_like(layer.kernel))
            layer.bias.assign(log_variance)
