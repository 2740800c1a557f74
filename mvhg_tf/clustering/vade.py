"""VaDE: a variational autoencoder whose embeddings follow a mixture of Gaussians."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.saving import register_keras_serializable
from numpy.typing import ArrayLike

from mvhg_tf.clustering import checks, likelihoods, priors
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.batches import batches
from mvhg_tf.clustering.mixture import GaussianMixture
from mvhg_tf.clustering.start.pretraining import pretrain
from mvhg_tf.runs.errors import UserError

_LOG_NAMES = ("loss", "elbo", "reconstruction_loss", "prior", "entropy")
_BLOCK = 64  # rows, a multiple of what TensorFlow's kernels work on at once
_SCORE_DRAWS = 10
_LEAST_RESPONSIBILITY = 1e-20  # has a logarithm in float32


@register_keras_serializable(package="mvhg_tf")
class VaDE(keras.Model):
    """Variational deep clustering (Jiang et al. 2016; Sutter et al. 2023, C.3).

    ```python
    x = sklearn.datasets.load_digits().data / 16  # [N, D] in [0, 1]
    model = VaDE(num_features=64, num_clusters=10, prior="hypergeometric")
    responsibilities = model.pretrain(x)  # [N, 10]
    model.fit(x, epochs=10, responsibilities=responsibilities)
    clusters = model.predict(x)  # [N], in 0..9
    ```

    It maximises the ELBO of eq. 59: the expected log-likelihood, log p(c | pi) of
    the `prior`, and log p(Z | c), plus the entropies of q(Z | X) and q(c | X), where
    q(c | X) are the responsibilities of eq. 63 at a z drawn from q(z | x). All noise
    follows from `seed` and the count of steps.

    Args:
      num_features: D, the features of a sample.
      num_clusters: K, at least 2.
      prior: "uniform", "categorical", "hypergeometric", "random_partition", or a
        `ClusterPrior`.
      likelihood: "bernoulli" (x in [0, 1]), "gaussian" (any x; its scale is learned),
        or an object with `log_prob` and `mean`, see `mvhg_tf.clustering.likelihoods`.
      encoder: Keras model, x `[B, D]` -> mean and log variance of z, `[B, d]` each;
        by default D-500-500-2000-d.
      decoder: Keras model, z `[B, d]` -> outputs `[B, D]` of the likelihood (logits
        for "bernoulli"); by default d-2000-500-500-D.
      latent_dim: d, of the default encoder and decoder.
      temperature: of the straight-through Gumbel-softmax draws of c; a positive number,
        or a schedule of the step such as `ExponentialAnnealing`. Only priors that use
        draws depend on it.
      seed: whole number, of the weights and all the noise.

    Raises:
      UserError: a ValueError, if an argument is not as described here, under a
        distribution strategy with several replicas, or under a dtype policy other than
        float32.
    """

    _least_clusters = 2

    def __init__(
        self,
        num_features: int,
        num_clusters: int,
        prior: str | priors.ClusterPrior = "hypergeometric",
        likelihood: str | likelihoods.Likelihood = "bernoulli",
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        latent_dim: int = 10,
        temperature: float | Callable[[tf.Tensor], tf.Tensor] = 0.5,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        checks.check_environment()
        self.num_features = checks.check_whole("num_features", num_features, 1)
        self.num_clusters = checks.check_whole(
            "num_clusters", num_clusters, self._least_clusters
        )
        self.seed = checks.check_whole("seed", seed, 0)
        latent_dim = checks.check_whole("latent_dim", latent_dim, 1)
        if not callable(temperature) and not temperature > 0:
            raise UserError(
                f"temperature is {temperature!r}, but must be positive: pass a number "
                "above 0 or a schedule."
            )
        self.temperature = temperature
        self.prior = priors.get(prior)
        self.likelihood = likelihoods.get(likelihood)
        if encoder is None:
            encoder = make_encoder(num_features, latent_dim, self.seed)
        self.latent_dim = _latent_dim_of(encoder, self.num_features)
        if decoder is None:
            decoder = make_decoder(num_features, self.latent_dim, self.seed)
        _check_decoder(decoder, self.latent_dim, self.num_features)
        self.encoder = encoder
        self.decoder = decoder
        self.mixture = GaussianMixture(name="mixture")
        self.mixture.build(self.num_clusters, self.latent_dim, self.seed)
        if not self.prior.built:
            self.prior.build(self.num_clusters)
        self._held = tf.Variable(False, trainable=False)
        self._means = [keras.metrics.Mean(name=name) for name in _LOG_NAMES]
        self.built = True
        self.compile()

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str | None = None,
        learning_rate: float | Callable[[tf.Tensor], tf.Tensor] = 1e-3,
        prior_rate: float = 10.0,
        prior_weight: float = 1.0,
        jit_compile: bool = False,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer: by default Adam with `learning_rate`.

        Args:
          optimizer: of Keras; it keeps its own learning rate.
          learning_rate: positive number or Keras schedule, of the default optimizer.
          prior_rate: positive factor by which the steps of the prior's parameters (log
            pi, log omega) are scaled.
          prior_weight: weight, at least 0, of a batch's E log p(c) / B in the loss. 1
            gives the ELBO. B adds the batch's whole E log p(c) to a loss that is
            otherwise the mean over its samples. `elbo` is reported without the weight.
          jit_compile: whether XLA compiles the step, which is a graph in any case.
          **kwargs: further arguments of `keras.Model.compile`.

        Raises:
          UserError: a ValueError, if `prior_rate` is not positive, or `prior_weight`
            negative or not finite.
        """
        if not prior_rate > 0:
            raise UserError(
                f"prior_rate is {prior_rate!r}, but must be positive: pass a number "
                "above 0."
            )
        if not 0 <= prior_weight < math.inf:
            raise UserError(
                f"prior_weight is {prior_weight!r}, but must be a finite number of at "
                "least 0: pass such a number."
            )
        if optimizer is None:
            optimizer = keras.optimizers.Adam(learning_rate)
        self._prior_rate = float(prior_rate)
        self._prior_weight = float(prior_weight)
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)

    def get_compile_config(self) -> dict:
        optimizer = keras.saving.serialize_keras_object(self.optimizer)
        return {
            "optimizer": optimizer,
            "prior_rate": self._prior_rate,
            "prior_weight": self._prior_weight,
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config: dict) -> None:
        """Compiles as saved, with the optimizer's variables, to resume training."""
        optimizer = keras.saving.deserialize_keras_object(config["optimizer"])
        self.compile(**{**config, "optimizer": optimizer})
        optimizer.build(self.trainable_variables)

    def pretrain(self, x: np.ndarray, **kwargs: Any) -> np.ndarray:
        """Starts the networks and the mixture; see `pretraining.pretrain`.

        Returns:
          The responsibilities of the start, float32 `[N, K]`, to pass on to `fit`.
        """
        x = self._as_training_data(x)
        return pretrain(self, x, **kwargs)

    def fit(
        self,
        x: np.ndarray,
        batch_size: int = 128,
        responsibilities: np.ndarray | None = None,
        held_epochs: int = 4,
        epochs: int = 1,
        initial_epoch: int = 0,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains on x.

        Args:
          x: `[N, D]`; in [0, 1] for a Bernoulli likelihood.
          batch_size: B, at most N.
          responsibilities: of the samples, `[N, K]`, as returned by `pretrain`. They
            replace those of eq. 63 in the first `held_epochs`, so that networks and
            mixture fit each other before clusters change.
          held_epochs: how many; counted from the first epoch of training, regardless of
            `initial_epoch`.
          epochs: the epoch to stop before, as in Keras.
          initial_epoch: the epoch to start with. Order and noise depend on the seed and
            the counts of epochs and steps, so a restored model continues as if it had
            never stopped.
          **kwargs: further arguments of `keras.Model.fit`, such as `verbose`,
            `callbacks` and `validation_data` (an array).

        Returns:
          The `keras.callbacks.History`.

        Raises:
          UserError: a ValueError, if an argument is not allowed.
        """
        x = self._as_training_data(x)
        checks.check_batch_size(batch_size, len(x))
        self.prior.check_sizes(int(batch_size), len(x))
        checks.check_whole("held_epochs", held_epochs, 0)
        checks.check_whole("epochs", epochs, 1)
        checks.check_whole("initial_epoch", initial_epoch, 0)
        callbacks = keras.tree.flatten(kwargs.pop("callbacks", None) or [])
        self._held.assign(False)
        parts: np.ndarray | tuple[np.ndarray, ...] = x
        if responsibilities is not None:
            shape = (len(x), self.num_clusters)
            parts = (x, checks.as_responsibilities(responsibilities, shape))
            callbacks.append(_Hold(self._held, held_epochs))
        self.prior.configure(int(batch_size), len(x))
        data, steps = batches(parts, int(batch_size), self.seed, epochs, initial_epoch)
        return super().fit(
            data,
            steps_per_epoch=steps,
            epochs=epochs,
            initial_epoch=initial_epoch,
            shuffle=False,
            callbacks=callbacks,
            **kwargs,
        )

    def predict(self, x: np.ndarray, batch_size: int = 1024) -> np.ndarray:
        """The likeliest cluster of each sample, `[N, D]` -> int64 `[N]`."""
        return self.predict_proba(x, batch_size).argmax(axis=-1)

    def predict_proba(self, x: np.ndarray, batch_size: int = 1024) -> np.ndarray:
        """Responsibilities at the mean embedding (eq. 63), float32 `[N, K]`."""
        z = self.encode(x, batch_size)
        padded = tf.convert_to_tensor(_to_full_blocks(z))
        return np.exp(self._log_responsibilities(padded))[: len(z)]

    def encode(self, x: np.ndarray, batch_size: int = 1024) -> np.ndarray:
        """The mean embeddings, `[N, D]` -> float32 `[N, d]`."""
        x = checks.as_samples(x, self.num_features, self._bounds)
        parts = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
        return np.concatenate([self._encode_batch(part) for part in parts])

    def decode(self, z: np.ndarray) -> np.ndarray:
        """E[x | z], `[N, d]` -> float32 `[N, D]`."""
        z = checks.as_samples(z, self.latent_dim)
        outputs = self.decoder(_to_full_blocks(z), training=False)
        return self.likelihood.mean(outputs).numpy()[: len(z)]

    def score_samples(self, x: np.ndarray, batch_size: int = 1024) -> np.ndarray:
        """A lower bound of log p(x) of each sample, `[N, D]` -> float32 `[N]`.

        The terms of eq. 59, with the log of the prior's proportions for log p(c), so
        that samples do not depend on one another. It uses ten draws of z, with the same
        noise for all samples.
        """
        x = checks.as_samples(x, self.num_features, self._bounds)
        noise = np.random.default_rng(self.seed).standard_normal(
            [_SCORE_DRAWS, self.latent_dim], np.float32
        )
        parts = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
        return np.concatenate([self._score_batch(part, noise) for part in parts])

    def _score_batch(self, x: np.ndarray, noise: np.ndarray) -> np.ndarray:
        rows = tf.convert_to_tensor(_to_full_blocks(x))
        mean, log_variance = self.encoder(rows, training=False)
        log_p_z = self.mixture.expected_log_prob(mean, log_variance)
        log_prior = log_p_z + self.prior.log_proportions()
        values = [
            self._score_draw(rows, mean + tf.exp(0.5 * log_variance) * draw, log_prior)
            for draw in noise
        ]
        entropy = _normal_entropy(log_variance)
        return (tf.add_n(values) / len(values) + entropy).numpy()[: len(x)]

    def _score_draw(
        self, x: tf.Tensor, z: tf.Tensor, log_prior: tf.Tensor
    ) -> tf.Tensor:
        """The terms that depend on z, at one draw of it, `[B]`."""
        log_q = self._log_responsibilities(z)
        inside = tf.reduce_sum(tf.exp(log_q) * (log_prior - log_q), axis=-1)
        return inside + self.likelihood.log_prob(x, self.decoder(z, training=False))

    @property
    def _bounds(self) -> tuple[float, float] | None:
        return getattr(self.likelihood, "bounds", None)

    def _as_training_data(self, x: ArrayLike) -> np.ndarray:
        return checks.as_training_data(
            x, self.num_features, self.num_clusters, self._bounds
        )

    def _encode_batch(self, x: np.ndarray) -> np.ndarray:
        mean, _ = self.encoder(_to_full_blocks(x), training=False)
        return mean.numpy()[: len(x)]

    def elbo(self, x: np.ndarray, batch_size: int = 1024) -> float:
        """The mean ELBO of the samples `[N, D]` (eq. 59), in nats, at one draw of z."""
        x = checks.as_samples(x, self.num_features, self._bounds)
        logs = self.evaluate(
            tf.data.Dataset.from_tensor_slices(x).batch(batch_size),
            return_dict=True,
            verbose=0,
        )
        return float(logs["elbo"])

    def sample(self, cluster: int, n: int, seed: int = 0) -> np.ndarray:
        """E[x | z] at n draws of z from a cluster, float32 `[n, D]`.

        Raises:
          UserError: if `cluster` is out of range.
        """
        if cluster not in range(self.num_clusters):
            raise UserError(
                f"cluster is {cluster!r}, but must be a whole number from 0 to "
                f"{self.num_clusters - 1}: pass one of these."
            )
        n = checks.check_whole("n", n, 1)
        noise = tf.random.stateless_normal([n, self.latent_dim], [seed, cluster])
        scale = tf.exp(0.5 * self.mixture.log_variances[cluster])
        outputs = self.decoder(self.mixture.means[cluster] + scale * noise)
        return self.likelihood.mean(outputs).numpy()

    def set_mixture(
        self, means: np.ndarray, variances: np.ndarray, weights: np.ndarray
    ) -> None:
        """Sets the mixture of the embeddings, and the proportions of the prior.

        Args:
          means: `[K, d]`.
          variances: positive, `[K, d]`.
          weights: of the clusters, nonnegative with a positive sum, `[K]`.

        Raises:
          UserError: if a shape or value is not as described here.
        """
        shape = (self.num_clusters, self.latent_dim)
        given = (np.shape(means), np.shape(variances), np.shape(weights))
        if given != (shape, shape, shape[:1]):
            raise UserError(
                f"means, variances and weights have the shapes {given}, but must have "
                f"{(shape, shape, shape[:1])}: give a row for each cluster."
            )
        if not (np.min(variances) > 0 and np.min(weights) >= 0 and np.sum(weights) > 0):
            raise UserError(
                "Variances must be positive, and weights nonnegative and not all 0: "
                "give such values."
            )
        self.mixture.means.assign(means)
        self.mixture.log_variances.assign(np.log(variances))
        self.prior.set_proportions(np.asarray(weights) / np.sum(weights))

    def losses_of(
        self,
        x: tf.Tensor,
        step: tf.Tensor,
        training: bool,
        responsibilities: tf.Tensor | None = None,
    ) -> dict:
        """The loss of a batch, its ELBO (eq. 59) and the parts, in nats a sample.

        Args:
          x: float32 `[B, D]`.
          step: whole scalar, which determines the noise together with the seed.
          training: passed on to the networks.
          responsibilities: float32 `[B, K]`; those that `fit` holds fixed, if any.

        Returns:
          Scalars: `loss`, `elbo`, `reconstruction_loss`; `prior`, the expected
          log p(c | pi) + log p(z | c); and `entropy`, of q(z | x) and q(c | x). `loss`
          is -`elbo` where `prior_weight` is 1.
        """
        seeds = tf.random.split(tf.stack([self.seed, tf.cast(step, tf.int32)]), 2)
        mean, log_variance = self.encoder(x, training=training)
        noise = tf.random.stateless_normal(tf.shape(mean), seeds[0])
        z = mean + tf.exp(0.5 * log_variance) * noise
        outputs = self.decoder(z, training=training)
        log_responsibilities = self._log_responsibilities(z)
        if responsibilities is not None:
            held = tf.math.log(tf.maximum(responsibilities, _LEAST_RESPONSIBILITY))
            log_responsibilities = tf.where(self._held, held, log_responsibilities)
        responsibilities = tf.exp(log_responsibilities)
        assignments = self._draw_assignments(log_responsibilities, step, seeds[1])
        log_p_c = self.prior.expected_log_prob(responsibilities, assignments)
        log_p_z = tf.reduce_sum(
            responsibilities * self.mixture.expected_log_prob(mean, log_variance), -1
        )
        entropy = _normal_entropy(log_variance) - tf.reduce_sum(
            responsibilities * log_responsibilities, axis=-1
        )
        reconstruction_loss = -tf.reduce_mean(self.likelihood.log_prob(x, outputs))
        prior = log_p_c + tf.reduce_mean(log_p_z)
        entropy = tf.reduce_mean(entropy)
        elbo = prior + entropy - reconstruction_loss
        loss = -elbo - (self._prior_weight - 1.0) * log_p_c
        return dict(
            zip(
                _LOG_NAMES,
                (loss, elbo, reconstruction_loss, prior, entropy),
                strict=True,
            )
        )

    def _log_responsibilities(self, z: tf.Tensor) -> tf.Tensor:
        """log q(c | z), `[B, d]` -> `[B, K]` (eq. 63)."""
        logits = self.mixture.log_prob(z) + self.prior.log_proportions()
        return tf.nn.log_softmax(logits)

    def _draw_assignments(
        self, log_probs: tf.Tensor, step: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """One-hot draws `[B, K]` with straight-through Gumbel-softmax gradients."""
        temperature = self.temperature
        if callable(temperature):
            temperature = temperature(step)
        uniform = tf.random.stateless_uniform(
            tf.shape(log_probs), seed, minval=np.finfo(np.float32).tiny
        )
        scores = log_probs - tf.math.log(-tf.math.log(uniform))
        soft = tf.nn.softmax(scores / temperature)
        hard = tf.one_hot(tf.argmax(scores, axis=-1), self.num_clusters)
        return hard + soft - tf.stop_gradient(soft)

    @property
    def metrics(self) -> list[keras.Metric]:
        """The means over an epoch of the values of `losses_of`."""
        return self._means

    def train_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step of the optimizer, whose count of steps drives the noise."""
        x, held, _ = keras.utils.unpack_x_y_sample_weight(x)
        step = tf.convert_to_tensor(self.optimizer.iterations)
        with tf.GradientTape() as tape:
            losses = self.losses_of(x, step, training=True, responsibilities=held)
        variables = self.trainable_variables
        gradients = tape.gradient(losses["loss"], variables)
        of_prior = self.prior.trainable_variables
        before = [tf.identity(variable) for variable in of_prior]
        self.optimizer.apply(gradients, variables)
        for variable, old in zip(of_prior, before, strict=True):
            variable.assign(old + self._prior_rate * (variable - old))
        return self._logged(losses, tf.shape(x)[0])

    def test_step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same values without a step of the optimizer."""
        x = keras.utils.unpack_x_y_sample_weight(x)[0]
        step = tf.convert_to_tensor(self.optimizer.iterations)
        return self._logged(self.losses_of(x, step, training=False), tf.shape(x)[0])

    def _logged(self, losses: dict, batch_size: tf.Tensor) -> dict[str, tf.Tensor]:
        for mean in self._means:
            mean.update_state(losses[mean.name], sample_weight=batch_size)
        return {mean.name: mean.result() for mean in self._means}

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Reconstructions E[x | z] at the mean embeddings, `[B, D]`."""
        mean, _ = self.encoder(x, training=training)
        return self.likelihood.mean(self.decoder(mean, training=training))

    def export(self, filepath: str, *args: Any, **kwargs: Any) -> None:
        """Exports `call` as Keras's `export` does: the SavedModel needs no mvhg_tf.

        Args:
          filepath: the folder to make.
          *args: further arguments of `keras.Model.export`.
          **kwargs: the same by their names.
        """
        # Keras exports the signature of a call, and training makes no call.
        self.build((None, self.num_features))
        self(tf.zeros([1, self.num_features]))
        super().export(filepath, *args, **kwargs)

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        temperature = self.temperature
        if callable(temperature):
            temperature = serialize(temperature)
        return {
            "num_features": self.num_features,
            "num_clusters": self.num_clusters,
            "prior": serialize(self.prior),
            "likelihood": serialize(self.likelihood),
            "encoder": serialize(self.encoder),
            "decoder": serialize(self.decoder),
            "temperature": temperature,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict) -> "VaDE":
        parts = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("prior", "likelihood", "encoder", "decoder", "temperature")
        }
        return cls(**{**config, **parts})


class _Hold(keras.callbacks.Callback):
    """Sets `held` during the first epochs."""

    def __init__(self, held: tf.Variable, num_epochs: int) -> None:
        super().__init__()
        self._held = held
        self._num_epochs = num_epochs

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._held.assign(epoch < self._num_epochs)


def _latent_dim_of(encoder: keras.Model, num_features: int) -> int:
    """d; a UserError unless the encoder maps `[B, D]` to two `[B, d]`."""
    outputs = [list(output.shape) for output in encoder.outputs]
    inputs = [list(tensor.shape) for tensor in encoder.inputs]
    pair = len(outputs) == 2 and outputs[0] == outputs[1] and len(outputs[0]) == 2
    if inputs != [[None, num_features]] or not pair:
        raise UserError(
            f"encoder maps {inputs} to {outputs}, but must map [B, {num_features}] to "
            "the mean and log variance, [B, d] each: pass such a Keras model."
        )
    return outputs[0][-1]


def _check_decoder(decoder: keras.Model, latent_dim: int, num_features: int) -> None:
    shapes = (list(decoder.input_shape), list(decoder.output_shape))
    if shapes != ([None, latent_dim], [None, num_features]):
        raise UserError(
            f"decoder maps {shapes[0]} to {shapes[1]}, but must map [B, {latent_dim}] "
            f"to [B, {num_features}]: pass such a Keras model."
        )


def _normal_entropy(log_variance: tf.Tensor) -> tf.Tensor:
    """Of q(z | x), `[B, d]` -> `[B]`."""
    return tf.reduce_sum(0.5 * (1.0 + math.log(2.0 * math.pi) + log_variance), axis=-1)


def _to_full_blocks(rows: np.ndarray) -> np.ndarray:
    """Adds rows of zeros to `[N, ...]`, to a multiple of `_BLOCK`.

    Rows after the last full block would go through other machine code, which rounds
    differently: a sample's result would depend on its position.
    """
    missing = -len(rows) % _BLOCK
    return np.pad(rows, [(0, missing), *[(0, 0)] * (rows.ndim - 1)])
