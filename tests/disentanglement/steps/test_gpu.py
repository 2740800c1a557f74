"""A machine with a GPU runs all of training on it: each operation has a kernel."""

import functools

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.models.pairs import pair_models
from mvhg_tf.disentanglement.models.semi_supervised import labelled_models
from mvhg_tf.disentanglement.models.shared import reconstruction
from mvhg_tf.disentanglement.models.unsupervised import image_models
from mvhg_tf.disentanglement.models.unsupervised.adversarial_vae import AdversarialVAE
from mvhg_tf.disentanglement.networks.sub_pixel import Conv2DTransposeToImages
from mvhg_tf.disentanglement.reasoning import reason, solvers
from mvhg_tf.disentanglement.reasoning.matrix_data import get_pgm_dataset
from mvhg_tf.disentanglement.sources.images import ImageSource
from mvhg_tf.disentanglement.sources.labelled_images import (
    LabelledImages,
    LabelledSource,
)
from mvhg_tf.disentanglement.sources.pairs import Dynamics, PairSource
from mvhg_tf.disentanglement.steps import training_loop
from mvhg_tf.distributions import MultivariateFisherNoncentralHypergeometric

BINDINGS = """
encoder.num_latent = 10
encoder.encoder_fn = @conv_encoder
decoder.decoder_fn = @deconv_decoder
discriminator.discriminator_fn = @fc_discriminator
reconstruction_loss.loss_fn = @bernoulli_loss
group_vae.beta = 1.0
mlvae.beta = 1.0
"""


def make_pairs(dataset, batch_size, seed):
    return PairSource(dataset, batch_size, seed, Dynamics(k=2))


def check_kernels(function, *arguments):
    """Traces a `tf.function`; returns its operations, which all have GPU kernels."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    operations = {node.op for node in nodes}
    for operation in operations:
        registered = kernels.get_registered_kernels_for_op(operation).kernel
        devices = {kernel.device_type for kernel in registered}
        assert devices & {"GPU", "DEFAULT"}, operation
    return operations


def check_training(builder, make_source):
    """The same of the training loop, drawing the batches included."""
    dataset = named_data.get_named_ground_truth_data("arm3d")
    model = builder((64, 64, 3), 0)
    others = {}
    if isinstance(model, AdversarialVAE):
        others["adversary_optimizer"] = keras.optimizers.Adam()
    model.compile(
        keras.optimizers.Adam(), reconstruction.ReconstructionLoss(), **others
    )
    model.build_optimizers()
    assert isinstance(model.decoder.layers[-1], Conv2DTransposeToImages)
    source = make_source(dataset, 4, 0)
    assert source.on_device
    loop = training_loop.compiled_loop(model, source, first_step=0)
    operations = check_kernels(loop, tf.constant(2))
    assert {"Conv2D", "Conv2DBackpropFilter"} <= operations
    return operations


@pytest.mark.parametrize(
    ("name", "bindings"),
    [
        ("group_vae_argmax", []),
        ("group_vae_hypergeometric", ["hgvae.objective = 'paper'"]),
        pytest.param("group_vae_labels", [], marks=pytest.mark.slow),
        pytest.param(
            "group_vae_hypergeometric",
            ["hgvae.gradient_estimator = 'gumbel_softmax'"],
            marks=pytest.mark.slow,
        ),
        pytest.param("mlvae_labels", [], marks=pytest.mark.slow),
        pytest.param("mlvae_argmax", [], marks=pytest.mark.slow),
        pytest.param("mlvae_hypergeometric", [], marks=pytest.mark.slow),
        ("group_vae_subset", []),
        pytest.param("group_vae_partition", [], marks=pytest.mark.slow),
    ],
)
def test_every_operation_of_training_on_pairs_has_a_gpu_kernel(name, bindings):
    gin.parse_config([BINDINGS, *bindings])
    operations = check_training(getattr(pair_models, name)(), make_pairs)
    if "hypergeometric" in name:
        assert "TopKV2" in operations  # the sort


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(image_models.vae(4.0), marks=pytest.mark.slow),
        image_models.annealed_vae(1000, 25, 100_000),
        image_models.factor_vae(10.0),
        pytest.param(image_models.dip_vae(5.0, 10.0, "i"), marks=pytest.mark.slow),
        image_models.dip_vae(5.0, 10.0, "ii"),
        image_models.beta_tc_vae(6.0),
    ],
    ids=["vae", "annealed", "factor", "dip_i", "dip_ii", "beta_tc"],
)
def test_every_operation_of_training_on_images_has_a_gpu_kernel(builder):
    gin.parse_config(BINDINGS)
    check_training(builder, ImageSource)


@pytest.mark.parametrize(
    ("name", "loss_fn"),
    [
        *(
            pytest.param("s2_vae", loss, marks=pytest.mark.slow)
            for loss in ("xent", "l2", "cov")
        ),
        ("s2_vae", "embed"),
        ("s2_mine_vae", "xent"),
    ],
)
def test_every_operation_of_training_on_labels_has_a_gpu_kernel(name, loss_fn):
    gin.parse_config(
        [
            BINDINGS,
            f"supervised_loss.loss_fn = @{loss_fn}",
            "embed.sigma = 'learn'",
            "annealer.anneal_fn = @anneal",
            "annealer.iteration_threshold = 10",
        ]
    )
    labelled = LabelledImages(
        np.zeros([5, 64, 64, 3], np.float32), np.zeros([5, 2], np.float32), [4, 3]
    )
    make_source = functools.partial(LabelledSource, labelled=labelled)
    model = getattr(labelled_models, name)
    check_training(model([4, 3], beta=1.0, gamma_sup=1.0), make_source)


@pytest.mark.parametrize("method", ["exact", "merged"])
@pytest.mark.parametrize("estimator", ["gumbel_softmax", "mean", None])
@pytest.mark.parametrize("num_draws", [2, 50], ids=["a_row_a_draw", "a_table"])
def test_every_operation_of_the_sampler_and_its_gradient_has_a_gpu_kernel(
    method, estimator, num_draws
):
    @tf.function(autograph=False)
    def step(log_weights):
        distribution = MultivariateFisherNoncentralHypergeometric(
            9.0,
            [5.0, 6.0, 7.0],
            log_weights=log_weights,
            method=method,
            gradient_estimator=estimator,
        )
        with tf.GradientTape() as tape:
            tape.watch(log_weights)
            draws = distribution.sample(num_draws, seed=[0, 1])
            loss = tf.reduce_sum(distribution.log_prob(draws) * draws[..., 0])
        return tape.gradient(loss, log_weights)

    operations = check_kernels(step, tf.zeros([2, 3]))
    assert any("Random" in operation for operation in operations)


def test_every_operation_of_the_renderer_has_a_gpu_kernel():
    dataset = named_data.get_named_ground_truth_data("arm3d")
    render = tf.function(dataset.render, autograph=False)
    assert check_kernels(render, tf.zeros([3, 7], tf.int32))


@pytest.mark.parametrize("embedding", ["values", solvers.convolutional_embedding])
def test_a_network_that_reasons(embedding):
    gin.parse_config("""
        dataset.name = "arm3d"
        pgm.pgm_type = "easy_mixed"
        BaselineCNNEmbedder.num_latent = 10
        OptimizedWildRelNet.edge_mlp = [4, 4]
        OptimizedWildRelNet.graph_mlp = [4]
        OptimizedWildRelNet.dropout_in_last_graph_layer = 0.5
    """)
    model = solvers.TwoStageModel(embedding, solvers.wild_relation_network)
    solver = reason.Solver(model, get_pgm_dataset(inputs=model.inputs), 2)
    batches = solver.batches(seed=0, num=1)
    operations = check_kernels(solver.train_steps, batches, tf.constant(1))
    assert "SparseSoftmaxCrossEntropyWithLogits" in operations
    check_kernels(solver.score_steps, batches, tf.constant(1))
