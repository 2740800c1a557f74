"""A machine with a GPU runs all of training on it: each operation has a kernel."""

import gin
import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from mvhg_tf.disentanglement import losses, models, training
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.pairs import PairSource


@pytest.mark.parametrize("estimator", ["mean", "gumbel_softmax"])
def test_every_operation_of_training_has_a_gpu_kernel(estimator):
    gin.parse_config(
        f"""
        encoder.num_latent = 10
        encoder.encoder_fn = @conv_encoder
        decoder.decoder_fn = @deconv_decoder
        reconstruction_loss.loss_fn = @bernoulli_loss
        dynamics.k = 2
        group_vae.beta = 1.0
        hgvae.gradient_estimator = "{estimator}"
        """
    )
    dataset = named_data.get_named_ground_truth_data("arm3d")
    model = models.group_vae_hypergeometric()((64, 64, 3), 0)
    model.compile(keras.optimizers.Adam(), losses.make_reconstruction_loss)
    model.optimizer.build(model.trainable_variables)
    loop = training.compiled_loop(model, PairSource(dataset, 4, 0), first_step=0)
    graph = loop.get_concrete_function(tf.constant(2)).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    operations = {node.op for node in nodes}
    assert {"Conv2D", "Conv2DBackpropFilter", "TopKV2"} <= operations
    for operation in operations:
        registered = kernels.get_registered_kernels_for_op(operation).kernel
        devices = {kernel.device_type for kernel in registered}
        assert devices & {"GPU", "DEFAULT"}, operation
