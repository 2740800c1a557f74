"""Trains in a process of its own, which strategies need: devices are set up first.

Arguments: the folder, how many logical CPUs, and gin bindings. Each model is trained
in a folder of its name.
"""

import sys

import tensorflow as tf

from mvhg_tf.disentanglement import training

BINDINGS = [
    "dataset.name = 'arm3d'",
    "dynamics.k = 2",
    "model.batch_size = 4",
    "model.training_steps = 4",
    "model.eval_steps = 1",
    "model.random_seed = 3",
    "train.log_steps = 2",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "discriminator.discriminator_fn = @fc_discriminator",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
    "discriminator_optimizer.optimizer_fn = @AdamOptimizer",
    "group_vae.beta = 1.0",
    "vae.beta = 1.0",
    "factor_vae.gamma = 10.0",
]


def main(folder: str, num_devices: int, models: list[str], bindings: list[str]):
    if num_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        device = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [device] * num_devices)
    for model in models:
        training.train_with_gin(
            f"{folder}/{model}",
            gin_bindings=[*BINDINGS, f"model.model = @{model}()", *bindings],
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:])
