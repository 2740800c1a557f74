"""What `benchmark bags` measures, and its text."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from mvhg_tf.clustering import LabelProportionsClassifier, data
from mvhg_tf.studies import machine, text_tables

BAG_SIZES = (16, 32, 64, 128)
_LOSSES = ("proportions", "counts")


def run(source: str, num_seeds: int, epochs: int) -> str:
    """Trains on bags of several sizes, and returns Markdown.

    Args:
      source: of `mvhg_tf.clustering.data.load`.
      num_seeds: how many splits, bags and networks.
      epochs: of each training.
    """
    found: dict[tuple[int, str], list[float]] = {}
    todo = [(size, seed) for size in BAG_SIZES for seed in range(num_seeds)]
    for size, seed in tqdm(todo, unit="bag size and seed"):
        loaded = data.load(source, seed=seed)
        order = np.random.default_rng(seed).permutation(len(loaded.train.x))
        order = order[: len(order) // size * size]
        x, labels = loaded.train.x[order], loaded.train.labels[order]
        bags = np.arange(len(x)) // size
        counts = np.zeros([len(x) // size, labels.max() + 1], int)
        np.add.at(counts, (bags, labels), 1)
        for loss in _LOSSES:
            classifier = LabelProportionsClassifier(
                loss=loss, epochs=epochs, random_state=seed
            ).fit(x, bags, counts)
            accuracy = classifier.score(loaded.test.x, loaded.test.labels)
            found.setdefault((size, loss), []).append(100.0 * accuracy)
    shape = f"{len(loaded.train.x)} samples, tested on {len(loaded.test.x)}"
    return _text(found, shape, num_seeds, epochs)


def _text(found, shape: str, num_seeds: int, epochs: int) -> str:
    rows = []
    for size in BAG_SIZES:
        usual, exact = (found[size, loss] for loss in _LOSSES)
        row = [
            ", ".join(f"{value:.1f}" for value in values) for values in (usual, exact)
        ]
        rows.append([str(size), *row, f"{np.mean(exact) - np.mean(usual):+.1f}"])
    table = text_tables.markdown_table(
        ["samples a bag", "mean proportions", "counts", "difference of the means"], rows
    )
    return (
        "# Benchmark of learning from label proportions\n\n"
        "Written by `bin/benchmark bags`. Accuracy in % on single test samples, which "
        f"training never sees: {shape}. `LabelProportionsClassifier` with its defaults "
        f"(784-256-128-10 on MNIST) and {epochs} epochs, on bags drawn at random once. "
        "The usual loss compares the mean of the predictions with the proportions of "
        "the bag. The other is the exact log-probability of the counts. "
        f"{num_seeds} seeds, each with its own split, bags and initial weights. "
        f"{machine.description()}\n\n{table}"
    )
