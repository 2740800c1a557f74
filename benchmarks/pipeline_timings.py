"""What `benchmark pipeline` measures, and its text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks import library_code, measuring
from mvhg_tf.disentanglement.data.arm3d import Arm3D
from mvhg_tf.disentanglement.sources.pairs import Dynamics, PairSource
from mvhg_tf.studies import machine, text_tables

BATCH_SIZE = 64
DYNAMICS = Dynamics(k=2)
_LIBRARY = "the library, one pair at a time"


def run(
    images: Path, worker: library_code.Worker | None, rounds: int, batches: int
) -> str:
    """Measures the sources of pairs and returns Markdown.

    Args:
      images: see `library_code.save_images`.
      worker: the library's own pipeline; without it, a loop stands in for it.
      rounds: measurements of each source.
      batches: of one measurement.
    """
    in_memory = library_code.StoredImages(images)
    mapped = library_code.StoredImages(images, mapped=True)
    library = worker.seconds_of if worker else _one_at_a_time(in_memory)
    contestants = {
        # Many batches, of which those that lay ready are a small part.
        _LIBRARY: lambda: library(batches) / batches,
        "from memory": _from_host(in_memory, batches),
        "from a memory-mapped file": _from_host(mapped, batches),
        "arm3d, drawn on the device": _on_device(),
    }
    medians = measuring.medians(measuring.in_turns(contestants, rounds))
    return _text(medians, rounds, bool(worker))


def _one_at_a_time(data: library_code.StoredImages) -> Callable[[int], float]:
    random_state = np.random.RandomState(0)
    sizes = data.factors_num_values

    def seconds_of(batches: int) -> float:
        started = time.perf_counter()
        for _ in range(batches * BATCH_SIZE):
            factors = data.sample_factors(1, random_state)
            first = data.sample_observations_from_factors(factors, random_state)
            for i in random_state.choice(len(sizes), 2, replace=False):
                factors[:, i] = random_state.choice(sizes[i])
            second = data.sample_observations_from_factors(factors, random_state)
            np.concatenate([first, second], axis=1)
        return time.perf_counter() - started

    return seconds_of


def _from_host(data: library_code.StoredImages, batches: int) -> Callable[[], float]:
    """A call that reads some more batches; returns the seconds for one."""
    iterator = iter(PairSource(data, BATCH_SIZE, 0, DYNAMICS).dataset(0))

    @tf.function
    def read():
        for _ in tf.range(batches):
            batch = next(iterator)
        return batch["labels"]

    return lambda: measuring.seconds_of(read) / batches


def _on_device() -> Callable[[], float]:
    source = PairSource(Arm3D(), BATCH_SIZE, 0, DYNAMICS)

    @tf.function(autograph=False)
    def read(step: tf.Tensor):
        return tf.reduce_sum(source.batch(step)["images_1"])

    return lambda: measuring.seconds_of(lambda: read(tf.constant(0)))


def _text(medians: Mapping[str, float], rounds: int, is_library: bool) -> str:
    rows = [
        [
            name,
            f"{1e3 * seconds:.2f}",
            f"{BATCH_SIZE / seconds:.0f}",
            f"{medians[_LIBRARY] / seconds:.1f}",
        ]
        for name, seconds in medians.items()
    ]
    library = (
        "The library's row is its own pipeline on TensorFlow 2.15."
        if is_library
        else "The library's row is a loop of what it does for each pair."
    )
    table = text_tables.markdown_table(
        ["source", "ms a batch", "pairs a second", "times the library's rate"], rows
    )
    return (
        "# Benchmark of the input pipeline\n\n"
        "Written by `bin/benchmark pipeline`. All sources took turns in one run. "
        f"Medians of {rounds}. Batches of {BATCH_SIZE} pairs of 64 x 64 x 3 images, "
        "the same images for all except arm3d. Stored images come as bytes, and the "
        f"training step turns them into float32. {library} Machine: "
        f"{machine.description()}\n\n{table}"
    )
