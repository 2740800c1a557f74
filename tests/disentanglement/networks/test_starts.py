"""How the encoder and the decoder start: their signals' scale, and the mean colour."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mvhg_tf.disentanglement import networks
from mvhg_tf.disentanglement.networks import starts
from mvhg_tf.disentanglement.steps import training
from mvhg_tf.runs.errors import UserError

SHAPE = (64, 64, 3)
COLOUR = np.array([-2.0, 0.5, 1.0])
NETWORKS = [("conv_encoder", "deconv_decoder"), ("fc_encoder", "fc_decoder")]


def started(encoder="conv_encoder", decoder="deconv_decoder", start="he", seed=0):
    keras.utils.set_random_seed(0)
    encoder = getattr(networks, encoder)(SHAPE, 10)
    decoder = getattr(networks, decoder)(10, SHAPE)
    starts.start_networks(encoder, decoder, lambda: COLOUR, seed, start)
    return encoder, decoder


def logits_of(decoder):
    latents = np.random.RandomState(1).normal(size=(200, 10))
    return decoder(latents.astype(np.float32)).numpy()


@pytest.mark.parametrize(("encoder", "decoder"), NETWORKS)
def test_a_decoder_starts_alive_and_at_the_mean_colour(encoder, decoder):
    _, decoder = started(encoder, decoder)
    logits = logits_of(decoder)
    assert 0.08 < logits.std(axis=0).mean() < 0.3
    np.testing.assert_allclose(logits.mean(axis=(0, 1, 2)), COLOUR, atol=0.1)


def test_the_librarys_start_is_left_as_keras_drew_it():
    encoder, decoder = started(start="library")
    keras.utils.set_random_seed(0)
    again = networks.conv_encoder(SHAPE, 10), networks.deconv_decoder(10, SHAPE)
    for ours, theirs in zip([encoder, decoder], again, strict=True):
        for a, b in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(a, b)
    assert logits_of(decoder).std(axis=0).mean() < 0.005


def test_signals_keep_their_scale_through_the_hidden_layers():
    """The mean square of what comes in is that of what goes on, times the rectifier."""
    _, decoder = started()
    taps = [decoder.get_layer(name).output for name in ("d1", "d2", "d3", "d4", "d5")]
    latents = np.random.RandomState(1).normal(size=(200, 10)).astype(np.float32)
    outputs = keras.Model(decoder.input, taps)(latents)
    squares = [float(tf.reduce_mean(tf.square(x))) for x in outputs]
    # Half of 2 x 1; at the borders of an image a few of the inputs are missing.
    np.testing.assert_allclose(squares, 1.0, atol=0.45)


def test_the_posteriors_start_near_the_prior_but_apart():
    encoder, _ = started()
    images = np.random.RandomState(0).uniform(size=(64, *SHAPE)).astype(np.float32)
    images *= np.random.RandomState(1).uniform(size=(64, 1, 1, 3))
    mean, log_variance = (x.numpy() for x in encoder(images))
    library, _ = (x.numpy() for x in started(start="library")[0](images))
    assert mean.std(axis=0).mean() > 5 * library.std(axis=0).mean()
    assert np.abs(mean).mean() < 1.5
    assert np.abs(log_variance).mean() < 0.5


def variances(network):
    return {
        layer.name: float(np.mean(np.square(layer.kernel)))
        for layer in network.layers
        if hasattr(layer, "kernel")
    }


def test_the_variances_are_those_of_he():
    encoder, decoder = started()
    expected = {
        "e1": 2 / (16 * 3),
        "e2": 2 / (16 * 32),
        "e3": 2 / (4 * 32),
        "e4": 2 / (4 * 64),
        "e5": 2 / 1024,
        "means": 1 / 256,
        "log_var": 0.1 / 256,
        "d1": 2 / 10,
        "d2": 2 / 256,
        "d3": 2 / (4 * 64),
        "d4": 2 / (4 * 64),
        "d5": 2 / (4 * 32),
        "d6": 0.1 / (4 * 32),
    }
    found = variances(encoder) | variances(decoder)
    assert set(found) == set(expected)
    for name, value in expected.items():  # 1500 weights or more: 5 sd are 18%
        assert found[name] == pytest.approx(value, rel=0.2), name
    assert variances(started("fc_encoder", "fc_decoder")[1])["d2"] == pytest.approx(
        1 / 1200, rel=0.05
    )


def test_a_seed_fixes_the_weights():
    first, same, other = (started(seed=seed)[0].weights for seed in (3, 3, 4))
    np.testing.assert_array_equal(first[0], same[0])
    assert np.all(first[0].numpy() != other[0].numpy())


def test_networks_of_ones_own():
    """Nested ones, with branches, layers of other kinds, and no biases."""
    images = keras.Input((8, 8, 1))
    x = keras.Sequential([layers.Conv2D(4, 3, 2, use_bias=False), layers.ReLU()])(
        images
    )
    x = layers.Flatten()(layers.BatchNormalization()(x))
    x = layers.Add()([layers.Dense(16, "relu")(x), layers.Dense(16)(x)])
    both = layers.Dense(6)(x)
    encoder = keras.Model(images, (both[:, :3], both[:, 3:]))
    latents = keras.Input((3,))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(64, use_bias=False)])
    decoder = keras.Model(latents, layers.Reshape((8, 8, 1))(inner(latents)))
    starts.start_networks(encoder, decoder, lambda: np.zeros(1), 0, "he")
    assert np.std(inner.layers[-1].kernel) == pytest.approx(np.sqrt(0.1 / 3), rel=0.3)
    assert decoder(encoder(np.ones([2, 8, 8, 1]))[0]).shape == (2, 8, 8, 1)


def test_networks_without_weights_at_their_ends_are_left_alone():
    images = keras.Input((2, 2, 1))
    flat = layers.Flatten()(images)
    latents = keras.Input((4,))
    decoder = keras.Model(latents, layers.Reshape((2, 2, 1))(latents))
    starts.start_networks(
        keras.Model(images, (flat, flat)), decoder, lambda: np.zeros(1), 0, "he"
    )
    np.testing.assert_array_equal(decoder(np.eye(4)), np.eye(4).reshape(4, 2, 2, 1))


def test_another_start_is_one_clear_sentence():
    with pytest.raises(UserError, match='networks.start is .warm., but must be "lib'):
        started(start="warm")


BINDINGS = [
    "dataset.name = 'arm3d'",
    "dynamics.k = 2",
    "model.batch_size = 4",
    "model.training_steps = 1",
    "model.eval_steps = 1",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @conv_encoder",
    "decoder.decoder_fn = @deconv_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "networks.start = 'he'",
]
PAIRS = ["model.random_seed = 3", "group_vae.beta = 1.0"]
MODELS = {
    "hgvae": ["model.model = @group_vae_hypergeometric()", *PAIRS],
    "adavae": ["model.model = @group_vae_argmax()", *PAIRS],
    "vae": ["model.model = @vae()", "vae.beta = 1.0", "model.random_seed = 3"],
    "tanh": [
        "model.model = @vae()",
        "vae.beta = 1.0",
        "model.random_seed = 3",
        "reconstruction_loss.activation = 'tanh'",
    ],
    "s2": [
        "model.model = @s2_vae",
        "s2_vae.beta = 1.0",
        "s2_vae.gamma_sup = 10.0",
        "supervised_loss.loss_fn = @xent",
        "annealer.anneal_fn = @fixed",
        "annealer.iteration_threshold = 1",
        "labeller.labeller_fn = @perfect_labeller",
        "model.model_seed = 3",
        "model.unsupervised_data_seed = 4",
        "model.supervised_data_seed = 5",
        "model.num_labelled_samples = 10",
        "model.train_percentage = 1.0",
    ],
}


class Stop(Exception):
    """Ends the training before its first step."""


@pytest.mark.parametrize("name", MODELS)
def test_every_model_starts_so(name, tmp_path, monkeypatch):
    caught = []

    def stop(*arguments):
        caught.extend(arguments)
        raise Stop

    monkeypatch.setattr(training.training_loop, "run_training_loop", stop)
    with pytest.raises(Stop):
        training.train_with_gin(
            str(tmp_path / "model"), gin_bindings=[*BINDINGS, *MODELS[name]]
        )
    model, source, *_ = caught
    logits = logits_of(model.decoder)
    assert 0.08 < logits.std(axis=0).mean() < 0.3
    found = reconstruction_pixels(name, logits).mean(axis=(0, 1, 2))
    batches = [source.batch(step) for step in range(100, 140)]
    key = next(key for key in batches[0] if key.startswith("images"))
    colour = np.mean([batch[key] for batch in batches], axis=(0, 1, 2, 3))
    np.testing.assert_allclose(found, colour, atol=0.1)


def reconstruction_pixels(name, logits):
    return (1 + np.tanh(logits)) / 2 if name == "tanh" else 1 / (1 + np.exp(-logits))
