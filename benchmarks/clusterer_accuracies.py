"""What `benchmark clusterers` measures, and its text."""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from mvhg_tf.clustering import VaDEClusterer, data
from mvhg_tf.clustering.scores import scores
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies import machine, text_tables

_CLUSTPY = ("VaDE", "DEC", "DipEncoder")
_MOST_FEATURES_OF_MIXTURES = 100


class _Set(NamedTuple):
    name: str
    x: np.ndarray
    labels: np.ndarray


def measure(
    mnist: str | None, clustpy_python: str | None, num_seeds: int
) -> Iterator[str]:
    """Clusters each set with each clusterer and seed.

    Args:
      mnist: of `mvhg_tf.clustering.data.load`; None leaves it out.
      clustpy_python: an interpreter that has ClustPy, for scikit-learn's digits; None
        leaves it out.
      num_seeds: how many.

    Yields:
      The results so far as Markdown, after each set and each of ClustPy's clusterers.

    Raises:
      UserError: if `clustpy_python` can't import ClustPy.
    """
    if clustpy_python:
        _check_clustpy(clustpy_python)
    rows: list[list[str]] = []
    others: list[list[str]] = []
    for found in tqdm([*_small_sets(), *_mnist_versions(mnist)], unit="set"):
        row = [found.name, f"{found.x.shape[0]} x {found.x.shape[1]}"]
        for cluster in (_vade, _kmeans, _mixture):
            row.append(_accuracies(found, cluster, num_seeds))
        rows.append(row)
        yield _markdown(rows, others, num_seeds)
    digits = next(found for found in _small_sets() if found.name == "digits")
    for name in _CLUSTPY if clustpy_python else ():
        cluster = _of_clustpy(name, clustpy_python)
        others.append([name, _accuracies(digits, cluster, num_seeds)])
        yield _markdown(rows, others, num_seeds)


def _markdown(rows: list[list[str]], others: list[list[str]], num_seeds: int) -> str:
    names = ["data", "samples x features", "VaDEClusterer", "k-means", "mixture"]
    text = (
        "# Accuracy of clusterers\n\n"
        "Written by `bin/benchmark clusterers`. Accuracy in % (Hungarian), random_state"
        f" 0 to {num_seeds - 1}, and the mean seconds of a fit: `VaDEClusterer` with "
        "its defaults; k-means with 10 restarts and a full-covariance `GaussianMixture`"
        " with 10, both of standardised samples. "
        f"{machine.description()}\n\n{text_tables.markdown_table(names, rows)}"
    )
    if others:
        table = text_tables.markdown_table(["clusterer", "accuracy %"], others)
        text += (
            f"\nClustPy's defaults on digits, scaled to [0, 1], same run:\n\n{table}"
        )
    return text


def _accuracies(found: _Set, cluster: Callable, num_seeds: int) -> str:
    num_clusters = len(np.unique(found.labels))
    values, started = [], time.perf_counter()
    for seed in range(num_seeds):
        clusters = cluster(found.x, num_clusters, seed)
        if clusters is None:
            return "-"
        values.append(100.0 * scores(found.labels, clusters)["accuracy"])
    seconds = (time.perf_counter() - started) / num_seeds
    return ", ".join(f"{value:.1f}" for value in values) + f" ({seconds:.0f} s)"


def _vade(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return VaDEClusterer(num_clusters, random_state=seed).fit_predict(x)


def _kmeans(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
    x = StandardScaler().fit_transform(x)
    return KMeans(num_clusters, n_init=10, random_state=seed).fit_predict(x)


def _mixture(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray | None:
    if x.shape[1] > _MOST_FEATURES_OF_MIXTURES:
        return None
    x = StandardScaler().fit_transform(x)
    return GaussianMixture(num_clusters, n_init=10, random_state=seed).fit_predict(x)


def _check_clustpy(python: str) -> None:
    command = [python, "-c", "from clustpy import deep"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(
            f"--clustpy_python is {python!r}, which does not run ({error.strerror}): "
            "give the path of a Python interpreter."
        ) from error
    if tried.returncode:
        last_line = tried.stderr.strip().rpartition("\n")[2]
        raise UserError(
            f"--clustpy_python is {python!r}, which can't import ClustPy ({last_line}):"
            " install clustpy and PyTorch there, or leave the flag out."
        )


def _of_clustpy(name: str, python: str) -> Callable:
    worker = Path(__file__).with_name("clustpy_worker.py")

    def cluster(x: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            samples, labels = Path(folder, "x.npy"), Path(folder, "labels.npy")
            np.save(samples, x)
            arguments = [name, samples, num_clusters, seed, labels]
            command = [python, worker, *arguments]
            subprocess.run([str(word) for word in command], check=True)
            return np.load(labels)

    return cluster


def _small_sets() -> Iterator[_Set]:
    for name, load in {
        "wine": datasets.load_wine,
        "breast cancer": datasets.load_breast_cancer,
        "iris": datasets.load_iris,
    }.items():
        yield _Set(name, *load(return_X_y=True))
    for sizes in ((600, 200, 100, 100), (66, 133, 266, 533)):
        name = "blobs, " + ":".join(str(round(n / min(sizes))) for n in sizes)
        yield _Set(name, *datasets.make_blobs(sizes, n_features=10, random_state=0))
    yield _Set("digits", *datasets.load_digits(return_X_y=True))


def _mnist_versions(source: str | None) -> Iterator[_Set]:
    for version in data.VERSIONS if source else ():
        loaded = data.load(source, version=version)
        x = np.concatenate([loaded.train.x, loaded.test.x])
        labels = np.concatenate([loaded.train.labels, loaded.test.labels])
        yield _Set(f"MNIST, {version}", x, labels)
