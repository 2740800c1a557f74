import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_blobs,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from mvhg_tf.clustering import HypergeometricPrior, VaDE, VaDEClusterer, defaults
from mvhg_tf.clustering.likelihoods import Bernoulli, Gaussian
from mvhg_tf.clustering.scores import accuracy
from mvhg_tf.runs.errors import UserError

pytestmark = pytest.mark.usefixtures("eagerly")


def _clusterer(**kwargs):
    settings = {
        "units": (16,),
        "latent_dim": 2,
        "prior": "uniform",
        "starts": 1,
        "pretrain_epochs": 2,
        "epochs": 1,
        "batch_size": 32,
        "random_state": 0,
    }
    return VaDEClusterer(**{**settings, **kwargs})


@pytest.mark.slow
def test_scikit_learns_own_checks():
    check_estimator(_clusterer(), on_skip=None)


@pytest.mark.slow
def test_unscaled_blobs_are_found_and_described():
    tf.config.run_functions_eagerly(False)  # there are many steps
    x, labels = make_blobs(300, centers=3, n_features=5, random_state=1)
    clusterer = _clusterer(
        n_clusters=3, prior="categorical", pretrain_epochs=30, starts=3
    )
    assert accuracy(labels, clusterer.fit_predict(x)) > 0.98
    probs = clusterer.predict_proba(x)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(probs.argmax(axis=1), clusterer.labels_)
    assert clusterer.score(x) > clusterer.score(x[:, ::-1])


def _table(num_samples=60, num_features=4, seed=0):
    return np.random.default_rng(seed).normal(size=[num_samples, num_features]) * 7 - 2


def _pixels(num_samples=60, num_features=4, seed=0):
    """Two kinds of pictures, values 0 to 16, of which many are 0 or 16."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(num_samples) % 2
    bright = (np.arange(num_features) % 2)[None] == kinds[:, None]
    return np.clip(16 * bright + rng.integers(-4, 5, bright.shape), 0, 16)


def test_scale_decides_what_becomes_of_the_values():
    kwargs = {"n_clusters": 2, "pretrain_epochs": 1}
    x = _pixels()
    assert _clusterer(**kwargs).fit(x / 16).scaler_ is None
    mapped = _clusterer(**kwargs).fit(x)
    assert isinstance(mapped.scaler_, MinMaxScaler)
    # Beyond the range of the training data they are clipped to it.
    probs = mapped.predict_proba(np.stack([np.full(4, 16), np.full(4, 99)]))
    np.testing.assert_allclose(probs[0], probs[1], atol=1e-6)
    assert isinstance(_clusterer(**kwargs).fit(_table()).scaler_, StandardScaler)
    with pytest.raises(UserError, match=r"must lie in \[0, 1\], as the likelihood"):
        _clusterer(likelihood="bernoulli", scale="none", **kwargs).fit(_table())


def test_intensities_and_tables_get_their_likelihoods_and_networks():
    kwargs = {"n_clusters": 2, "units": None, "latent_dim": None, "epochs": 1}
    kwargs |= {"pretrain_epochs": 1}
    pixels = _clusterer(**kwargs).fit(_pixels()).model_
    assert isinstance(pixels.likelihood, Bernoulli)
    widths = [layer.units for layer in pixels.encoder.layers[1:]]
    assert widths == [500, 500, 2000, 3, 3]  # 60 samples / (8 x 2 clusters)
    table = _clusterer(**kwargs).fit(_table()).model_
    assert isinstance(table.likelihood, Gaussian) and table.likelihood.learned
    assert [layer.units for layer in table.encoder.layers[1:]] == [3, 3]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (load_digits().data, True),
        (load_digits().data / 16, True),
        (np.random.default_rng(0).integers(0, 2, [50, 6]), True),
        (np.random.default_rng(0).integers(1, 6, [200, 9]), True),
        (load_wine().data, False),
        (MinMaxScaler().fit_transform(load_wine().data), False),
        (StandardScaler().fit_transform(load_digits().data), False),
        (load_iris().data, False),
        (load_breast_cancer().data, False),
        (np.random.default_rng(0).uniform(size=[300, 5]), False),
        (np.ones([20, 3]), False),
    ],
)
def test_pixels_and_ratings_are_told_from_tables(x, expected):
    assert defaults.are_intensities(np.asarray(x, float)) is expected


def test_tables_get_hidden_layers_when_they_hold_ten_numbers_a_weight():
    # 64-64 between 20 features and 10 dimensions has 2 (1280 + 4096 + 640) weights.
    least = 10 * 2 * (20 * 64 + 64 * 64 + 64 * 10) / 20
    assert defaults.units_for(int(least), 20, 10, is_table=True) == (64, 64)
    assert defaults.units_for(int(least) - 1, 20, 10, is_table=True) == ()
    assert defaults.units_for(10**8, 20, 10, is_table=True) == (500, 500, 2000)
    assert defaults.units_for(20, 20, 10, is_table=False) == (500, 500, 2000)


@pytest.mark.slow
def test_units_of_the_columns_make_no_difference():
    x, _ = make_blobs(150, centers=3, n_features=4, cluster_std=3.0, random_state=2)
    kwargs = {"n_clusters": 3, "units": None, "latent_dim": None, "epochs": 3}
    kwargs |= {"pretrain_epochs": None}
    changed = x * [1e-6, 1.0, 1e3, 1e9] + [0.0, 5.0, -1e5, 1e11]
    labels = [
        _clusterer(**kwargs).fit_predict(values)
        for values in (x, StandardScaler().fit_transform(x), changed)
    ]
    np.testing.assert_array_equal(labels[0], labels[1])
    np.testing.assert_array_equal(labels[0], labels[2])


@pytest.mark.parametrize("offset", [1e8, 1.7e9])
def test_far_from_zero_values_are_scaled_before_they_are_rounded(offset):
    x, labels = make_blobs([200, 100, 50], n_features=2, random_state=1)
    kwargs = {"units": None, "latent_dim": None, "pretrain_epochs": None}
    found = _clusterer(n_clusters=3, starts=3, **kwargs).fit_predict(x + offset)
    assert accuracy(labels, found) > 0.99


def _fitted_blobs(**kwargs):
    x, labels = make_blobs([120, 60, 30], n_features=5, random_state=3)
    defaults_of_tables = {"units": None, "latent_dim": None, "pretrain_epochs": None}
    settings = {"n_clusters": 3, "starts": 3, "prior": "categorical", "epochs": 5}
    clusterer = _clusterer(**{**settings, **defaults_of_tables, **kwargs})
    return clusterer.fit(x), x, labels


def test_fitted_attributes_describe_the_clusters():
    clusterer, x, labels = _fitted_blobs()
    of_cluster = [
        np.argmax(np.bincount(labels[clusterer.labels_ == k])) for k in (0, 1, 2)
    ]
    shares = np.array([120, 60, 30])[of_cluster] / 210
    np.testing.assert_allclose(clusterer.weights_, shares, atol=0.01)
    assert clusterer.weights_.sum() == pytest.approx(1.0)
    centres = np.stack([x[labels == label].mean(axis=0) for label in of_cluster])
    np.testing.assert_allclose(clusterer.cluster_centers_, centres, atol=0.3)
    z = clusterer.transform(x)
    for k in range(3):
        own = z[clusterer.labels_ == k]
        np.testing.assert_allclose(clusterer.means_[k], own.mean(axis=0), atol=0.3)
    assert clusterer.covariances_.shape == (3, 5) and np.all(clusterer.covariances_ > 0)
    assert clusterer.n_iter_ == 5


def test_transform_and_its_inverse_are_those_of_the_principal_components():
    clusterer, x, _ = _fitted_blobs(epochs=1, learning_rate=1e-9)
    z = clusterer.transform(x)
    assert z.shape == (210, 5) and z.dtype == np.float32
    # Five components of five features: nothing is lost.
    np.testing.assert_allclose(clusterer.inverse_transform(z), x, atol=1e-3)
    names = clusterer.get_feature_names_out()
    np.testing.assert_array_equal(names, [f"vadeclusterer{i}" for i in range(5)])
    assert clusterer.set_output(transform="default").transform(x).shape == (210, 5)


def test_samples_have_the_clusters_they_say():
    clusterer, _, _ = _fitted_blobs()
    x, clusters = clusterer.sample(500)
    assert x.shape == (500, 5)
    assert np.mean(clusterer.predict(x) == clusters) > 0.99
    # 500 draws: a share of 4/7 has a standard deviation of 0.022; five of them.
    shares = np.bincount(clusters, minlength=3) / 500
    np.testing.assert_allclose(shares, clusterer.weights_, atol=0.11)


@pytest.mark.slow
def test_scores_bound_the_likelihood_closely():
    """A linear VaDE is a mixture of normal distributions, whose likelihood is exact."""
    clusterer, x, _ = _fitted_blobs(epochs=30, learning_rate=1e-3)
    model = clusterer.model_
    kernel, bias = (np.float64(w) for w in model.decoder.layers[-1].get_weights())
    noise = model.likelihood.scale**2 * np.eye(5)
    log_p = [
        np.log(weight)
        + stats.multivariate_normal(
            mean @ kernel + bias, kernel.T @ np.diag(variances) @ kernel + noise
        ).logpdf(clusterer.scaler_.transform(x))
        for weight, mean, variances in zip(
            clusterer.weights_, clusterer.means_, clusterer.covariances_, strict=True
        )
    ]
    exact = logsumexp(log_p, axis=0)
    scores = clusterer.score_samples(x)
    # Ten draws leave some noise of the reconstructions.
    assert np.mean(scores) < np.mean(exact) + 0.2
    assert np.mean(scores) > np.mean(exact) - 1.5
    assert np.corrcoef(scores, exact)[0, 1] > 0.9
    assert clusterer.score(x) == pytest.approx(np.mean(scores))


def test_numbers_of_numpy_are_parameters():
    x = _table()
    clusterer = _clusterer(
        n_clusters=np.int64(2),
        units=np.array([8, 4]),
        latent_dim=np.int32(2),
        epochs=np.int64(1),
        batch_size=np.int64(20),
        pretrain_epochs=np.int64(1),
        starts=np.int64(1),
    )
    assert len(np.unique(clusterer.fit_predict(x))) == 2
    search = GridSearchCV(
        _clusterer(pretrain_epochs=1), {"n_clusters": np.arange(2, 4)}, cv=2
    )
    assert search.fit(x).best_params_["n_clusters"] in (2, 3)


def test_a_nearly_empty_cluster_is_warned_of():
    x = np.concatenate([_table(200), [[900.0] * 4]])
    with pytest.warns(ConvergenceWarning, match="has [01] of the 201 samples"):
        _clusterer(n_clusters=2, units=(), latent_dim=4, pretrain_epochs=None).fit(x)


def test_training_that_leaves_the_start_is_warned_of(monkeypatch):
    x, _ = make_blobs([60, 60], n_features=3, random_state=0)
    found = VaDE.pretrain

    def swapped(model, *args, **kwargs):
        return found(model, *args, **kwargs)[:, ::-1]

    monkeypatch.setattr(VaDE, "pretrain", swapped)
    with pytest.warns(ConvergenceWarning, match="changed the clusters of 100 %"):
        _clusterer(n_clusters=2, units=(), held_epochs=0, pretrain_epochs=None).fit(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "robust"}, "scale is 'robust', but must be"),
        ({"init": "random"}, "init is 'random', but must be"),
        ({"n_clusters": 50}, "40 samples, fewer than the 50 clusters"),
        ({"n_clusters": 0}, "num_clusters is 0, but must be"),
        ({"n_clusters": 0, "latent_dim": None}, "n_clusters is 0, but must be"),
        ({"batch_size": 0}, "batch_size is 0, but must be"),
        ({"units": (8, 0)}, "units is 0, but must be"),
        ({"latent_dim": 0}, "latent_dim is 0, but must be"),
        ({"prior": "dirichlet"}, "prior is 'dirichlet', but must be"),
    ],
)
def test_bad_parameters_are_refused_by_fit(arguments, message):
    x = np.random.default_rng(0).uniform(size=[40, 3])
    with pytest.raises(UserError, match=message):
        _clusterer(**{"n_clusters": 2, "pretrain_epochs": 0, **arguments}).fit(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 0}, "epochs is 0, but must be"),
        ({"held_epochs": -1}, "held_epochs is -1, but must be"),
        ({"prior": HypergeometricPrior(15)}, "must hold a batch of 32: .* least 16"),
    ],
)
def test_what_training_refuses_is_told_before_pretraining(
    monkeypatch, arguments, message
):
    monkeypatch.setattr(VaDE, "pretrain", lambda *_, **__: pytest.fail("pretrained"))
    x = np.random.default_rng(0).uniform(size=[40, 3])
    with pytest.raises(UserError, match=message):
        _clusterer(n_clusters=2, **arguments).fit(x)


def test_a_prior_object_is_copied_for_each_fit():
    prior = HypergeometricPrior(group_sizes=30)
    clusterer = clone(_clusterer(n_clusters=2, prior=prior, pretrain_epochs=1))
    x = np.random.default_rng(0).uniform(size=[40, 3])
    first, second = clusterer.fit(x).model_.prior, clusterer.fit(x).model_.prior
    assert first is not second and not prior.built
    assert second.group_sizes == 30
