"""The VAE of single images on a small model, against NumPy and SciPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from mvhg_tf.disentanglement import networks
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE

SHAPE = (3, 3, 1)
NUM_LATENT = 4
REGULARIZERS = [
    image_regularizers.WeightedKL(2.0),
    image_regularizers.AnnealedCapacity(3.0, 5.0, 10),
    image_regularizers.MomentMatching(2.0, 5.0, "i"),
    image_regularizers.MomentMatching(2.0, 5.0, "ii"),
    image_regularizers.WeightedTotalCorrelation(3.0),
]


def reconstruction_loss(images, logits):
    return bernoulli_loss(images, logits, "logits")


def make_model(regularizer, seed=0):
    keras.utils.set_random_seed(1)
    encoder = networks.test_encoder(SHAPE, NUM_LATENT)
    decoder = networks.test_decoder(NUM_LATENT, SHAPE)
    model = VAE(encoder, decoder, regularizer, seed)
    model.compile(keras.optimizers.Adam(0.01), reconstruction_loss)
    model.build_optimizers()
    return model


def make_batch(num=8, seed=0):
    images = np.random.RandomState(seed).uniform(size=(num, *SHAPE))
    return {"images": images.astype(np.float32)}


class RecordingLoss:
    """Keeps what the model decoded, so that NumPy can price it."""

    def __call__(self, images, logits):
        self.logits = logits.numpy().astype(np.float64)
        return reconstruction_loss(images, logits)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_losses_are_those_of_the_definitions(regularizer):
    model = make_model(regularizer)
    model.reconstruction_loss = record = RecordingLoss()
    batch = make_batch()
    logs = model.losses_of(batch, step=7, training=True)

    x, p = batch["images"].astype(np.float64), special.expit(record.logits)
    nats = -(special.xlogy(x, p) + special.xlog1py(1 - x, -p)).sum((1, 2, 3)).mean()
    mean, log_variance = (t.numpy() for t in model.encode(batch["images"]))
    kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(1).mean()
    np.testing.assert_allclose(logs["reconstruction_loss"], nats, rtol=1e-5)
    np.testing.assert_allclose(logs["kl_loss"], kl, rtol=1e-5)
    np.testing.assert_allclose(logs["elbo"], -nats - kl, rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], nats + logs["regularizer"], rtol=1e-5)
    if isinstance(regularizer, image_regularizers.WeightedKL):
        np.testing.assert_allclose(logs["regularizer"], 2 * kl, rtol=1e-5)
    elif isinstance(regularizer, image_regularizers.AnnealedCapacity):
        np.testing.assert_allclose(logs["regularizer"], 3 * abs(kl - 3.5), rtol=1e-5)
    assert set(logs) == set(model.log_names)


def train(regularizer, seed=0):
    model = make_model(regularizer, seed)
    step = tf.function(model.train_step, autograph=False)
    batch = make_batch()
    return [float(step(batch)["loss"]) for _ in range(60)]


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_training_lowers_the_loss(regularizer):
    losses = train(regularizer)
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 0.3


def test_training_repeats_exactly_with_the_same_seed():
    regularizer = image_regularizers.WeightedTotalCorrelation(3.0)
    assert train(regularizer) == train(regularizer)
    assert train(regularizer) != train(regularizer, seed=1)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
def test_a_saved_model_is_the_same_model(tmp_path, regularizer):
    model = make_model(regularizer, seed=5)
    model.train_step(make_batch())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    assert loaded.regularizer == regularizer
    loaded.compile(keras.optimizers.Adam(), reconstruction_loss)
    expected = model.losses_of(make_batch(seed=1), 3, training=True)
    found = loaded.losses_of(make_batch(seed=1), 3, training=True)
    for name in model.log_names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
