"""A start for VaDE: a plain autoencoder, then a mixture of its embeddings."""

import keras
import numpy as np
import tensorflow as tf
from sklearn.mixture import GaussianMixture

from mvhg_tf.clustering.checks import check_batch_size, check_whole

# Of the variance within clusters, in q(z | x) at the start: embeddings are then
# nearly as sharp as the autoencoder's.
_POSTERIOR_SHARE = 0.05
_RIDGE = 1e-3  # of the mean variance of the embeddings


def pretrain(
    model,
    x: np.ndarray,
    epochs: int = 50,
    batch_size: int | None = None,
    starts: int = 10,
    verbose: int = 0,
) -> None:
    """Trains encoder mean and decoder as an autoencoder, then starts the mixture.

    The mixture is scikit-learn's full-covariance `GaussianMixture`, the likeliest of
    `starts`. The model's own has diagonal covariances, so its means, variances and
    weights are the moments of the embeddings under those responsibilities. An encoder
    layer named "log_variance" that has a bias is set to a small constant variance.

    Args:
      model: the VaDE.
      x: float32 `[N, D]`, checked.
      epochs: of the autoencoder; Adam, 1e-3, cosine decay.
      batch_size: of the autoencoder, at most N; by default 128, or N if that is less.
      starts: of the mixture.
      verbose: of Keras.

    Raises:
      UserError: a ValueError, if a number is out of range.
    """
    batch_size = min(128, len(x)) if batch_size is None else batch_size
    check_batch_size(batch_size, len(x))
    check_whole("epochs", epochs, 1)
    check_whole("starts", starts, 1)
    steps = epochs * -(-len(x) // batch_size)
    mean = model.encoder.outputs[0]
    autoencoder = keras.Model(model.encoder.inputs, model.decoder(mean))
    autoencoder.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)),
        loss=lambda x, outputs: -model.likelihood.log_prob(x, outputs),
        jit_compile=False,
    )
    data = tf.data.Dataset.from_tensor_slices((x, x))
    data = data.shuffle(len(x), seed=model.seed).batch(batch_size).prefetch(2)
    autoencoder.fit(data, epochs=epochs, verbose=verbose, shuffle=False)
    _start_mixture(model, model.encode(x), starts)


def _start_mixture(model, embeddings: np.ndarray, starts: int) -> None:
    embeddings = embeddings.astype(np.float64)
    ridge = _RIDGE * embeddings.var(axis=0).mean() + 1e-9
    mixture = GaussianMixture(
        model.num_clusters,
        covariance_type="full",
        reg_covar=ridge,
        n_init=starts,
        random_state=model.seed,
    ).fit(embeddings)
    q = mixture.predict_proba(embeddings)
    sizes = q.sum(axis=0) + 1e-9
    means = q.T @ embeddings / sizes[:, None]
    variances = q.T @ embeddings**2 / sizes[:, None] - means**2
    variances = np.maximum(variances, ridge)
    model.set_mixture(means, variances, sizes / sizes.sum())
    within = (variances * mixture.weights_[:, None]).sum(axis=0)
    _set_log_variance(model.encoder, np.log(_POSTERIOR_SHARE * within))


def _set_log_variance(encoder: keras.Model, log_variance: np.ndarray) -> None:
    for layer in encoder.layers:
        if layer.name == "log_variance" and getattr(layer, "bias", None) is not None:
            layer.kernel.assign(tf.zeros_like(layer.kernel))
            layer.bias.assign(log_variance)
