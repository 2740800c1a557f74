"""Semi-supervised models: labels, losses and weights against NumPy, and training."""

import json

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mvhg_tf.disentanglement.data.grid import GridData
from mvhg_tf.disentanglement.models.semi_supervised import (
    annealers,
    labelled_models,
    mine_vae,
    supervised_losses,
)
from mvhg_tf.disentanglement.models.semi_supervised.semi_supervised_vae import (
    SemiSupervisedVAE,
    SupervisedVAE,
)
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import WeightedKL
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.networks import test_decoder as small_decoder
from mvhg_tf.disentanglement.networks import test_encoder as small_encoder
from mvhg_tf.disentanglement.sources import labellers
from mvhg_tf.disentanglement.sources.labelled_images import (
    LabelledSource,
    sample_labelled_images,
)
from mvhg_tf.disentanglement.steps import training
from mvhg_tf.runs.errors import UserError

SIZES = [4, 2, 9]
SHAPE = (3, 3, 1)
RANDOM = np.random.RandomState(0)
MEANS = RANDOM.normal(size=(6, 5))
LABELS = RANDOM.randint(SIZES, size=(6, 3)).astype(np.float64)
BINDINGS = [
    "dataset.name = 'dummy_data'",
    "model.model = @s2_vae",
    "model.batch_size = 4",
    "model.training_steps = 5",
    "model.eval_steps = 1",
    "model.model_seed = 1",
    "model.unsupervised_data_seed = 2",
    "model.supervised_data_seed = 3",
    "model.num_labelled_samples = 10",
    "model.train_percentage = 0.9",
    "train.log_steps = 1",
    "train.checkpoint_steps = 3",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "labeller.labeller_fn = @perfect_labeller",
    "supervised_loss.loss_fn = @xent",
    "annealer.anneal_fn = @fixed",
    "annealer.iteration_threshold = 1",
    "s2_vae.beta = 1.0",
    "s2_vae.gamma_sup = 2.0",
]


class Data:
    factors_num_values = SIZES


class ShownFactors(GridData):
    """Images `[1, 3, 1]` that are their factors."""

    observation_shape = [1, 3, 1]

    def __init__(self):
        super().__init__(["a", "b", "c"], SIZES)

    def sample_observations_from_factors(self, factors, random_state):
        return factors[:, None, :, None]


def factors(num=2000):
    return np.random.RandomState(1).randint(SIZES, size=(num, 3))


def state():
    return np.random.RandomState(2)


def test_perfect_labels_are_the_factors():
    labels, sizes = labellers.perfect_labeller(factors(), Data, state())
    np.testing.assert_array_equal(labels, factors())
    assert sizes == SIZES


def test_binned_labels_are_rough_and_keep_the_order():
    labels, sizes = labellers.bin_labeller(factors(), Data, state(), num_bins=3)
    assert list(sizes) == [3, 2, 3]
    np.testing.assert_array_equal(labels[:, 1], factors()[:, 1])
    # Of 9 values 3 fall into each bin; of 4 values those at 0, 4/3 and 8/3 start one.
    np.testing.assert_array_equal(labels[:, 2], factors()[:, 2] // 3)
    np.testing.assert_array_equal(labels[:, 0], np.array([0, 0, 1, 2])[factors()[:, 0]])


def test_noisy_labels_are_wrong_as_often_as_asked():
    labels, sizes = labellers.noisy_labeller(factors(), Data, state(), 0.6)
    assert sizes == SIZES
    for column, size in enumerate(SIZES):
        wrong = np.sum(labels[:, column] != factors()[:, column])
        # False alarms: 1e-6 for each of three.
        assert stats.binomtest(int(wrong), 2000, 0.6 * (1 - 1 / size)).pvalue > 1e-6
    exact, _ = labellers.noisy_labeller(factors(), Data, state(), 0.0)
    np.testing.assert_array_equal(exact, factors())


def test_permuted_labels_rename_the_values():
    labels, _ = labellers.permuted_labeller(factors(), Data, state())
    for column, size in enumerate(SIZES):
        pairs = set(zip(factors()[:, column], labels[:, column], strict=True))
        assert len(pairs) == len({new for _, new in pairs}) == size
    assert np.any(labels != factors())


def test_partial_labels_are_some_of_the_factors():
    labels, sizes = labellers.partial_labeller(factors(), Data, state(), 2)
    columns = [SIZES.index(size) for size in sizes]
    assert len(set(columns)) == 2
    np.testing.assert_array_equal(labels, factors()[:, columns])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: labellers.noisy_labeller(factors(), Data, state(), 1.1),
            "noisy_labeller.prob_random is 1.1, but must be at least 0 and",
        ),
        (lambda: labellers.partial_labeller(factors(), Data, state(), 4), "3 factors"),
        (lambda: supervised_losses.embed(SIZES, sigma="auto"), "embed.sigma is 'auto'"),
        (lambda: supervised_losses.embed(SIZES, sigma=0.0), "embed.sigma is 0.0"),
        (lambda: annealers.make_annealer(1.0, 0, annealers.fixed), "must be positive"),
    ],
)
def test_mistakes_are_told(call, message):
    with pytest.raises(UserError, match=message):
        call()


def value_of(loss, means=MEANS):
    return float(loss(tf.constant(means, tf.float32), tf.constant(LABELS, tf.float32)))


def test_cross_entropy_is_that_of_labels_divided_by_their_sizes():
    truth = LABELS / SIZES
    log_p, log_q = (special.log_expit(sign * MEANS[:, :3]) for sign in (1, -1))
    expected = -np.sum(truth * log_p + (1 - truth) * log_q)
    np.testing.assert_allclose(
        value_of(supervised_losses.xent(SIZES)), expected, rtol=1e-5
    )


def test_squared_error_scales_by_a_learned_number_or_by_the_sizes():
    loss = supervised_losses.l2(SIZES)
    loss.scale.assign(1.5)
    expected = np.sum((1.5 * MEANS[:, :3] - LABELS) ** 2)
    np.testing.assert_allclose(value_of(loss), expected, rtol=1e-5)
    expected = np.sum((special.expit(MEANS[:, :3]) - LABELS / SIZES) ** 2)
    loss = supervised_losses.l2(SIZES, learn_scale=False)
    np.testing.assert_allclose(value_of(loss), expected, rtol=1e-5)


@pytest.mark.parametrize("num_latent", [2, 3, 5])
def test_covariance_is_that_of_numpy_off_the_diagonal(num_latent):
    means = MEANS[:, :num_latent]
    covariance = np.cov(means.T, LABELS.T, bias=True)[:num_latent, num_latent:]
    np.fill_diagonal(covariance, 0.0)
    loss = supervised_losses.cov(SIZES)
    np.testing.assert_allclose(value_of(loss, means), np.sum(covariance**2), rtol=1e-5)


@pytest.mark.parametrize("sigma", [0.7, "learn"])
@pytest.mark.parametrize("use_order", [False, True])
def test_embedding_is_a_softmax_of_distances(sigma, use_order):
    loss = supervised_losses.embed(SIZES, sigma, use_order)
    width = 0.7
    if sigma == "learn":
        loss.scales.assign([0.7, 0.7, 0.7])
    expected = 0.0
    for j, size in enumerate(SIZES):
        places = loss.places[j].numpy()
        if use_order:
            places = places[0] + places[1] * np.arange(size)
        log_p = special.log_softmax(
            -(((MEANS[:, j, None] - places) * width) ** 2), axis=1
        )
        expected -= np.mean(log_p[np.arange(6), LABELS[:, j].astype(int)])
    np.testing.assert_allclose(value_of(loss), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("anneal_fn", "expected"),
    [
        (annealers.fixed, [8, 8, 8, 8, 8]),
        (annealers.anneal, [0, 2, 8, 8, 8]),
        (annealers.fine_tune, [0, 0, 0, 8, 8]),
    ],
)
def test_the_weight_of_the_labels_by_step(anneal_fn, expected):
    weight = annealers.make_annealer(8.0, 4, anneal_fn)
    found = [float(weight(step)) for step in (0, 1, 4, 5, 9)]
    assert found == expected


def make_model(kind=SemiSupervisedVAE, loss_fn=supervised_losses.l2, **kwargs):
    keras.utils.set_random_seed(1)
    model = kind(
        small_encoder(SHAPE, 4),
        small_decoder(4, SHAPE),
        WeightedKL(2.0),
        loss_fn(SIZES, **kwargs),
        annealers.SupervisedWeight(3.0, 4, "anneal"),
        seed=2,
    )
    model.compile(
        keras.optimizers.SGD(0.01), lambda x, y: bernoulli_loss(x, y, "logits")
    )
    model.build_optimizers()
    return model


def make_batch():
    images = np.random.RandomState(0).uniform(size=(2, 6, *SHAPE)).astype(np.float32)
    labels = LABELS.astype(np.float32)
    return {"images": images[0], "labelled_images": images[1], "labels": labels}


def test_the_loss_is_that_of_the_vae_and_of_the_labels_of_other_images():
    model, batch = make_model(), make_batch()
    found = model.losses_of(batch, 2, training=False)
    plain = VAE(model.encoder, model.decoder, model.regularizer, seed=2)
    plain.compile(keras.optimizers.SGD(), model.reconstruction_loss)
    expected = plain.losses_of(batch, 2, training=False)
    means = model.encode(batch["labelled_images"]).mean.numpy()
    supervised = np.sum((means[:, :3] - LABELS) ** 2)
    np.testing.assert_allclose(found["supervised_loss"], supervised, rtol=1e-5)
    total = expected["loss"] + 3.0 * 2 / 4 * supervised
    np.testing.assert_allclose(found["loss"], total, rtol=1e-5)
    assert set(found) == set(model.log_names)


@pytest.mark.parametrize(
    ("loss_fn", "kwargs"),
    [
        (supervised_losses.xent, {}),
        (supervised_losses.l2, {}),
        (supervised_losses.cov, {}),
        (supervised_losses.embed, {"sigma": "learn"}),
    ],
)
def test_gradients_reach_every_weight(loss_fn, kwargs):
    model, batch = make_model(loss_fn=loss_fn, **kwargs), make_batch()
    with tf.GradientTape(persistent=True) as tape:
        logs = model.losses_of(batch, 4, training=True)
    gradients = tape.gradient(logs["loss"], model.trainable_variables)
    assert all(np.any(gradient.numpy()) for gradient in gradients)
    means_head = model.encoder.trainable_variables[0]
    assert np.any(tape.gradient(logs["supervised_loss"], means_head).numpy())


def test_only_labels_train_the_encoder_of_the_supervised_model():
    model, batch = make_model(SupervisedVAE), make_batch()
    with tf.GradientTape(persistent=True) as tape:
        loss = model.losses_of(batch, 4, training=True)["reconstruction_loss"]
    assert set(tape.gradient(loss, model.encoder.trainable_variables)) == {None}
    decoder = tape.gradient(loss, model.decoder.trainable_variables)
    assert all(np.any(gradient.numpy()) for gradient in decoder)


def test_a_saved_model_is_the_same_model(tmp_path):
    model, batch = make_model(), make_batch()
    model.supervised_loss.scale.assign(1.7)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.SGD(), model.reconstruction_loss)
    expected = model.losses_of(batch, 3, training=True)
    found = loaded.losses_of(batch, 3, training=True)
    for name in model.log_names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_labelled_images_come_in_turn_and_show_what_their_labels_say():
    dataset = ShownFactors()
    gin.parse_config("labeller.labeller_fn = @perfect_labeller")
    labelled = sample_labelled_images(dataset, 5, seed=7)
    np.testing.assert_array_equal(labelled.images[:, 0, :, 0], labelled.labels)
    learned, held_out = labelled.split(0.5)
    np.testing.assert_array_equal(learned.labels, labelled.labels[:3])
    np.testing.assert_array_equal(held_out.labels, labelled.labels[3:])
    source = LabelledSource(dataset, 2, 0, learned)
    for step, rows in enumerate([[0, 1], [2, 0], [1, 2]]):
        batch = source.batch(tf.constant(step))
        np.testing.assert_array_equal(batch["labels"], learned.labels[rows])
        np.testing.assert_array_equal(batch["labelled_images"], learned.images[rows])


def train(folder, *bindings):
    training.train_with_gin(str(folder), gin_bindings=[*BINDINGS, *bindings])
    path = folder / "results" / "json" / "train_results.json"
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole")
    loop = training.training_loop.run_training_loop

    def stopped(model, source, training_steps, *others):
        loop(model, source, 3, *others)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training.training_loop, "run_training_loop", stopped)
        train(tmp_path / "torn")
    resumed = train(tmp_path / "torn")
    for results in (whole, resumed):
        del results["elapsed_time"], results["uuid"]
    assert resumed == whole
    assert whole["global_step"] == 5


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("model.random_seed = 1", "model.random_seed is bound, but model.model is a"),
        ("model.num_labelled_samples = None", "bound to model.num_labelled_samples"),
        ("model.model_seed = -1", "model.model_seed is -1, but must be an integer"),
        ("model.num_labelled_samples = 0", "num_labelled_samples is 0, but must be a"),
        ("model.train_percentage = 2.0", "model.train_percentage is 2.0"),
        ("model.train_percentage = 0.0", "train_percentage is 0.0, but must be above"),
        ("encoder.num_latent = 6", "encoder.num_latent is 6, but 10 factors"),
        ("s2_vae.gamma_sup = -1.0", "s2_vae.gamma_sup is -1.0"),
    ],
)
def test_a_mistake_in_gin_is_told(tmp_path, binding, message):
    with pytest.raises(UserError, match=message):
        train(tmp_path / "model", binding)


def test_labels_are_refused_by_a_model_that_sees_none(tmp_path):
    with pytest.raises(UserError, match="no semi-supervised model"):
        train(
            tmp_path / "model",
            "model.model = @vae()",
            "vae.beta = 1.0",
            "model.random_seed = 0",
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "bindings"),
    [
        ("supervised", []),
        ("s2_beta_tc_vae", ["beta = 2.0", "gamma_sup = 1.0"]),
        ("s2_dip_vae", ["lambda_od = 1.0", "lambda_d_factor = 1.0", "gamma_sup = 1.0"]),
        ("s2_factor_vae", ["gamma = 2.0", "gamma_sup = 1.0"]),
        ("s2_mine_vae", ["beta = 2.0", "gamma_sup = 1.0"]),
    ],
)
def test_each_model_trains(tmp_path, model, bindings):
    assert labelled_models.needs_labels(getattr(labelled_models, model))
    results = train(
        tmp_path / "model",
        f"model.model = @{model}",
        "discriminator.discriminator_fn = @fc_discriminator",
        "discriminator_optimizer.optimizer_fn = @AdamOptimizer",
        *(f"{model}.{binding}" for binding in bindings),
    )
    assert results["supervised_loss"] > 0


@pytest.fixture
def without_noise(monkeypatch):
    """XLA draws other noise, of the same law."""
    monkeypatch.setattr(gaussian, "sample", lambda posterior, seed: posterior.mean)
    monkeypatch.setattr(
        mine_vae, "permute_latents", lambda latents, seed: tf.reverse(latents, [0])
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "bindings",
    [
        ["supervised_loss.loss_fn = @l2"],
        ["supervised_loss.loss_fn = @cov"],
        ["supervised_loss.loss_fn = @embed", "embed.sigma = 'learn'"],
        [
            "model.model = @s2_mine_vae",
            "s2_mine_vae.beta = 1.0",
            "s2_mine_vae.gamma_sup = 2.0",
        ],
    ],
)
def test_labels_teach_the_same_by_xla_and_in_half_precision(
    without_noise, tmp_path, bindings
):
    # So small that the weights stay, which half precision would take another way.
    rate = "vae_optimizer.learning_rate = 1e-6"
    bindings = [*bindings, "model.train_percentage = 0.5", rate]
    plain = train(tmp_path / "plain", *bindings)
    assert plain["supervised_loss"] > 1e-4
    for option, tolerance in [
        ("train.jit_compile = True", 1e-3),
        ("train.precision = 'mixed_bfloat16'", 0.05),
    ]:
        other = train(tmp_path / option.split()[-1], *bindings, option)
        for name in ("loss", "supervised_loss"):
            np.testing.assert_allclose(other[name], plain[name], rtol=tolerance)
