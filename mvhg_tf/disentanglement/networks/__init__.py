"""Networks of disentanglement_lib, as Keras models.

Gin names, layer shapes and activations are the library's; the networks are near those
of Higgins et al. (2017), Table 1: row 3 (convolutional; see `conv_encoder` for what
differs) and row 1 (dense), and the discriminator of Kim and Mnih (2018), appendix A.
Weights start as Keras' defaults (Glorot uniform, zero bias), as in TensorFlow 1.
"""

import keras

from mvhg_tf.disentanglement.networks.decoders import (
    deconv_decoder,
    fc_decoder,
    make_decoder,
    test_decoder,
)
from mvhg_tf.disentanglement.networks.discriminators import (
    fc_discriminator,
    make_discriminator,
)
from mvhg_tf.disentanglement.networks.encoders import (
    Shape,
    conv_encoder,
    fc_encoder,
    make_gaussian_encoder,
    test_encoder,
)

__all__ = [
    "Shape",
    "conv_encoder",
    "deconv_decoder",
    "fc_decoder",
    "fc_discriminator",
    "fc_encoder",
    "make_decoder",
    "make_discriminator",
    "make_gaussian_encoder",
    "make_networks",
    "test_decoder",
    "test_encoder",
]


def make_networks(observation_shape: Shape) -> tuple[keras.Model, keras.Model]:
    """The configured encoder of images of a shape `(H, W, C)`, and its decoder."""
    encoder = make_gaussian_encoder(observation_shape)
    return encoder, make_decoder(encoder.outputs[0].shape[-1], observation_shape)
