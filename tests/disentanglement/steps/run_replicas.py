"""Trains in a process of its own, which strategies need: devices are set up first.

Arguments: the folder, models, strategies, and gin bindings. Each model is trained by
each strategy, in the folder STRATEGY/MODEL; "mirrored" has two logical CPUs.
"""

import sys

import tensorflow as tf

from mvhg_tf.disentanglement.steps import training

BINDINGS = [
    "dataset.name = 'arm3d'",
    "dynamics.k = 2",
    "model.batch_size = 4",
    "model.training_steps = 4",
    "model.eval_steps = 1",
    "train.log_steps = 2",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "discriminator.discriminator_fn = @fc_discriminator",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "discriminator_optimizer.optimizer_fn = @AdamOptimizer",
    # By default Adam makes a whole step of a gradient that is no more than rounding.
    "AdamOptimizer.epsilon = 1e-2",
    "group_vae.beta = 1.0",
    "vae.beta = 1.0",
    "annealed_vae.gamma = 10.0",
    # At step 2 one device's half of the batch is below it, the other's above.
    "annealed_vae.c_max = 10.0",
    "annealed_vae.iteration_threshold = 1",
    "dip_vae.lambda_od = 5.0",
    "dip_vae.lambda_d_factor = 10.0",
    "dip_vae.dip_type = 'ii'",
    "beta_tc_vae.beta = 6.0",
    "factor_vae.gamma = 10.0",
    "labeller.labeller_fn = @perfect_labeller",
    "supervised_loss.loss_fn = @cov",
    "annealer.anneal_fn = @fixed",
    "annealer.iteration_threshold = 1",
    "s2_vae.beta = 1.0",
    "s2_vae.gamma_sup = 100.0",
    "s2_mine_vae.beta = 1.0",
    "s2_mine_vae.gamma_sup = 100.0",
    "s2_factor_vae.gamma = 10.0",
    "s2_factor_vae.gamma_sup = 100.0",
]
SEEDS = ["model.random_seed = 3"]
LABELLED_SEEDS = [
    "model.model_seed = 3",
    "model.unsupervised_data_seed = 3",
    "model.supervised_data_seed = 3",
    "model.num_labelled_samples = 6",
    "model.train_percentage = 1.0",
]


def main(folder: str, models: str, strategies: str, *bindings: str):
    if "mirrored" in strategies:
        cpu = tf.config.list_physical_devices("CPU")[0]
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [device] * 2)
    for strategy in strategies.split(","):
        for model in models.split(","):
            labelled = model.startswith("s2_")
            chosen = [
                f"model.model = @{model}" + ("" if labelled else "()"),
                f"train.strategy = '{strategy}'",
                *(LABELLED_SEEDS if labelled else SEEDS),
            ]
            training.train_with_gin(
                f"{folder}/{strategy}/{model}",
                gin_bindings=[*BINDINGS, *chosen, *bindings],
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
