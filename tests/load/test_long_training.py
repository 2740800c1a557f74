"""A week in small: 200 000 steps of training, with checkpoints and TensorBoard.

Memory does not grow and speed does not fall. Speed is told by the processor time of
the steps, because the wall clock's depends on what else the machine does.
"""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from memory import resident_bytes

from mvhg_tf.disentanglement import networks
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.sources.images import ImageSource
from mvhg_tf.disentanglement.steps import training_loop

STEPS = 200_000
CHECKPOINT_STEPS = 1000
SHAPE = (4, 4, 1)


class Pictures:
    """Images in memory, as data sets from files are: read on the host, as bytes."""

    factors_num_values = (4, 4)
    observation_shape = SHAPE

    def __init__(self):
        random = np.random.default_rng(0)
        self._images = random.integers(0, 256, [16, *SHAPE], np.uint8)

    def sample_bytes_from_factors(self, factors):
        return self._images[4 * factors[:, 0] + factors[:, 1]]


def make_model():
    keras.utils.set_random_seed(0)
    encoder = networks.test_encoder(SHAPE, 2)
    decoder = networks.test_decoder(2, SHAPE)
    model = VAE(encoder, decoder, image_regularizers.WeightedKL(1.0))
    model.compile(
        keras.optimizers.Adam(1e-3), lambda x, y: bernoulli_loss(x, y, "logits")
    )
    model.build_optimizers()
    return model


@pytest.mark.slow
def test_memory_does_not_grow_and_speed_does_not_fall(tmp_path, monkeypatch):
    memory, seconds = [], []
    save = tf.train.CheckpointManager.save

    def measure(self, *args, **kwargs):
        path = save(self, *args, **kwargs)
        memory.append(resident_bytes())
        seconds.append(time.process_time())
        return path

    monkeypatch.setattr(tf.train.CheckpointManager, "save", measure)
    options = training_loop.Options(
        checkpoint_steps=CHECKPOINT_STEPS, image_steps=10 * CHECKPOINT_STEPS
    )
    model, source = make_model(), ImageSource(Pictures(), 4, seed=0)
    training_loop.run_training_loop(model, source, STEPS, str(tmp_path), options)
    tenth = STEPS // CHECKPOINT_STEPS // 10
    assert len(memory) == 10 * tenth
    assert max(memory[tenth:]) < 1.05 * memory[tenth]
    steps = np.diff(seconds)
    early, late = np.median(steps[tenth : 2 * tenth]), np.median(steps[-tenth:])
    print(
        f"{memory[tenth] / 1e6:.0f} MB, at the end {memory[-1] / 1e6:.0f} MB; "
        f"{1e3 * early:.0f} ms a thousand steps, at the end {1e3 * late:.0f} ms"
    )
    assert late < 1.2 * early
    names = sorted(path.name for path in (tmp_path / "checkpoints").glob("*.index"))
    assert names == [f"ckpt-{STEPS - CHECKPOINT_STEPS}.index", f"ckpt-{STEPS}.index"]
