"""Layer shapes and parameter counts, by hand from the library's description."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import networks
from mvhg_tf.runs.errors import UserError, message_of

SHAPE = (64, 64, 3)


def test_convolutional_encoder_has_the_library_s_layers():
    encoder = networks.make_gaussian_encoder(
        SHAPE, num_latent=10, encoder_fn=networks.conv_encoder
    )
    assert encoder.count_params() == (
        (4 * 4 * 3 * 32 + 32)
        + (4 * 4 * 32 * 32 + 32)
        + (2 * 2 * 32 * 64 + 64)
        + (2 * 2 * 64 * 64 + 64)
        + (4 * 4 * 64 * 256 + 256)
        + 2 * (256 * 10 + 10)
    )
    mean, log_variance = encoder(tf.zeros([2, *SHAPE]))
    assert mean.shape == log_variance.shape == (2, 10)


def test_deconvolutional_decoder_has_the_library_s_layers():
    decoder = networks.make_decoder(10, SHAPE, decoder_fn=networks.deconv_decoder)
    assert decoder.count_params() == (
        (10 * 256 + 256)
        + (256 * 1024 + 1024)
        + (4 * 4 * 64 * 64 + 64)
        + (4 * 4 * 64 * 32 + 32)
        + (4 * 4 * 32 * 32 + 32)
        + (4 * 4 * 32 * 3 + 3)
    )
    assert decoder(tf.zeros([2, 10])).shape == (2, *SHAPE)


def test_dense_networks_have_the_library_s_layers():
    pixels = 64 * 64 * 3
    encoder = networks.fc_encoder(SHAPE, 6)
    assert encoder.count_params() == (
        (pixels * 1200 + 1200) + (1200 * 1200 + 1200) + 2 * (1200 * 6 + 6)
    )
    decoder = networks.fc_decoder(6, SHAPE)
    assert decoder.count_params() == (
        (6 * 1200 + 1200) + 2 * (1200 * 1200 + 1200) + (1200 * pixels + pixels)
    )
    assert decoder(np.zeros([2, 6])).shape == (2, *SHAPE)


def test_discriminator_has_the_library_s_layers():
    discriminator = networks.make_discriminator(
        10, discriminator_fn=networks.fc_discriminator
    )
    assert discriminator.count_params() == (
        (10 * 1000 + 1000) + 5 * (1000 * 1000 + 1000) + (1000 * 2 + 2)
    )
    latents = np.random.RandomState(0).normal(size=(4, 10))
    expected = latents
    for layer in discriminator.layers[1:]:
        kernel, bias = (w.numpy().astype(np.float64) for w in layer.weights)
        expected = expected @ kernel + bias
        if layer.name != "logits":
            expected = np.where(expected > 0, expected, 0.2 * expected)
    np.testing.assert_allclose(discriminator(latents), expected, rtol=1e-4, atol=1e-5)


def test_test_networks_are_linear():
    pixels = 64 * 64 * 3
    encoder = networks.test_encoder(SHAPE, 6)
    assert encoder.count_params() == 2 * (pixels * 6 + 6)
    decoder = networks.test_decoder(6, SHAPE)
    assert decoder.count_params() == 6 * pixels + pixels
    latents = np.random.RandomState(0).normal(size=(2, 6)).astype(np.float32)
    images = decoder(latents)
    assert images.shape == (2, *SHAPE)
    for network, inputs in ((decoder, latents), (lambda x: encoder(x)[0], images)):
        np.testing.assert_allclose(network(3 * inputs), 3 * network(inputs), atol=1e-4)


@pytest.mark.parametrize("name", ["fc", "conv"])
def test_networks_take_the_library_s_batches(name):
    """Ten black-and-white images, ten codes; an image's outputs are its own."""
    shape = (64, 64, 1)
    images = np.random.RandomState(0).uniform(size=(10, *shape)).astype(np.float32)
    make_decoder = {"fc": "fc_decoder", "conv": "deconv_decoder"}[name]
    encoder = getattr(networks, f"{name}_encoder")(shape, 15)
    decoder = getattr(networks, make_decoder)(15, shape)
    discriminator = networks.fc_discriminator(15)
    mean, log_variance = encoder(images)
    assert mean.shape == log_variance.shape == (10, 15)
    logits = decoder(mean)
    assert logits.shape == (10, *shape)
    assert discriminator(mean).shape == (10, 2)
    for network, inputs in ((decoder, mean), (discriminator, mean)):
        np.testing.assert_allclose(
            network(inputs[3:4])[0], network(inputs)[3], rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(
        encoder(images[3:4])[0][0], mean[3], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("num_latent", [0, -1, 2.5, "ten"])
def test_a_wrong_number_of_latents_is_one_clear_sentence(num_latent):
    with pytest.raises(
        UserError, match="encoder.num_latent is .*, but must be a.* integer"
    ):
        networks.make_gaussian_encoder(
            SHAPE, num_latent=num_latent, encoder_fn=networks.conv_encoder
        )


@pytest.mark.parametrize(
    ("height", "width", "num_layers"),
    [(32, 32, 3), (33, 47, 3), (48, 64, 3), (64, 100, 4), (100, 64, 4), (127, 128, 4)],
)
def test_convolutions_serve_other_sizes_by_their_number(height, width, num_layers):
    shape = (height, width, 1)
    encoder, decoder = (
        networks.conv_encoder(shape, 3),
        networks.deconv_decoder(3, shape),
    )
    assert encoder(tf.zeros([2, *shape]))[0].shape == (2, 3)
    assert decoder(tf.zeros([2, 3])).shape == (2, *shape)
    for network in (encoder, decoder):
        kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
        assert sum(isinstance(layer, kinds) for layer in network.layers) == num_layers


@pytest.mark.parametrize(("shape", "num_layers"), [((128, 192), 5), ((256, 256), 6)])
def test_large_images_are_served(shape, num_layers):
    encoder = networks.conv_encoder((*shape, 3), 3)
    decoder = networks.deconv_decoder(3, (*shape, 3))
    assert encoder.get_layer(f"e{num_layers + 1}").units == 256
    assert decoder.output_shape == (None, *shape, 3)


@pytest.mark.parametrize("shape", [(31, 64, 1), (64, 257, 3), (8, 8, 1)])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_sizes_that_convolutions_can_not_serve_are_told(shape, part):
    name = {"encoder": "conv_encoder", "decoder": "deconv_decoder"}[part]
    arguments = (shape, 3) if part == "encoder" else (3, shape)
    with pytest.raises(UserError) as caught:
        getattr(networks, name)(*arguments)
    assert message_of(caught.value) == (
        f"@{name} takes images of 32 to 256 pixels a side, but the data set's are "
        f"{shape[0]} x {shape[1]}: resize the images, or bind {part}.{part}_fn = "
        f"@fc_{part}."
    )
