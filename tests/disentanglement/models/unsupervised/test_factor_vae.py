"""FactorVAE: both losses against NumPy, who learns from which, and what is learned."""

import math

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from mvhg_tf.disentanglement import networks
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.disentanglement.models.unsupervised.factor_vae import (
    AdversarialTotalCorrelation,
    FactorVAE,
    permute_latents,
)
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import ImageTerms

SHAPE = (3, 3, 1)
NUM_LATENT = 4
SEED = tf.constant([3, 4])


def reconstruction_loss(images, logits):
    return bernoulli_loss(images, logits, "logits")


def small_discriminator():
    latents = keras.Input((NUM_LATENT,))
    hidden = keras.layers.Dense(8, "tanh")(latents)
    return keras.Model(latents, keras.layers.Dense(2)(hidden))


def make_model(gamma=6.0, learning_rate=0.01):
    keras.utils.set_random_seed(1)
    model = FactorVAE(
        networks.test_encoder(SHAPE, NUM_LATENT),
        networks.test_decoder(NUM_LATENT, SHAPE),
        AdversarialTotalCorrelation(small_discriminator(), gamma),
        seed=2,
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        reconstruction_loss,
        adversary_optimizer=keras.optimizers.SGD(10 * learning_rate),
    )
    model.build_optimizers()
    return model


def make_batch(num=8):
    images = np.random.RandomState(0).uniform(size=(num, *SHAPE))
    return {"images": images.astype(np.float32)}


def terms_of(latents, kl_loss=1.5):
    latents = tf.convert_to_tensor(latents, tf.float32)
    posterior = Gaussian(latents, tf.zeros_like(latents))
    return ImageTerms(posterior, latents, tf.constant(kl_loss), tf.constant(0), SEED)


def test_permuted_latents_are_the_same_in_each_column_and_in_other_rows():
    latents = np.arange(400.0).reshape(100, 4)
    permuted = permute_latents(tf.constant(latents), SEED).numpy()
    np.testing.assert_array_equal(np.sort(permuted, axis=0), latents)
    rows = permuted // 4
    # Two random orders of 100 agree at 1 place in the mean, at 12 with p < 1e-9.
    for column in range(4):
        assert np.sum(rows[:, column] == np.arange(100)) < 12
        assert np.sum(rows[:, column] == rows[:, column - 1]) < 12
    again = permute_latents(tf.constant(latents), SEED)
    np.testing.assert_array_equal(again, permuted)
    assert (permute_latents(tf.constant(latents), SEED + 1) != permuted).numpy().any()


def test_losses_are_those_of_the_definitions():
    discriminator = small_discriminator()
    regularizer = AdversarialTotalCorrelation(discriminator, gamma=6.0)
    terms = terms_of(np.random.RandomState(0).normal(size=(50, NUM_LATENT)))
    scalars = regularizer.regularize(terms)

    kernels = [w.numpy().astype(np.float64) for w in discriminator.weights]

    def logits_of(latents):
        return np.tanh(latents @ kernels[0] + kernels[1]) @ kernels[2] + kernels[3]

    real = logits_of(terms.latents.numpy())
    fake = logits_of(permute_latents(terms.latents, SEED).numpy())
    correlation = np.mean(real[:, 0] - real[:, 1])
    cross_entropy = -0.5 * np.mean(
        special.log_softmax(real, axis=1)[:, 0]
        + special.log_softmax(fake, axis=1)[:, 1]
    )
    np.testing.assert_allclose(scalars["tc_loss"], correlation, rtol=1e-4)
    np.testing.assert_allclose(
        scalars["regularizer"], 1.5 + 6.0 * correlation, rtol=1e-5
    )
    np.testing.assert_allclose(scalars["discriminator_loss"], cross_entropy, rtol=1e-5)


def test_a_discriminator_that_is_sure_and_wrong_costs_no_more_than_a_millionth():
    discriminator = small_discriminator()
    discriminator.layers[-1].bias.assign([-100.0, 100.0])
    regularizer = AdversarialTotalCorrelation(discriminator, gamma=1.0)
    scalars = regularizer.regularize(terms_of(np.zeros((5, NUM_LATENT))))
    np.testing.assert_allclose(
        scalars["discriminator_loss"], -0.5 * math.log(1e-6), rtol=1e-5
    )


def test_each_optimizer_descends_its_own_loss_from_the_same_weights(
    check_each_optimizer_descends_its_own_loss,
):
    check_each_optimizer_descends_its_own_loss(make_model(), make_batch())


def test_training_lowers_the_loss():
    model, batch = make_model(gamma=1.0), make_batch()
    step = tf.function(model.train_step, autograph=False)
    losses = [float(step(batch)["loss"]) for _ in range(150)]
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 0.3


def test_a_trained_discriminator_tells_the_total_correlation():
    # Of two normals of correlation 0.8 it is -log(1 - 0.8^2) / 2 = 0.511 nats, and
    # the log density ratio is a quadratic function.
    pair = keras.Input((2,))
    squares = keras.ops.square(pair), keras.ops.prod(pair, axis=-1, keepdims=True)
    features = keras.layers.Concatenate()(squares)
    discriminator = keras.Model(pair, keras.layers.Dense(2)(features))
    regularizer = AdversarialTotalCorrelation(discriminator, gamma=1.0)
    noise = np.random.RandomState(0).normal(size=(20_000, 2))
    second = 0.8 * noise[:, 0] + 0.6 * noise[:, 1]
    terms = terms_of(np.stack([noise[:, 0], second], axis=1))
    optimizer = keras.optimizers.Adam(0.05)
    variables = regularizer.trainable_variables

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            scalars = regularizer.regularize(terms)
        gradients = tape.gradient(scalars["discriminator_loss"], variables)
        optimizer.apply(gradients, variables)
        return scalars

    optimizer.build(variables)
    for _ in range(300):
        scalars = step()
    np.testing.assert_allclose(
        scalars["tc_loss"], -0.5 * math.log(1 - 0.8**2), atol=0.04
    )


def test_a_saved_model_is_the_same_model(tmp_path):
    model, batch = make_model(), make_batch()
    model.train_step(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.Adam(), reconstruction_loss, None)
    expected = model.losses_of(batch, 3, training=True)
    found = loaded.losses_of(batch, 3, training=True)
    assert loaded.regularizer.gamma == 6.0
    for name in model.log_names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
