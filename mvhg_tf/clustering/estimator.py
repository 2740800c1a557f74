"""VaDE as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mvhg_tf.clustering.architectures import UNITS, make_decoder, make_encoder
from mvhg_tf.clustering.checks import check_choice, check_whole
from mvhg_tf.clustering.vade import VaDE


@keras.saving.register_keras_serializable(package="mvhg_tf")
class _VaDE(VaDE):
    """scikit-learn's checks want one cluster, too, from every clusterer."""

    _least_clusters = 1


class VaDEClusterer(ClusterMixin, BaseEstimator):
    """Variational deep clustering, pretraining included.

    ```python
    x = sklearn.datasets.load_digits().data
    clusters = VaDEClusterer(n_clusters=10, random_state=0).fit_predict(x)
    ```

    VaDE models values in [0, 1]. `scale` says what happens to others.

    Args:
      n_clusters: K.
      prior: "uniform", "categorical", "hypergeometric", or a `ClusterPrior`, of which
        a copy is trained.
      likelihood: "bernoulli", "gaussian", or an object, see `VaDE`.
      scale: "auto": if a value of the training data is outside [0, 1], each feature
        is mapped from its range there to [0, 1], and clipped to it afterwards, else
        nothing is done; "minmax": features are mapped in any case; "none": never, and
        data outside [0, 1] are refused.
      units: of the hidden layers of the encoder; the decoder mirrors them.
      latent_dim: d.
      init: "auto", for clusters of the sizes that the data have; "balanced", for
        clusters of about equal size; or "free", for the likeliest.
      starts: of the clustering of the embeddings.
      pretrain_epochs: of the autoencoder; by default so many that there are 2400
        steps, though 25 to 200; 0 for none.
      epochs: of VaDE itself.
      held_epochs: how many of them keep to the clusters of the start.
      batch_size: B; N, if there are fewer samples.
      learning_rate: of Adam, in the epochs of VaDE.
      random_state: as in scikit-learn.
      verbose: of Keras.

    Attributes:
      model_: the `VaDE`.
      labels_: clusters of the training data, int64 `[N]`.
      scaler_: the `MinMaxScaler` in use, or None.
      n_features_in_: D.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        prior="hypergeometric",
        likelihood="bernoulli",
        scale: str = "auto",
        units: Sequence[int] = UNITS,
        latent_dim: int = 10,
        init: str = "auto",
        starts: int = 12,
        pretrain_epochs: int | None = None,
        epochs: int = 10,
        held_epochs: int = 4,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        random_state=None,
        verbose: int = 0,
    ):
        self.n_clusters = n_clusters
        self.prior = prior
        self.likelihood = likelihood
        self.scale = scale
        self.units = units
        self.latent_dim = latent_dim
        self.init = init
        self.starts = starts
        self.pretrain_epochs = pretrain_epochs
        self.epochs = epochs
        self.held_epochs = held_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None) -> VaDEClusterer:
        """Pretrains and trains on X, `[N, D]`; y is not looked at.

        Raises:
          ValueError: if X or a parameter is not allowed.
        """
        X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        check_choice("scale", self.scale, ("auto", "minmax", "none"))
        check_whole("batch_size", self.batch_size, 1)
        check_whole("epochs", self.epochs, 1)
        check_whole("held_epochs", self.held_epochs, 0)
        outside = X.min() < 0.0 or X.max() > 1.0
        self.scaler_ = None
        if self.scale == "minmax" or (self.scale == "auto" and outside):
            self.scaler_ = MinMaxScaler(clip=True).fit(X)
        X = self._scaled(X)
        batch_size = min(self.batch_size, len(X))
        self.model_ = self._make_model(X.shape[1])
        self.model_.prior.check_sizes(batch_size, len(X))
        responsibilities = self.model_.pretrain(
            X,
            init=self.init,
            epochs=self.pretrain_epochs,
            starts=self.starts,
            batch_size=batch_size,
            verbose=self.verbose,
        )
        self.model_.fit(
            X,
            batch_size=batch_size,
            responsibilities=responsibilities,
            held_epochs=self.held_epochs,
            epochs=self.epochs,
            verbose=self.verbose,
        )
        self.labels_ = self.model_.predict(X)
        return self

    def predict(self, X) -> np.ndarray:
        """The likeliest cluster of each sample, `[N, D]` -> int64 `[N]`."""
        X = self._checked(X)
        return self.model_.predict(X)

    def predict_proba(self, X) -> np.ndarray:
        """Responsibilities (eq. 63), `[N, D]` -> float32 `[N, K]`."""
        X = self._checked(X)
        return self.model_.predict_proba(X)

    def score(self, X, y=None) -> float:
        """The mean ELBO of the samples, in nats; y is not looked at."""
        X = self._checked(X)
        return self.model_.elbo(X)

    def _make_model(self, num_features: int) -> VaDE:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        check_whole("latent_dim", self.latent_dim, 1)
        for size in self.units:
            check_whole("A number in units", size, 1)
        prior = self.prior
        if not isinstance(prior, str):
            prior = keras.saving.serialize_keras_object(prior)
        model = _VaDE(
            num_features,
            self.n_clusters,
            prior=prior,
            likelihood=self.likelihood,
            encoder=make_encoder(num_features, self.latent_dim, seed, self.units),
            decoder=make_decoder(num_features, self.latent_dim, seed, self.units),
            seed=seed,
            name="vade",  # of the class, Keras would make one that can't be exported
        )
        model.compile(learning_rate=self.learning_rate)
        return model

    def _checked(self, X) -> np.ndarray:
        check_is_fitted(self)
        return self._scaled(validate_data(self, X, dtype=np.float32, reset=False))

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return X if self.scaler_ is None else self.scaler_.transform(X)
