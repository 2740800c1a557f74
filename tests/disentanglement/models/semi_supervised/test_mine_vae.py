"""MineVAE: estimates against NumPy and known information, and who learns from what."""

import math

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats

from mvhg_tf.disentanglement.models.semi_supervised.annealers import SupervisedWeight
from mvhg_tf.disentanglement.models.semi_supervised.mine_vae import (
    MineVAE,
    MutualInformation,
)
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import permute_latents
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import WeightedKL
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.networks import test_decoder as small_decoder
from mvhg_tf.disentanglement.networks import test_encoder as small_encoder
from mvhg_tf.disentanglement.steps import optimizers

SIZES = [4, 2, 9]
SHAPE = (3, 3, 1)
SEED = tf.constant([3, 4])


def reconstruction_loss(images, logits):
    return bernoulli_loss(images, logits, "logits")


def make_batch(num=12):
    state = np.random.RandomState(0)
    images = state.uniform(size=(2, num, *SHAPE)).astype(np.float32)
    labels = state.randint(SIZES, size=(num, 3)).astype(np.float32)
    return {"images": images[0], "labelled_images": images[1], "labels": labels}


def make_model(learning_rate=0.01, num_latent=4):
    keras.utils.set_random_seed(1)
    model = MineVAE(
        small_encoder(SHAPE, num_latent),
        small_decoder(num_latent, SHAPE),
        WeightedKL(2.0),
        MutualInformation(SIZES, num_latent),
        SupervisedWeight(3.0, 4, "anneal"),
        seed=2,
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        reconstruction_loss,
        adversary_optimizer=keras.optimizers.SGD(10 * learning_rate),
    )
    model.build_optimizers()
    return model


@pytest.mark.parametrize("num_latent", [2, 3, 5])
def test_estimates_are_those_of_a_network_for_each_pair(num_latent):
    keras.utils.set_random_seed(0)
    layer = MutualInformation(SIZES, num_latent)
    layer.hidden_bias.assign(np.random.RandomState(1).normal(size=(3, num_latent, 20)))
    layer.output_bias.assign(np.random.RandomState(2).normal(size=(3, num_latent)))
    means = np.random.RandomState(3).normal(size=(7, num_latent)).astype(np.float32)
    labels = make_batch(7)["labels"]
    found = layer(tf.constant(means), tf.constant(labels), SEED).numpy()
    assert found.shape == (3, num_latent)

    def output(i, j, latent, label):
        hidden = (
            latent[:, None] * layer.of_latent[i, j].numpy()
            + label[:, None] * layer.of_label[i, j].numpy()
            + layer.hidden_bias[i, j].numpy()
        )
        hidden = np.where(hidden > 0, hidden, np.expm1(hidden))
        return (
            hidden @ layer.output_weight[i, j].numpy() + layer.output_bias[i, j].numpy()
        )

    permuted = permute_latents(
        tf.constant(np.repeat(labels, num_latent, axis=1)), SEED
    ).numpy()
    for i in range(3):
        for j in range(num_latent):
            joint = output(i, j, means[:, j], labels[:, i])
            product = output(i, j, means[:, j], permuted[:, i * num_latent + j])
            expected = np.mean(joint) + math.log(7) - special.logsumexp(product)
            np.testing.assert_allclose(found[i, j], expected, rtol=1e-4, atol=1e-6)


def test_weights_start_as_those_of_dense_layers():
    keras.utils.set_random_seed(0)
    layer = MutualInformation([2] * 10, 10)
    limit = math.sqrt(6 / 21)  # Glorot's, of a layer from 1 unit to 20 or back
    for weight in (layer.of_latent, layer.of_label, layer.output_weight):
        # False alarms: 1e-6 for each of three.
        fit = stats.kstest(weight.numpy().ravel(), stats.uniform(-limit, 2 * limit).cdf)
        assert fit.pvalue > 1e-6
    assert not np.any(layer.hidden_bias) and not np.any(layer.output_bias)


def information_of_a_noisy_sign(variance):
    """In nats, of x = -1 or 1 and of x + a normal number."""
    width = math.sqrt(variance)

    def density(y):
        return 0.5 * (stats.norm.pdf(y, -1, width) + stats.norm.pdf(y, 1, width))

    def surprise(y):
        return -density(y) * np.log(density(y))

    entropy, _ = integrate.quad(surprise, -6, 6, limit=200)
    return entropy - stats.norm.entropy(0, width)


@pytest.mark.slow
def test_trained_networks_tell_the_mutual_information():
    # Label 0 is latent 0 and noise, label 1 and latent 1 tell nothing.
    truth = information_of_a_noisy_sign(0.2)
    np.testing.assert_allclose(truth, 0.6589, atol=5e-4)  # "about", says the library
    state = np.random.RandomState(0)
    means = np.stack(
        [np.sign(state.normal(size=8000)), state.normal(size=8000)], axis=1
    )
    labels = np.stack(
        [
            means[:, 0] + state.normal(scale=math.sqrt(0.2), size=8000),
            state.randint(4, size=8000),
        ],
        axis=1,
    )
    means, labels = tf.constant(means, tf.float32), tf.constant(labels, tf.float32)
    keras.utils.set_random_seed(0)
    layer = MutualInformation([2, 4], 2)
    optimizer = optimizers.make_mine_optimizer()
    optimizer.build(layer.trainable_variables)

    @tf.function(autograph=False)
    def step(index):
        with tf.GradientTape() as tape:
            estimates = layer(means, labels, tf.stack([0, index]))
            loss = -tf.reduce_sum(estimates)
        gradients = tape.gradient(loss, layer.trainable_variables)
        optimizer.apply(gradients, layer.trainable_variables)
        return estimates

    estimates = [step(tf.constant(i)).numpy() for i in range(300)]
    last = np.mean(estimates[-20:], axis=0)
    np.testing.assert_allclose(last, [[truth, 0.0], [0.0, 0.0]], atol=0.04)


def test_the_loss_asks_of_each_latent_to_tell_its_own_label_alone():
    model, batch = make_model(), make_batch()
    found = model.losses_of(batch, 2, training=False)
    plain = VAE(model.encoder, model.decoder, model.regularizer, seed=2)
    plain.compile(keras.optimizers.SGD(), reconstruction_loss)
    expected = plain.losses_of(batch, 2, training=False)
    means = model.encode(batch["labelled_images"]).mean
    seed = tf.random.experimental.stateless_fold_in(tf.constant([2, 2]), 2)
    estimates = model.supervised_loss(means, batch["labels"], seed).numpy()
    others = ~np.eye(3, 4, dtype=bool)
    supervised = np.sum(estimates[others] ** 2)
    assert supervised > 0
    np.testing.assert_allclose(found["supervised_loss"], supervised, rtol=1e-5)
    np.testing.assert_allclose(found["mine_loss"], -np.sum(estimates), rtol=1e-5)
    total = expected["loss"] + 3.0 * 2 / 4 * supervised
    np.testing.assert_allclose(found["loss"], total, rtol=1e-5)
    assert set(found) == set(model.log_names)


def test_each_optimizer_descends_its_own_loss_from_the_same_weights(
    check_each_optimizer_descends_its_own_loss,
):
    check_each_optimizer_descends_its_own_loss(make_model(), make_batch())


def test_labels_teach_the_encoder_and_never_the_decoder():
    model, batch = make_model(), make_batch()
    with tf.GradientTape(persistent=True) as tape:
        loss = model.losses_of(batch, 4, training=True)["supervised_loss"]
    gradients = tape.gradient(loss, model.encoder.trainable_variables)
    assert any(g is not None and np.any(g.numpy()) for g in gradients)
    assert set(tape.gradient(loss, model.decoder.trainable_variables)) == {None}


def test_a_saved_model_is_the_same_model(tmp_path):
    model, batch = make_model(), make_batch()
    model.train_step(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.SGD(), reconstruction_loss, None)
    expected = model.losses_of(batch, 3, training=True)
    found = loaded.losses_of(batch, 3, training=True)
    for name in model.log_names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_the_optimizer_is_the_librarys_unless_gin_says_otherwise():
    default = optimizers.make_mine_optimizer()
    assert isinstance(default, keras.optimizers.Adam)
    np.testing.assert_allclose(float(default.learning_rate), 0.01)
    gin.parse_config(
        """
        mine_optimizer.optimizer_fn = @GradientDescentOptimizer
        mine_optimizer.learning_rate = 0.5
        """
    )
    bound = optimizers.make_mine_optimizer()
    assert isinstance(bound, keras.optimizers.SGD)
    assert float(bound.learning_rate) == 0.5
