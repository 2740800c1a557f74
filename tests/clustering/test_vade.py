import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.special import expit, logsumexp, xlogy

from mvhg_tf.clustering import ClusterPrior, HypergeometricPrior, VaDE
from mvhg_tf.clustering.likelihoods import Gaussian
from mvhg_tf.clustering.scores import accuracy
from mvhg_tf.runs.errors import UserError
from mvhg_tf.schedules import ExponentialAnnealing

SHARES = np.array([0.5, 0.3, 0.1, 0.1])


def _networks(num_features=6, latent_dim=2):
    x = keras.Input([num_features])
    hidden = keras.layers.Dense(32, "relu", kernel_initializer=_glorot(1))(x)
    mean = keras.layers.Dense(latent_dim, kernel_initializer=_glorot(2))(hidden)
    log_variance = keras.layers.Dense(
        latent_dim, kernel_initializer=_glorot(3), name="log_variance"
    )(hidden)
    z = keras.Input([latent_dim])
    hidden = keras.layers.Dense(32, "relu", kernel_initializer=_glorot(4))(z)
    outputs = keras.layers.Dense(num_features, kernel_initializer=_glorot(5))(hidden)
    return {
        "encoder": keras.Model(x, [mean, log_variance]),
        "decoder": keras.Model(z, outputs),
    }


def _glorot(seed):
    return keras.initializers.GlorotUniform(seed=seed)


def _model(num_clusters=3, **kwargs):
    return VaDE(6, num_clusters, **{**_networks(), **kwargs})


def _separated(num_samples=600, seed=0):
    """Four tight clusters at corners of the cube, sizes 5:3:1:1."""
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]])
    centers = 0.15 + 0.7 * np.repeat(corners, 2, axis=1)
    labels = np.repeat(np.arange(4), (SHARES * num_samples).astype(int))
    x = centers[labels] + 0.03 * rng.standard_normal([num_samples, 6])
    return np.clip(x, 0, 1).astype(np.float32), labels


def _elbo_by_hand(model, x, noise):
    """Eq. 59 for a categorical prior, term by term with NumPy and SciPy."""
    mean, log_variance = (part.numpy() for part in model.encoder(x))
    std = np.exp(0.5 * log_variance)
    z = mean + std * noise
    mu = model.mixture.means.numpy()
    sigma = np.exp(0.5 * model.mixture.log_variances.numpy())
    log_pi = np.log(model.prior.proportions())
    log_joint = stats.norm.logpdf(z[:, None], mu, sigma).sum(-1) + log_pi
    gamma = np.exp(log_joint - logsumexp(log_joint, axis=-1, keepdims=True))
    # E log N(z; mu_k, sigma_k) by Gauss-Hermite quadrature, exact for squares.
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    points = mean[:, None, :, None] + std[:, None, :, None] * nodes
    log_p_z = stats.norm.logpdf(points, mu[..., None], sigma[..., None])
    log_p_z = (log_p_z @ weights / weights.sum()).sum(-1)
    p = expit(model.decoder(z).numpy())
    parts = (
        (xlogy(x, p) + xlogy(1 - x, 1 - p)).sum(-1)
        + (gamma * (log_pi + log_p_z)).sum(-1)
        + stats.norm.entropy(scale=std).sum(-1)
        + stats.entropy(gamma, axis=-1)
    )
    return parts.mean(), gamma


def test_elbo_is_equation_59_term_by_term():
    model = _model(prior="categorical", seed=3)
    model.set_mixture(
        np.random.default_rng(0).normal(size=[3, 2]),
        np.array([[0.5, 1.0], [2.0, 0.3], [1.0, 1.0]]),
        [0.5, 0.3, 0.2],
    )
    x = np.random.default_rng(1).uniform(size=[5, 6]).astype(np.float32)
    losses = model.losses_of(x, tf.constant(7), training=False)
    seed = tf.random.split(tf.constant([3, 7]), 2)[0]
    expected, _ = _elbo_by_hand(model, x, tf.random.stateless_normal([5, 2], seed))
    assert float(losses["elbo"]) == pytest.approx(expected, rel=1e-5)
    assert float(losses["loss"]) == -float(losses["elbo"])
    parts = losses["prior"] + losses["entropy"] - losses["reconstruction_loss"]
    assert float(parts) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("prior", ["categorical", "uniform"])
def test_scores_of_samples_are_equation_59_at_shared_noise(prior):
    model = _model(prior=prior, seed=3)
    model.set_mixture(np.eye(3, 2), np.full([3, 2], 0.5), [0.5, 0.3, 0.2])
    x = np.random.default_rng(1).uniform(size=[70, 6]).astype(np.float32)
    noise = np.random.default_rng(3).standard_normal([10, 2], np.float32)
    expected = np.mean([_elbo_by_hand(model, x, draw)[0] for draw in noise])
    scores = model.score_samples(x, batch_size=64)
    assert np.mean(scores) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(scores[5:6], model.score_samples(x[5:6]))


@pytest.mark.slow
def test_a_learned_scale_is_the_likeliest_and_is_trained_and_saved(tmp_path):
    rng = np.random.default_rng(0)
    x, outputs = rng.normal(size=[2, 50, 6]).astype(np.float32)
    likelihood = Gaussian(0.5, learned=True)
    likelihood.fit_scale(x, outputs)
    scales = [likelihood.scale * factor for factor in (0.98, 1.0, 1.02)]
    sums = [stats.norm(outputs, scale).logpdf(x).sum() for scale in scales]
    assert np.argmax(sums) == 1
    got = likelihood.log_prob(tf.constant(x), tf.constant(outputs))
    assert float(tf.reduce_sum(got)) == pytest.approx(sums[1], rel=1e-5)
    model = _model(likelihood=likelihood)
    model.fit(3.0 * x, batch_size=10, epochs=2, verbose=0)
    assert model.likelihood.scale > scales[1]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.likelihood.scale == model.likelihood.scale
    fixed = Gaussian(0.5)
    fixed.fit_scale(x, outputs)
    assert fixed.scale == 0.5 and not fixed.trainable_variables


def test_a_gaussian_takes_any_values_and_a_bernoulli_no_others():
    x = 255.0 * np.random.default_rng(0).uniform(size=[20, 6])
    model = _model(prior="uniform")
    for call in (model.predict, model.predict_proba, model.encode, model.elbo):
        with pytest.raises(UserError, match=r"must lie in \[0, 1\], as the likelihood"):
            call(x)
    with pytest.raises(UserError, match=r"must lie in \[0, 1\]"):
        model.score_samples(-x)
    gaussian = _model(prior="uniform", likelihood="gaussian")
    gaussian.fit(x - 100.0, batch_size=20, verbose=0)
    assert gaussian.predict(x - 100.0).shape == (20,)


def test_another_dtype_and_several_replicas_are_refused():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(UserError, match="'mixed_float16', but VaDE needs float32"):
            VaDE(6, 3)
    finally:
        keras.config.set_dtype_policy("float32")

    class Two:
        num_replicas_in_sync = 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.distribute, "get_strategy", Two)
        with pytest.raises(UserError, match="strategy of 2 replicas"):
            VaDE(6, 3)


@pytest.mark.parametrize("weight", [0.0, 10.0])
def test_prior_weight_multiplies_the_term_of_the_prior_alone(weight, tmp_path):
    shares = np.array([0.5, 0.3, 0.2])
    model = _model(prior="categorical", seed=3)
    model.set_mixture(np.eye(3, 2), np.ones([3, 2]), shares)
    model.compile(prior_weight=weight)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(1).uniform(size=[5, 6]).astype(np.float32)
    seed = tf.random.split(tf.constant([3, 7]), 2)[0]
    noise = tf.random.stateless_normal([5, 2], seed)
    elbo, gamma = _elbo_by_hand(model, x, noise)
    expected = -elbo - (weight - 1.0) * np.mean(gamma @ np.log(shares))
    for used in (model, keras.models.load_model(tmp_path / "model.keras")):
        losses = used.losses_of(x, tf.constant(7), training=False)
        assert float(losses["loss"]) == pytest.approx(expected, rel=1e-5)
        assert float(losses["elbo"]) == pytest.approx(elbo, rel=1e-5)


@pytest.mark.parametrize("weight", [-1.0, np.inf, np.nan])
def test_a_weight_of_the_prior_that_is_no_weight_is_refused(weight):
    with pytest.raises(UserError, match="prior_weight is .* at least 0"):
        _model().compile(prior_weight=weight)


def test_probabilities_are_the_responsibilities_of_the_mean():
    model = _model(prior="categorical")
    model.set_mixture([[0, 0], [1, 1], [-1, 2]], np.full([3, 2], 0.5), [0.6, 0.3, 0.1])
    x = np.random.default_rng(1).uniform(size=[5, 6]).astype(np.float32)
    _, gamma = _elbo_by_hand(model, x, 0.0)
    np.testing.assert_allclose(model.predict_proba(x), gamma, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), gamma.argmax(-1))


def test_every_parameter_gets_a_gradient():
    for counts in ("expected", "sampled"):
        model = _model(prior=HypergeometricPrior(counts=counts))
        x, _ = _separated()
        with tf.GradientTape() as tape:
            loss = model.losses_of(x[::10], tf.constant(0), training=True)["loss"]
        gradients = tape.gradient(loss, model.trainable_variables)
        names = {variable.path for variable in model.trainable_variables}
        assert any("log_weights" in name for name in names)
        assert any("log_variances" in name for name in names)
        assert all(np.any(gradient) for gradient in gradients)


@pytest.mark.parametrize(
    "prior",
    [
        pytest.param("uniform", marks=pytest.mark.slow),
        pytest.param("categorical", marks=pytest.mark.slow),
        "hypergeometric",
    ],
)
def test_separated_clusters_are_found_with_their_proportions(prior):
    x, labels = _separated()
    model = _model(4, prior=prior, likelihood=Gaussian(0.05))
    model.compile(learning_rate=3e-3)
    model.pretrain(x, epochs=40, starts=5)
    history = model.fit(x, epochs=15, verbose=0).history
    clusters = model.predict(x)
    assert accuracy(labels, clusters) > 0.98
    assert len(np.unique(clusters)) == 4
    assert history["elbo"][-1] > history["elbo"][0]
    found = np.sort(model.prior.proportions())[::-1]
    expected = np.full(4, 0.25) if prior == "uniform" else SHARES
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.slow
def test_training_moves_the_proportions_to_those_of_the_data():
    x, _ = _separated()
    for prior in ("categorical", "hypergeometric"):
        model = _model(4, prior=prior, likelihood=Gaussian(0.05))
        model.pretrain(x, epochs=40, starts=5)
        order = np.argsort(-model.prior.proportions())
        model.prior.set_proportions(np.full(4, 0.25))
        model.compile(learning_rate=5e-3)
        for part in (model.encoder, model.decoder, model.mixture):
            part.trainable = False
        model.fit(x, epochs=15, verbose=0)
        np.testing.assert_allclose(model.prior.proportions()[order], SHARES, atol=0.03)


def test_a_loaded_model_predicts_and_trains_on_as_the_saved_one(tmp_path):
    x, _ = _separated()
    model = _model(
        4,
        prior=HypergeometricPrior(group_sizes=40, counts="sampled"),
        likelihood=Gaussian(0.1),
        temperature=ExponentialAnnealing(1.0, 0.5, 10),
    )
    model.fit(x, batch_size=100, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert loaded.prior.get_config() == model.prior.get_config()
    losses = [m.fit(x, batch_size=100, verbose=0).history for m in (model, loaded)]
    assert loaded.optimizer.iterations == 18
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-5)


@pytest.mark.slow
def test_the_seed_gives_the_run():
    x, _ = _separated()
    runs = [_model(prior="uniform", seed=1).fit(x, verbose=0).history for _ in range(2)]
    assert runs[0]["loss"] == pytest.approx(runs[1]["loss"], rel=1e-5)
    noises = [
        _model(prior="uniform", seed=seed).losses_of(x, tf.constant(0), training=False)[
            "loss"
        ]
        for seed in (1, 2)
    ]
    assert float(noises[0]) != pytest.approx(float(noises[1]), rel=1e-5)


@keras.saving.register_keras_serializable(package="mvhg_tf_tests")
class FixedPrior(ClusterPrior):
    def log_proportions(self):
        return tf.math.log([0.5, 0.25, 0.25])

    def expected_log_prob(self, responsibilities, assignments):
        usage = tf.reduce_mean(responsibilities, axis=0)
        return tf.reduce_sum(usage * self.log_proportions())


def test_a_user_can_write_a_fourth_prior(tmp_path):
    x, _ = _separated()
    model = _model(prior=FixedPrior())
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))


def test_schedules_drive_the_learning_rate():
    x, _ = _separated()
    model = _model(prior="uniform")
    model.compile(learning_rate=ExponentialAnnealing(0.01, 0.001, 6))
    model.fit(x, batch_size=100, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001, rel=1e-4)


def test_samples_come_from_their_cluster():
    model = _model(likelihood="gaussian")
    means = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    model.set_mixture(means, np.full([3, 2], 1e-8), [1, 1, 1])
    samples = model.sample(1, 4)
    expected = model.decoder(means[1:2]).numpy()
    np.testing.assert_allclose(samples, np.repeat(expected, 4, 0), atol=1e-3)


def test_the_default_networks_are_the_papers():
    model = VaDE(64, 10)
    shapes = [tuple(w.shape) for w in model.trainable_variables if len(w.shape) == 2]
    assert shapes[:4] == [(64, 500), (500, 500), (500, 2000), (2000, 10)]
    assert [shape for shape in shapes if 2000 in shape][-2:] == [
        (10, 2000),
        (2000, 500),
    ]


def _with(value):
    x, _ = _separated()
    x[3, 2] = value
    return x


@pytest.mark.parametrize(
    ("x", "arguments", "message"),
    [
        (_with(np.nan), {}, "1 values that are NaN or infinite"),
        (_with(-0.5), {}, r"from -0.5 to .* but must lie in \[0, 1\]"),
        (_with(255.0), {}, r"to 255, but must lie in \[0, 1\]"),
        (np.full([2, 6], 0.5), {}, "2 samples, fewer than the 3 clusters"),
        (np.full([200, 6], 0.5), {}, "Every feature of x is constant"),
        (np.zeros([200, 5]), {}, r"shape \[200, 5\], but must be \[N, 6\]"),
        (np.zeros([200]), {}, r"shape \[200\], but must be"),
        ([["a"] * 6], {}, "does not hold only numbers"),
        (_separated()[0], {"batch_size": 601}, "batch_size is 601, but must be"),
        (_separated()[0], {"batch_size": 0}, "batch_size is 0, but must be"),
    ],
)
def test_bad_data_is_refused_before_training(x, arguments, message):
    model = _model(prior="uniform")
    before = model.mixture.means.numpy()
    with pytest.raises(UserError, match=message):
        model.fit(x, **arguments)
    with pytest.raises(UserError, match=message):
        model.pretrain(x, **arguments)
    np.testing.assert_array_equal(model.mixture.means, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_clusters": 1}, "num_clusters is 1, but must be"),
        ({"num_features": 0}, "num_features is 0, but must be"),
        ({"likelihood": "poisson"}, "likelihood is 'poisson', but must be"),
        ({"prior": 3}, "prior is 3, but must be"),
        ({"temperature": 0}, "temperature is 0, but must be positive"),
        ({"seed": -1}, "seed is -1, but must be"),
        ({"encoder": _networks()["decoder"]}, r"encoder maps .* but must map"),
        ({"encoder": _networks(latent_dim=3)["encoder"]}, r"decoder maps .* but must"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        VaDE(**{"num_features": 6, "num_clusters": 3, **_networks(), **arguments})


def test_bad_mixtures_and_clusters_are_refused():
    model = _model()
    with pytest.raises(UserError, match="must have"):
        model.set_mixture(np.zeros([2, 2]), np.ones([3, 2]), np.ones(3))
    with pytest.raises(UserError, match="must be positive"):
        model.set_mixture(np.zeros([3, 2]), np.zeros([3, 2]), np.ones(3))
    with pytest.raises(UserError, match="cluster is 3, but must be"):
        model.sample(3, 1)
