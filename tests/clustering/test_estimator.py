import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import check_estimator

from mvhg_tf.clustering import HypergeometricPrior, VaDE, VaDEClusterer
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


def test_scale_decides_what_happens_to_values_outside_the_unit_interval():
    inside = np.random.default_rng(0).uniform(size=[40, 3])
    outside = inside * 7 - 2
    kwargs = {"n_clusters": 2, "pretrain_epochs": 1}
    assert _clusterer(**kwargs).fit(inside).scaler_ is None
    probs = _clusterer(scale="minmax", **kwargs).fit(inside).predict_proba(inside)
    of_outside = _clusterer(**kwargs).fit(outside)
    # A linear change of units makes no difference.
    np.testing.assert_allclose(of_outside.predict_proba(outside), probs, atol=1e-4)
    clipped = of_outside.predict_proba(np.maximum(outside, outside.max(axis=0)) + 9)
    np.testing.assert_allclose(clipped, clipped[:1].repeat(40, 0), atol=1e-6)
    with pytest.raises(UserError, match=r"must lie in \[0, 1\]"):
        _clusterer(scale="none", **kwargs).fit(outside)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "standard"}, "scale is 'standard', but must be"),
        ({"init": "random"}, "init is 'random', but must be"),
        ({"n_clusters": 50}, "40 samples, fewer than the 50 clusters"),
        ({"n_clusters": 0}, "num_clusters is 0, but must be"),
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
