"""What `benchmark training` measures, and its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks import library_code, measuring
from mvhg_tf.disentanglement.models.pairs import pair_models
from mvhg_tf.disentanglement.models.shared import reconstruction
from mvhg_tf.disentanglement.sources.pairs import Dynamics, PairSource
from mvhg_tf.disentanglement.steps import optimizers
from mvhg_tf.disentanglement.steps.training_loop import compiled_loop
from mvhg_tf.runs import gin_config
from mvhg_tf.studies import machine, text_tables

BATCH_SIZE = 64
_BASELINE = "group_vae_labels"
_MODELS = (
    _BASELINE,
    "group_vae_argmax",
    "group_vae_hypergeometric",
    "mlvae_labels",
    "mlvae_argmax",
    "mlvae_hypergeometric",
)
_LIBRARY = "the library's "
_SETTINGS = [
    "dynamics.k = 2",
    "group_vae.beta = 1.0",
    "mlvae.beta = 1.0",
    "encoder.num_latent = 10",
    "encoder.encoder_fn = @conv_encoder",
    "decoder.decoder_fn = @deconv_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
]


def run(
    images: Path,
    workers: Mapping[str, library_code.Worker],
    rounds: int,
    steps: int,
) -> str:
    """Measures our models, and the library's in `workers`, and returns Markdown.

    Args:
      images: see `library_code.save_images`.
      workers: by the model's name, the library's training; may be empty.
      rounds: measurements of each model.
      steps: training steps of one measurement.
    """
    with gin_config.configured(bindings=_SETTINGS):
        data = library_code.StoredImages(images)
        contestants = {name: _training(name, data, steps) for name in _MODELS}
        for name, worker in workers.items():
            contestants[_LIBRARY + name] = lambda w=worker: w.seconds_of(steps)
        medians = measuring.medians(measuring.in_turns(contestants, rounds))
    return _text(medians, rounds, steps)


def _training(
    name: str, data: library_code.StoredImages, steps: int
) -> Callable[[], float]:
    """A call that trains some more steps and returns the seconds they took."""
    keras.utils.set_random_seed(0)
    model = getattr(pair_models, name)()(tuple(data.observation_shape), 0)
    model.compile(optimizers.make_vae_optimizer(), reconstruction.ReconstructionLoss())
    model.build_optimizers()
    run_steps = compiled_loop(model, PairSource(data, BATCH_SIZE, 0, Dynamics()), 0)
    num_steps = tf.constant(steps)
    return lambda: measuring.seconds_of(lambda: run_steps(num_steps))


def _text(medians: Mapping[str, float], rounds: int, steps: int) -> str:
    rows = []
    for name, seconds in medians.items():
        row = [
            name,
            f"{1e3 * seconds / steps:.0f}",
            f"{steps / seconds:.1f}",
            f"{seconds / medians[_BASELINE]:.2f}",
        ]
        stock = medians.get(_LIBRARY + name.removeprefix(_LIBRARY))
        row.append(f"{stock / seconds:.2f}" if stock else "")
        rows.append(row)
    table = text_tables.markdown_table(
        [
            "model",
            "ms a step",
            "steps a second",
            "step time to LabelVAE's",
            "times as fast as the library",
        ],
        rows,
    )
    return (
        "# Benchmark of training\n\n"
        "Written by `bin/benchmark training`. All models took turns in one run. "
        f"Medians of {rounds} times {steps} steps. Batches of {BATCH_SIZE} "
        "pairs of 64 x 64 x 3 images from memory, convolutional networks, 10 latents. "
        "The library's models are trained by its own code and Estimator, on "
        "TensorFlow 2.15, with the same images. Machine: "
        f"{machine.description()}\n\n{table}"
    )
