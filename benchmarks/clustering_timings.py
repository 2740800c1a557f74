"""What `benchmark clustering` measures, and its text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from benchmarks import measuring
from mvhg_tf.clustering import VaDE
from mvhg_tf.clustering.architectures import make_decoder, make_encoder
from mvhg_tf.studies import machine, text_tables

BATCH_SIZE = 128
_NUM_FEATURES = 784
_NUM_CLUSTERS = 10
_LATENT_DIM = 10
_PRIORS = ("uniform", "categorical", "hypergeometric")
_AUTOENCODER = "Keras autoencoder"


def run(rounds: int, num_samples: int) -> str:
    """Measures an epoch of each prior and of an autoencoder, and returns Markdown.

    Args:
      rounds: measurements of each.
      num_samples: of an epoch, at least `BATCH_SIZE`.
    """
    x = np.random.default_rng(0).uniform(size=[num_samples, _NUM_FEATURES])
    x = x.astype(np.float32)
    contestants = {prior: _vade_epochs(prior, x) for prior in _PRIORS}
    contestants[_AUTOENCODER] = _autoencoder_epochs(x)
    medians = measuring.medians(measuring.in_turns(contestants, rounds))
    return _text(medians, rounds, num_samples)


def _vade_epochs(prior: str, x: np.ndarray) -> Callable[[], float]:
    """A call that trains for another epoch and returns the seconds it took."""
    model = VaDE(_NUM_FEATURES, _NUM_CLUSTERS, prior=prior, latent_dim=_LATENT_DIM)
    return _epoch_of(model, x)


def _autoencoder_epochs(x: np.ndarray) -> Callable[[], float]:
    """The same of `keras.Model.fit`, as one would write it without this package."""
    encoder = make_encoder(_NUM_FEATURES, _LATENT_DIM)
    decoder = make_decoder(_NUM_FEATURES, _LATENT_DIM)
    model = keras.Model(encoder.inputs, decoder(encoder.outputs[0]))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return _epoch_of(model, x, x)


class _Clock(keras.callbacks.Callback):
    """Times an epoch from within: `fit` waits a second at times for its own threads."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        # The logs are numbers on this side: the epoch is over.
        self.seconds = time.perf_counter() - self._started


def _epoch_of(model: keras.Model, *data: np.ndarray) -> Callable[[], float]:
    clock = _Clock()

    def train() -> float:
        model.fit(*data, batch_size=BATCH_SIZE, verbose=0, callbacks=[clock])
        return clock.seconds

    return train


def _text(medians: Mapping[str, float], rounds: int, num_samples: int) -> str:
    rows = [
        [
            name,
            f"{seconds:.2f}",
            f"{seconds / medians['uniform']:.2f}",
            f"{seconds / medians[_AUTOENCODER]:.2f}",
        ]
        for name, seconds in medians.items()
    ]
    table = text_tables.markdown_table(
        ["training", "seconds an epoch", "to uniform", "to the autoencoder"], rows
    )
    return (
        "# Benchmark of clustering\n\n"
        "Written by `bin/benchmark clustering`. VaDE with each prior, and a plain Keras"
        " autoencoder of the same layers (784-500-500-2000-10 and back) and batches, "
        "without the mixture and the noise. All are trained by `fit`, and took turns "
        f"in one run. Medians of {rounds} epochs of {num_samples} samples of "
        f"{_NUM_FEATURES} features in batches of {BATCH_SIZE}, {_NUM_CLUSTERS} "
        f"clusters. Machine: {machine.description()}\n\n{table}"
    )
