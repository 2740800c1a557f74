"""VaDE as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from mvhg_tf.clustering import defaults
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.checks import check_choice, check_whole
from mvhg_tf.clustering.likelihoods import Likelihood
from mvhg_tf.clustering.priors import ClusterPrior
from mvhg_tf.clustering.vade import VaDE

_FLOATS = (np.float64, np.float32)
_NEARLY_EMPTY = 0.05  # of an even share
_MOST_CHANGED = 0.2  # of the samples, from the cluster of the start to another


@keras.saving.register_keras_serializable(package="mvhg_tf")
class _VaDE(VaDE):
    """VaDE that allows one cluster, as scikit-learn's checks require of clusterers."""

    _least_clusters = 1


class VaDEClusterer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator
):
    """Variational deep clustering, pretraining included.

    ```python
    x = sklearn.datasets.load_digits().data
    clusters = VaDEClusterer(n_clusters=10, random_state=0).fit_predict(x)
    ```

    Parameters left at their defaults are chosen to suit the training data. The data are
    treated as intensities, such as pixels and binary features, if the features share
    one bounded scale (`defaults.are_intensities`), and as a table of numbers otherwise.

    | | intensities | a table of numbers |
    |---|---|---|
    | `likelihood="auto"` | Bernoulli | Gaussian with a learned scale |
    | `scale="auto"` | mapped to [0, 1] where they are outside | standardised |
    | `units=None` | 500, 500, 2000, as in the paper | by size, often none (below) |
    | `latent_dim=None` | 10, D or N / 8K, what is least | the same |

    A table gets hidden layers only if it holds ten numbers for each weight
    (`defaults.units_for`). Without them the autoencoder finds the principal components,
    and VaDE is a mixture of normal distributions in that space. Linear changes of the
    units of a table's columns do not change the clusters, because the columns are
    standardised, in the precision of X, before they are rounded to float32.

    Args:
      n_clusters: K.
      prior: "uniform", "categorical", "hypergeometric", "random_partition", or a
        `ClusterPrior`, of which a copy is trained.
      likelihood: "auto", "bernoulli", "gaussian", or an object, see `VaDE`.
      scale: "auto"; "minmax": each feature is mapped from its range in the training
        data to [0, 1], and later data are clipped; "standard": to mean 0 and variance
        1; "none": no scaling.
      units: of the hidden layers of the encoder; the decoder mirrors them.
      latent_dim: d.
      init: "auto" for clusters of the sizes found in the data; "balanced" for clusters
        of about equal size; or "free" for the likeliest clusters.
      starts: of the clustering of the embeddings.
      pretrain_epochs: of the autoencoder; by default as many as 2400 steps take, but 25
        to 200; 0 for none.
      epochs: of VaDE itself; by default as many as 120 steps take, but 10 to 50.
      held_epochs: number of epochs that keep the clusters of the start; by default two
        in five.
      batch_size: B; limited to the number of samples.
      learning_rate: of Adam, in the epochs of VaDE.
      random_state: as in scikit-learn.
      verbose: of Keras.

    Attributes:
      model_: the `VaDE`. It takes scaled samples.
      labels_: clusters of the training data, int64 `[N]`.
      weights_: the proportions that the prior has learned, float64 `[K]`.
      means_: of the clusters in the space of embeddings, float64 `[K, d]`.
      covariances_: the variances of the clusters, whose covariances are diagonal,
        float64 `[K, d]`.
      cluster_centers_: the decoded means, in the units of X, float64 `[K, D]`.
      n_iter_: epochs of VaDE.
      scaler_: the `MinMaxScaler` or `StandardScaler` in use, or None.
      n_features_in_: D.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        prior: str | ClusterPrior = "hypergeometric",
        likelihood: str | Likelihood = "auto",
        scale: str = "auto",
        units: Sequence[int] | None = None,
        latent_dim: int | None = None,
        init: str = "auto",
        starts: int = 12,
        pretrain_epochs: int | None = None,
        epochs: int | None = None,
        held_epochs: int | None = None,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
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

    def fit(self, X: ArrayLike, y: object = None) -> VaDEClusterer:
        """Pretrains and trains on X, `[N, D]`; y is ignored.

        Warns with a `ConvergenceWarning` if a cluster is nearly empty, or if training
        has changed the clusters of more than a fifth of the samples.

        Raises:
          ValueError: if X or a parameter is not allowed.
        """
        checked = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2)
        check_choice("scale", self.scale, ("auto", "minmax", "standard", "none"))
        batch_size = min(check_whole("batch_size", self.batch_size, 1), len(checked))
        epochs, held_epochs = self._epochs(len(checked), batch_size)
        is_table = not defaults.are_intensities(checked)
        self.scaler_ = self._make_scaler(checked, is_table)
        x = self._scaled(checked)
        self.model_ = self._make_model(len(x), x.shape[1], is_table)
        self.model_.prior.check_sizes(batch_size, len(x))
        responsibilities = self.model_.pretrain(
            x,
            init=self.init,
            epochs=self.pretrain_epochs,
            starts=self.starts,
            batch_size=batch_size,
            verbose=self.verbose,
        )
        self.model_.fit(
            x,
            batch_size=batch_size,
            responsibilities=responsibilities,
            held_epochs=held_epochs,
            epochs=epochs,
            verbose=self.verbose,
        )
        self.n_iter_ = epochs
        self._describe()
        self.labels_ = self.model_.predict(x)
        self._warn(responsibilities.argmax(axis=1))
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest cluster of each sample, `[N, D]` -> int64 `[N]`."""
        X = self._checked(X)
        return self.model_.predict(X)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Responsibilities (eq. 63), `[N, D]` -> float32 `[N, K]`."""
        X = self._checked(X)
        return self.model_.predict_proba(X)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """The mean embeddings, `[N, D]` -> float32 `[N, d]`."""
        X = self._checked(X)
        return self.model_.encode(X)

    def inverse_transform(self, Z: ArrayLike) -> np.ndarray:
        """E[x | z] in the units of X, `[N, d]` -> float64 `[N, D]`.

        Raises:
          ValueError: if Z has another shape or holds anything but finite numbers.
        """
        check_is_fitted(self)
        checked = check_array(Z, dtype=_FLOATS)
        return self._unscaled(self.model_.decode(checked))

    def score_samples(self, X: ArrayLike) -> np.ndarray:
        """A lower bound of log p(x) of each sample after scaling, in nats.

        `VaDE.score_samples`; `[N, D]` -> float32 `[N]`.
        """
        X = self._checked(X)
        return self.model_.score_samples(X)

    def score(self, X: ArrayLike, y: object = None) -> float:
        """The mean of `score_samples`; y is ignored."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draws clusters from `weights_` and z from each, and returns E[x | z].

        Args:
          n_samples: n, at least 1. The same number gives the same samples.

        Returns:
          Samples in the units of X, float64 `[n, D]`, and their clusters, int64 `[n]`.

        Raises:
          ValueError: if n is not a whole number of at least 1.
        """
        check_is_fitted(self)
        n_samples = check_whole("n_samples", n_samples, 1)
        rng = np.random.default_rng(self.model_.seed)
        clusters = rng.choice(len(self.weights_), n_samples, p=self.weights_)
        noise = rng.standard_normal([n_samples, self.means_.shape[1]])
        z = self.means_[clusters] + np.sqrt(self.covariances_[clusters]) * noise
        return self._unscaled(self.model_.decode(z)), clusters

    @property
    def _n_features_out(self) -> int:
        return self.model_.latent_dim

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _epochs(self, num_samples: int, batch_size: int) -> tuple[int, int]:
        """Epochs, and how many of them are held."""
        epochs, held = self.epochs, self.held_epochs
        if epochs is None:
            epochs = defaults.epochs_for(num_samples, batch_size)
        epochs = check_whole("epochs", epochs, 1)
        return epochs, check_whole(
            "held_epochs", 2 * epochs // 5 if held is None else held, 0
        )

    def _make_scaler(self, X: np.ndarray, is_table: bool) -> TransformerMixin | None:
        """A fitted scaler, or None."""
        kind = self.scale
        if kind == "auto":
            needs_unit = self.likelihood == "bernoulli" or (
                self.likelihood == "auto" and not is_table
            )
            outside = X.min() < 0.0 or X.max() > 1.0
            kind = ("minmax" if outside else "none") if needs_unit else "standard"
        if kind == "none":
            return None
        scaler = MinMaxScaler(clip=True) if kind == "minmax" else StandardScaler()
        return scaler.fit(X)

    def _make_model(self, num_samples: int, num_features: int, is_table: bool) -> VaDE:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        latent_dim, units = self.latent_dim, self.units
        if latent_dim is None:
            check_whole("n_clusters", self.n_clusters, 1)
            latent_dim = defaults.latent_dim_for(
                num_samples, num_features, self.n_clusters
            )
        latent_dim = check_whole("latent_dim", latent_dim, 1)
        if units is None:
            units = defaults.units_for(num_samples, num_features, latent_dim, is_table)
        units = [check_whole("A number in units", size, 1) for size in units]
        likelihood, prior = self.likelihood, self.prior
        if isinstance(likelihood, str) and likelihood == "auto":
            likelihood = "gaussian" if is_table else "bernoulli"
        if not isinstance(prior, str):
            prior = keras.saving.serialize_keras_object(prior)
        model = _VaDE(
            num_features,
            self.n_clusters,
            prior=prior,
            likelihood=likelihood,
            encoder=make_encoder(num_features, latent_dim, seed, units),
            decoder=make_decoder(num_features, latent_dim, seed, units),
            seed=seed,
            name="vade",  # of the class, Keras would make one that can't be exported
        )
        model.compile(learning_rate=self.learning_rate)
        return model

    def _describe(self) -> None:
        """Sets the attributes that say what was fitted."""
        weights = np.asarray(self.model_.prior.proportions(), np.float64)
        self.weights_ = weights / weights.sum()
        self.means_ = np.asarray(self.model_.mixture.means, np.float64)
        self.covariances_ = np.exp(
            np.asarray(self.model_.mixture.log_variances, np.float64)
        )
        self.cluster_centers_ = self._unscaled(self.model_.decode(self.means_))

    def _warn(self, clusters_at_start: np.ndarray) -> None:
        sizes = np.bincount(self.labels_, minlength=len(self.weights_))
        fewest = int(sizes.argmin())
        if sizes[fewest] < _NEARLY_EMPTY * len(self.labels_) / len(sizes):
            warnings.warn(
                f"Cluster {fewest} has {sizes[fewest]} of the {len(self.labels_)} "
                "samples: try fewer clusters, another random_state, or "
                'init="balanced".',
                ConvergenceWarning,
                stacklevel=3,
            )
        changed = np.mean(self.labels_ != clusters_at_start)
        if changed > _MOST_CHANGED:
            warnings.warn(
                f"Training changed the clusters of {100 * changed:.0f} % of the "
                "samples: lower the learning_rate, or raise held_epochs, if those of "
                "the start were better.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _checked(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self)
        return self._scaled(validate_data(self, X, dtype=_FLOATS, reset=False))

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        if self.scaler_ is not None:
            X = self.scaler_.transform(X)
        return np.asarray(X, np.float32)

    def _unscaled(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, np.float64)
        return X if self.scaler_ is None else self.scaler_.inverse_transform(X)
