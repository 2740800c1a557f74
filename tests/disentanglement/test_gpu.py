"""A machine with a GPU runs all of training on it: each operation has a kernel."""

import gin
import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from mvhg_tf.disentanglement import losses, models, training_loop, unsupervised
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.images import ImageSource
from mvhg_tf.disentanglement.pairs import PairSource

BINDINGS = """
encoder.num_latent = 10
encoder.encoder_fn = @conv_encoder
decoder.decoder_fn = @deconv_decoder
discriminator.discriminator_fn = @fc_discriminator
reconstruction_loss.loss_fn = @bernoulli_loss
dynamics.k = 2
group_vae.beta = 1.0
"""


def check_kernels(model, source):
    """Compiles the training loop; returns its operations, which all have kernels."""
    loop = training_loop.compiled_loop(model, source, first_step=0)
    graph = loop.get_concrete_function(tf.constant(2)).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    operations = {node.op for node in nodes}
    for operation in operations:
        registered = kernels.get_registered_kernels_for_op(operation).kernel
        devices = {kernel.device_type for kernel in registered}
        assert devices & {"GPU", "DEFAULT"}, operation
    return operations


@pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
def test_every_operation_of_training_on_pairs_has_a_gpu_kernel(estimator):
    gin.parse_config([BINDINGS, f"hgvae.gradient_estimator = '{estimator}'"])
    dataset = named_data.get_named_ground_truth_data("arm3d")
    model = models.group_vae_hypergeometric()((64, 64, 3), 0)
    model.compile(keras.optimizers.Adam(), losses.make_reconstruction_loss)
    model.build_optimizers()
    operations = check_kernels(model, PairSource(dataset, 4, 0))
    assert {"Conv2D", "Conv2DBackpropFilter", "TopKV2"} <= operations


@pytest.mark.parametrize(
    "builder, other_optimizers",
    [
        (unsupervised.factor_vae(10.0), ["discriminator_optimizer"]),
        (unsupervised.dip_vae(5.0, 10.0, "ii"), []),
        (unsupervised.beta_tc_vae(6.0), []),
        (unsupervised.annealed_vae(1000, 25, 100_000), []),
    ],
)
def test_every_operation_of_training_on_images_has_a_gpu_kernel(
    builder, other_optimizers
):
    gin.parse_config(BINDINGS)
    dataset = named_data.get_named_ground_truth_data("arm3d")
    model = builder((64, 64, 3), 0)
    others = {name: keras.optimizers.Adam() for name in other_optimizers}
    model.compile(keras.optimizers.Adam(), losses.make_reconstruction_loss, **others)
    model.build_optimizers()
    operations = check_kernels(model, ImageSource(dataset, 4, 0))
    assert {"Conv2D", "Conv2DBackpropFilter"} <= operations
