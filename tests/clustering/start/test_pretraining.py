import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from mvhg_tf.clustering import VaDE
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.clustering.batches import batches
from mvhg_tf.clustering.start import layer_wise, pretraining
from mvhg_tf.runs.errors import UserError

pytestmark = pytest.mark.usefixtures("eagerly")


def _model(units=(12, 8), latent_dim=3, **kwargs):
    return VaDE(
        6,
        3,
        encoder=make_encoder(6, latent_dim, 0, units),
        decoder=make_decoder(6, latent_dim, 0, units),
        **{"prior": "uniform", **kwargs},
    )


def _data(num_samples=300, seed=0):
    """Correlated values in [0, 1] around three centres, and the centres' numbers."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_samples) % 3
    centres = 0.2 + 0.6 * np.repeat(np.eye(3), 2, axis=1)
    noise = 0.05 * rng.standard_normal([num_samples, 6]) @ rng.normal(size=[6, 6])
    return np.clip(centres[labels] + noise, 0, 1).astype(np.float32), labels


def _cross_entropy(model, x):
    outputs = model.decoder(model.encode(x))
    return -float(tf.reduce_mean(model.likelihood.log_prob(x, outputs)))


def test_the_mixture_is_the_moments_of_the_clusters_found():
    x, _ = _data()
    model = _model(prior="categorical")
    q = model.pretrain(x, epochs=2, starts=2, whiten=False)
    z = model.encode(x)
    ridge = 1e-3 * z.var(axis=0).mean()
    for k in range(3):
        mean = np.average(z, axis=0, weights=q[:, k])
        variance = np.average((z - mean) ** 2, axis=0, weights=q[:, k]) + ridge
        np.testing.assert_allclose(model.mixture.means[k], mean, atol=1e-4)
        log_variance = model.mixture.log_variances[k]
        np.testing.assert_allclose(log_variance, np.log(variance), atol=1e-3)
    np.testing.assert_allclose(model.prior.proportions(), q.mean(axis=0), atol=1e-4)


def test_whitened_clusters_have_unit_pooled_variances_and_centred_embeddings():
    x, _ = _data()
    model = _model()
    q = model.pretrain(x, epochs=20, starts=2)
    pooled = q.mean(axis=0) @ np.exp(model.mixture.log_variances)
    np.testing.assert_allclose(pooled, 1.0, atol=1e-4)
    z = model.encode(x)
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-3)
    for k in range(3):
        mean = np.average(z, axis=0, weights=q[:, k])
        np.testing.assert_allclose(model.mixture.means[k], mean, atol=1e-3)


def test_posteriors_start_with_a_twentieth_of_the_variance_within_clusters():
    x, _ = _data()
    model = _model()
    q = model.pretrain(x, epochs=2, starts=1)
    within = q.mean(axis=0) @ np.exp(model.mixture.log_variances)
    _, log_variance = model.encoder(x)
    expected = np.log(0.05 * within)[None].repeat(len(x), 0)
    np.testing.assert_allclose(log_variance, expected, atol=1e-3)


def test_whitening_keeps_the_reconstructions_and_the_clusters():
    x, _ = _data()
    plain, white = _model(), _model()
    q = [m.pretrain(x, epochs=2, starts=2, whiten=m is white) for m in (plain, white)]
    np.testing.assert_allclose(q[0], q[1], atol=1e-5)
    np.testing.assert_allclose(plain(x), white(x), atol=1e-4)


def test_no_epochs_leave_the_networks_alone():
    x, _ = _data()
    model = _model()
    before = [model.encode(x), model.decoder.get_weights()]
    model.pretrain(x, epochs=0, starts=1, whiten=False)
    np.testing.assert_array_equal(model.encode(x), before[0])
    for old, new in zip(before[1], model.decoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_linear_networks_get_the_principal_components():
    x = np.random.default_rng(0).normal(size=[50, 6]) @ np.diag([5, 4, 3, 2, 1, 0.5])
    x = (x + 7.0).astype(np.float32)
    networks = {
        "encoder": make_encoder(6, 3, 0, ()),
        "decoder": make_decoder(6, 3, 0, ()),
    }
    model = VaDE(6, 2, likelihood="gaussian", **networks)
    model.pretrain(x, starts=1)
    centred = np.float64(x) - x.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    best = x.mean(axis=0) + (left[:, :3] * sizes[:3]) @ right[:3]
    np.testing.assert_allclose(model(x), best, atol=1e-3)


def test_embeddings_that_are_not_finite_are_refused():
    x, _ = _data()
    model = _model()
    model.encoder.layers[1].bias.assign(tf.fill([12], np.nan))
    with pytest.raises(UserError, match="embeddings of the autoencoder are not finite"):
        model.pretrain(x, epochs=0)


def test_layer_wise_pretraining_learns_to_reconstruct():
    x, _ = _data()
    tf.config.run_functions_eagerly(False)  # there are many steps
    model = _model(units=(12,))
    layer_wise.train(model, x, epochs=15, batch_size=10)
    mean = x.mean(axis=0)
    constant = stats.bernoulli(mean).entropy().sum()
    least = stats.bernoulli(x).entropy().sum(axis=1).mean()
    # Each pair was trained alone, on corrupted inputs, so it need not be the best, but
    # it must know much more than the mean of the data.
    assert _cross_entropy(model, x) < constant - 0.25 * (constant - least)


def test_layer_wise_pretraining_follows_from_the_models_seed_alone():
    """It neither looks at the random numbers of the program around it nor sets them."""
    x, _ = _data()
    weights, drawn = [], []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        expected = np.random.RandomState(seed).rand()
        model = _model(units=(12,))
        layer_wise.train(model, x, epochs=1, batch_size=50)
        weights.append(model.encoder.get_weights())
        drawn.append(np.random.rand() == expected)
    assert all(drawn)
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_layers_are_paired_from_the_outside_in():
    pairs = layer_wise.layer_pairs(_model())
    sizes = [(down.kernel.shape, up.kernel.shape) for down, up in pairs]
    expected = [((6, 12), (12, 6)), ((12, 8), (8, 12)), ((8, 3), (3, 8))]
    assert sizes == expected


def test_networks_that_mirror_nothing_can_not_be_pretrained_layer_wise():
    x, _ = _data()
    networks = {
        "encoder": make_encoder(6, 3, 0, (12, 8)),
        "decoder": make_decoder(6, 3, 0, (12,)),
    }
    model = VaDE(6, 3, **networks)
    with pytest.raises(UserError, match="mirrored chains of Dense layers"):
        model.pretrain(x, layer_wise_epochs=1)


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "epochs"),
    [
        (1437, None, 200),
        (8000, None, 39),
        (60000, None, 25),
        (100, None, 200),
        (8000, 800, 200),
        (8000, 200, 60),
    ],
)
def test_small_data_are_pretrained_for_more_epochs(
    monkeypatch, num_samples, batch_size, epochs
):
    asked = []
    monkeypatch.setattr(
        pretraining,
        "train_autoencoder",
        lambda model, x, epochs, *others: asked.append(epochs),
    )
    monkeypatch.setattr(pretraining, "_start_mixture", lambda *others: None)
    model = _model()
    pretraining.pretrain(model, np.zeros([num_samples, 6]), batch_size=batch_size)
    assert asked == [epochs]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"init": "kmeans"}, 'init is \'kmeans\', but must be "auto" or "balanced"'),
        ({"epochs": -1}, "epochs is -1, but must be"),
        ({"layer_wise_epochs": 0.5}, "layer_wise_epochs is 0.5, but must be"),
        ({"starts": 0}, "starts is 0, but must be"),
        ({"batch_size": 301}, "batch_size is 301, but must be"),
    ],
)
def test_bad_arguments_are_refused_before_training(arguments, message):
    x, _ = _data()
    model = _model()
    before = model.encode(x)
    with pytest.raises(UserError, match=message):
        model.pretrain(x, **arguments)
    np.testing.assert_array_equal(model.encode(x), before)


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own():
    data, steps = batches((np.arange(7.0), np.arange(7)), 3, seed=5, epochs=3)
    assert steps == 3
    rows = [[value.numpy() for value in batch] for batch in data]
    epochs = [np.concatenate([b[0] for b in rows[i : i + 3]]) for i in (0, 3, 6)]
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(7))
    assert not np.array_equal(epochs[0], epochs[1])
    for first, second in rows:
        np.testing.assert_array_equal(first, second)


def test_held_responsibilities_stand_in_for_the_models_own():
    x, _ = _data()
    q = np.eye(3, dtype=np.float32)[np.arange(len(x)) % 3]
    model = _model(latent_dim=2)
    clusters = np.random.default_rng(0).permutation(len(x)) % 3
    # A mixture whose own responsibilities are even: only q tells clusters apart.
    model.set_mixture(np.zeros([3, 2]), np.ones([3, 2]), np.ones(3))
    model.compile(keras.optimizers.SGD(0.0))
    own = model.fit(x, epochs=1, verbose=0).history["entropy"][0]
    log = model.fit(
        x, epochs=3, responsibilities=q[clusters], held_epochs=2, verbose=0
    ).history["entropy"]
    # Certain responsibilities have no entropy; even ones have log 3.
    np.testing.assert_allclose(own - np.array(log), np.log([3, 3, 1]), atol=1e-4)


def test_held_epochs_count_from_the_first_of_all():
    x, _ = _data()
    q = np.eye(3, dtype=np.float32)[np.arange(len(x)) % 3]
    model = _model(latent_dim=2)
    model.set_mixture(np.zeros([3, 2]), np.ones([3, 2]), np.ones(3))
    model.compile(keras.optimizers.SGD(0.0))
    kwargs = {"responsibilities": q, "held_epochs": 2, "verbose": 0}
    log = model.fit(x, epochs=3, initial_epoch=1, **kwargs).history["entropy"]
    assert log[1] - log[0] == pytest.approx(np.log(3), abs=1e-4)


def test_responsibilities_of_another_shape_or_no_probabilities_are_refused():
    x, _ = _data()
    model = _model()
    with pytest.raises(UserError, match=r"shape \[300, 2\], but must be \[300, 3\]"):
        model.fit(x, responsibilities=np.full([300, 2], 0.5))
    with pytest.raises(UserError, match="not probabilities"):
        model.fit(x, responsibilities=np.full([300, 3], 0.5))


def test_steps_of_the_priors_parameters_are_prior_rate_times_as_long():
    x, _ = _data()
    moved = []
    for rate in (1.0, 10.0):
        model = _model(prior="categorical")
        model.prior.set_proportions([0.5, 0.3, 0.2])
        before = model.prior.logits.numpy()
        model.compile(learning_rate=1e-4, prior_rate=rate)
        encoder = model.encoder.get_weights()[0]
        model.fit(x, batch_size=len(x), verbose=0)
        moved.append(model.prior.logits.numpy() - before)
        # Of Adam's first step, whatever the prior's rate.
        change = np.abs(model.encoder.get_weights()[0] - encoder)
        assert np.median(change) == pytest.approx(1e-4, rel=0.05)
    np.testing.assert_allclose(moved[1], 10.0 * moved[0], rtol=1e-2)
    with pytest.raises(UserError, match="prior_rate is 0, but must be positive"):
        model.compile(prior_rate=0)


def test_a_resumed_run_ends_as_one_that_never_stopped(tmp_path):
    x, _ = _data()
    q = np.eye(3, dtype=np.float32)[np.arange(len(x)) % 3]
    kwargs = {"responsibilities": q, "held_epochs": 1, "batch_size": 100, "verbose": 0}
    whole, part = _model(prior="categorical"), _model(prior="categorical")
    whole.fit(x, epochs=3, **kwargs)
    part.fit(x, epochs=2, **kwargs)
    part.save(tmp_path / "model.keras")
    resumed = keras.models.load_model(tmp_path / "model.keras")
    resumed.fit(x, epochs=3, initial_epoch=2, **kwargs)
    for expected, got in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
