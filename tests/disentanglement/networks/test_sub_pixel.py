"""Against Keras' own transposed convolution, its gradients and its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.networks.sub_pixel import Conv2DTransposeToImages


def pair_of_layers(channels):
    """Ours and Keras' own, with the same weights, bias too."""
    features = keras.Input((5, 7, 6))
    ours = Conv2DTransposeToImages(channels)
    keras_own = keras.layers.Conv2DTranspose(channels, 4, 2, "same")
    ours(features), keras_own(features)
    random = np.random.default_rng(0)
    weights = [random.normal(size=w.shape) for w in keras_own.get_weights()]
    ours.set_weights(weights)
    keras_own.set_weights(weights)
    return ours, keras_own


def value_and_gradients(layer, features, upstream):
    with tf.GradientTape() as tape:
        tape.watch(features)
        images = layer(features)
        total = tf.reduce_sum(images * upstream)
    return images, tape.gradient(
        total, [features, *(weight.value for weight in layer.trainable_weights)]
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_values_and_gradients_are_those_of_keras(channels, jit_compile):
    ours, keras_own = pair_of_layers(channels)
    random = np.random.default_rng(1)
    features = tf.constant(random.normal(size=(2, 5, 7, 6)), tf.float32)
    upstream = tf.constant(random.normal(size=(2, 10, 14, channels)), tf.float32)
    compiled = tf.function(value_and_gradients, jit_compile=jit_compile)
    images, gradients = compiled(ours, features, upstream)
    wanted, wanted_gradients = value_and_gradients(keras_own, features, upstream)
    np.testing.assert_allclose(images, wanted, atol=1e-5)
    for gradient, other in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(gradient, other, rtol=1e-5, atol=1e-4)


def test_second_derivatives_are_those_of_keras():
    ours, keras_own = pair_of_layers(3)
    features = tf.random.stateless_normal((2, 5, 7, 6), [0, 0])

    def second(layer):
        with tf.GradientTape() as outer:
            outer.watch(features)
            with tf.GradientTape() as inner:
                inner.watch(features)
                loss = tf.reduce_sum(layer(features) ** 3)
            squared = tf.reduce_sum(inner.gradient(loss, features) ** 2)
        return outer.gradient(squared, features)

    np.testing.assert_allclose(second(ours), second(keras_own), rtol=1e-3, atol=1e-2)


def test_layer_survives_saving(tmp_path):
    ours, _ = pair_of_layers(3)
    features = keras.Input((5, 7, 6))
    model = keras.Model(features, ours(features))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = tf.random.stateless_normal((2, 5, 7, 6), [0, 0])
    np.testing.assert_array_equal(model(x), loaded(x))


def test_half_precision_is_kept():
    layer = Conv2DTransposeToImages(3, dtype="mixed_bfloat16")
    assert layer(tf.zeros((2, 5, 7, 6))).dtype == tf.bfloat16
