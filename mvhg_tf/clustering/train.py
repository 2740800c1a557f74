"""Trains a VaDE configured by gin, and writes its folder."""

from __future__ import annotations

import contextlib
import csv
import os
import platform
from typing import Annotated, Any, Literal

import gin
import keras
import numpy as np
import sklearn
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

import mvhg_tf
from mvhg_tf.clustering import callbacks, configurables, figures
from mvhg_tf.clustering import data as data_sets
from mvhg_tf.clustering.evaluation import Evaluation, evaluate, table
from mvhg_tf.clustering.start import start_file
from mvhg_tf.clustering.vade import VaDE
from mvhg_tf.runs import checkpoints, gin_config, run_directory
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt, between
from mvhg_tf.runs.whole import write_json, written_whole

RESULTS = os.path.join("results", "results.json")
START = "start.npz"
MODEL = "model.keras"
_MOST_POINTS = 2000  # of the picture of the embedding
_NUM_SAMPLES = 10  # of each cluster
_METHODS = {"tsne": "t-SNE", "pca": "principal components"}
_LARGEST_SEED = 2**31 - 1


@gin_config.configurable("cluster", denylist=["output_directory", "overwrite", "start"])
def train(
    output_directory: str,
    overwrite: bool = False,
    start: str = "",
    num_clusters: int | None = None,
    random_seed: Annotated[int, between(0, _LARGEST_SEED)] = 0,
    checkpoint_epochs: PositiveInt = 1,
    embedding: Literal["tsne", "pca"] = "tsne",
) -> str:
    """Pretrains, trains and scores a VaDE on the data that `data.source` names.

    The same command on the folder of its own unfinished run resumes from the last
    checkpoint, and ends with the same weights as a run that was never stopped.

    Args:
      output_directory: gets `start.npz`, `tensorboard`, `model.keras`, `figures`, and
        `results` with results.json, assignments.csv, test.npz and, for a table,
        clusters.csv. During training it also holds `checkpoints`.
      overwrite: whether an earlier run there may be replaced.
      start: the `start.npz` of a run on the same data, of any prior, or "".
      num_clusters: by default the number of classes; required for data without labels.
      random_seed: of the data's split, the weights and the noise.
      checkpoint_epochs: epochs between checkpoints.
      embedding: how the embedding is drawn, "tsne" or "pca".

    Returns:
      The scores, if there are labels, and a line for each cluster, for a terminal.

    Raises:
      UserError: for a value that is not allowed, a folder that is not free, or a
        loss that is no longer finite.
    """
    _check_apart(start, output_directory)
    with run_directory.open_run(output_directory, "cluster", overwrite, start):
        data, model = _make(num_clusters, random_seed)
        arguments = configurables.fit_arguments(len(data.train.x))
        model.prior.check_sizes(arguments["batch_size"], len(data.train.x))
        found = _start(model, data, output_directory, start)
        at_start = evaluate(model, data)
        fitted = {**arguments, "responsibilities": found}
        _fit(model, data, fitted, output_directory, checkpoint_epochs)
        _save_model(model, output_directory)
        evaluation = evaluate(model, data)
        _write_pictures(model, data, evaluation, output_directory, embedding)
        _write_results(model, data, arguments, at_start, evaluation, output_directory)
        checkpoints.remove_all(os.path.join(output_directory, "checkpoints"))
    return table(evaluation, data.classes)


train_with_gin = gin_config.with_gin(train, configurables.check_all_used)


def _check_apart(start: str, output_directory: str) -> None:
    """Refuses a start that overwriting would remove before it is read."""
    folder = os.path.dirname(os.path.realpath(start))
    if start and folder == os.path.realpath(output_directory):
        raise UserError(
            f"The start {start} is in the folder {output_directory}, which this run "
            "would replace: give another --output_dir."
        )


def _make(num_clusters: int | None, random_seed: int) -> tuple[data_sets.Data, VaDE]:
    keras.utils.set_random_seed(random_seed)
    data = data_sets.load(seed=random_seed)
    if num_clusters is None:
        num_clusters = len(data.classes)
        if not num_clusters:
            raise UserError(
                "cluster.num_clusters is None, but the data have no labels to count: "
                "bind it to the number of clusters that you want."
            )
    num_samples, num_features = data.train.x.shape
    model = configurables.vade(
        num_features=num_features,
        num_clusters=num_clusters,
        seed=random_seed,
        num_samples=num_samples,
        is_table=data.is_table,
    )
    return data, model


def _start(
    model: VaDE, data: data_sets.Data, output_directory: str, start: str
) -> np.ndarray:
    """Starts the model from a file, which is made first if there is none.

    Returns:
      The responsibilities of the start, `[N, K]`.
    """
    path = start or os.path.join(output_directory, START)
    if not start and os.path.exists(path):
        configurables.pretrain(model, data.train.x, is_done=True)
    elif not start:
        bar = callbacks.ProgressBar("pretraining")
        folder = os.path.join(output_directory, "tensorboard", "pretraining")
        with contextlib.closing(bar):
            found = configurables.pretrain(
                model, data.train.x, callbacks=[bar, _tensorboard(folder)]
            )
        start_file.save(path, model, found, data.train.x)
    # Read from the file even if it was just written, so that a resumed run has exactly
    # the same numbers.
    return start_file.load(path, model, data.train.x)


def _fit(
    model: VaDE,
    data: data_sets.Data,
    arguments: dict[str, Any],
    output_directory: str,
    checkpoint_epochs: int,
) -> None:
    """Trains from the newest checkpoint, or the start, with arguments of `fit`."""
    model.optimizer.build(model.trainable_variables)
    epochs_done = tf.Variable(0, dtype=tf.int64, trainable=False)
    manager = checkpoints.open_manager(
        tf.train.Checkpoint(
            model=model, optimizer=model.optimizer, epochs_done=epochs_done
        ),
        os.path.join(output_directory, "checkpoints"),
    )
    checkpoints.restore_newest(manager)
    bar = callbacks.ProgressBar("training")
    folder = os.path.join(output_directory, "tensorboard", "training")
    with contextlib.closing(bar):
        model.fit(
            data.train.x,
            **arguments,
            verbose=0,
            initial_epoch=int(epochs_done),
            callbacks=[
                bar,
                _tensorboard(folder),
                callbacks.Checkpoints(manager, epochs_done, checkpoint_epochs),
            ],
        )


def _tensorboard(folder: str) -> keras.callbacks.TensorBoard:
    return keras.callbacks.TensorBoard(folder, write_graph=False)


def _save_model(model: VaDE, output_directory: str) -> None:
    """Saves it, with its optimizer, whole or not at all."""
    with written_whole(os.path.join(output_directory, MODEL)) as part:
        model.save(part)


def _write_results(
    model: VaDE,
    data: data_sets.Data,
    arguments: dict[str, Any],
    at_start: Evaluation,
    evaluation: Evaluation,
    output_directory: str,
) -> None:
    results = {
        **evaluation.as_dict(),
        "at_start": at_start.as_dict(),
        "classes": data.classes,
        "is_table": data.is_table,
        "networks": {
            "likelihood": type(model.likelihood).__name__,
            "latent_dim": model.latent_dim,
            "widths": [list(weight.shape) for weight in model.encoder.weights[::2]],
        },
        "fit": arguments,
        "scaling": {
            "offset": data.scaling.offset.tolist(),
            "scale": data.scaling.scale.tolist(),
        },
        "num_train": len(data.train.x),
        "num_test": len(data.test.x),
        "config": gin.operative_config_str(),
        "versions": {
            "keras": keras.__version__,
            "mvhg_tf": mvhg_tf.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "scikit-learn": sklearn.__version__,
            "tensorflow": tf.__version__,
        },
    }
    write_json(os.path.join(output_directory, RESULTS), results, indent=2)


def _write_pictures(
    model: VaDE,
    data: data_sets.Data,
    evaluation: Evaluation,
    output_directory: str,
    embedding: str,
) -> None:
    """Writes `figures`, and what they show of the test part to `results/test.npz`."""
    for name in ("figures", "results"):
        os.makedirs(os.path.join(output_directory, name), exist_ok=True)
    probs = {"train": model.predict_proba(data.train.x)}
    probs["test"] = model.predict_proba(data.test.x)
    _write_assignments(data, probs, output_directory)
    clusters = probs["test"].argmax(axis=-1)
    embeddings = model.encode(data.test.x)
    points = _in_the_plane(embeddings[:_MOST_POINTS], embedding, model.seed)
    names, classes = evaluation.class_of_cluster, data.classes
    shown = len(points)
    labels = None if data.test.labels is None else data.test.labels[:shown]
    pictures = {
        "proportions": figures.proportions_figure(evaluation, classes),
        "embedding": figures.embedding_figure(
            points, labels, clusters[:shown], names, classes, _METHODS[embedding]
        ),
    }
    if classes:
        pictures["confusion"] = figures.confusion_figure(evaluation, classes)
    if data.is_table:
        _write_features(data, probs["train"], output_directory)
    elif figures.are_pictures(data.sample_shape):
        samples = _samples(model, data.sample_shape)
        pictures["samples"] = figures.samples_figure(samples, names, classes)
    for name, figure in pictures.items():
        path = os.path.join(output_directory, "figures", f"{name}.png")
        figure.savefig(path, dpi=110)
    arrays: dict[str, Any] = {
        "clusters": clusters,
        "embeddings": embeddings,
        "points": points,
    }
    if data.test.labels is not None:
        arrays["labels"] = data.test.labels
    path = os.path.join(output_directory, "results", "test.npz")
    np.savez_compressed(path, **arrays)


def _write_assignments(
    data: data_sets.Data, probs: dict[str, np.ndarray], output_directory: str
) -> None:
    """Writes assignments.csv: the cluster of each sample, and its probability.

    By rows of the source's array; by part first where each part has an array.

    Args:
      data: the samples.
      probs: of the clusters, by part.
      output_directory: of the run.
    """
    row = np.concatenate([data.train.rows, data.test.rows])
    part = np.repeat(["train", "test"], [len(data.train.rows), len(data.test.rows)])
    prob = np.concatenate([probs["train"], probs["test"]])
    cluster, most = prob.argmax(axis=-1), prob.max(axis=-1)
    is_one_array = len(np.unique(row)) == len(row)
    order = np.argsort(row) if is_one_array else np.lexsort([row, part])
    path = os.path.join(output_directory, "results", "assignments.csv")
    with written_whole(path) as whole, open(whole, "w", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["row", "part", "cluster", "probability"])
        for i in order:
            lines.writerow([row[i], part[i], cluster[i], f"{most[i]:.6g}"])


def _samples(model: VaDE, sample_shape: tuple[int, ...]) -> np.ndarray:
    """Samples of each cluster, `[K, n, ...]`."""
    samples = [
        model.sample(k, _NUM_SAMPLES, model.seed) for k in range(model.num_clusters)
    ]
    shape = (model.num_clusters, _NUM_SAMPLES, *sample_shape)
    return np.reshape(samples, shape)


def _write_features(
    data: data_sets.Data, probs: np.ndarray, output_directory: str
) -> None:
    """Writes clusters.csv: mean and deviation of each feature, in the data's units.

    A line for each cluster, of the training samples in it.
    """
    clusters = probs.argmax(axis=-1)
    path = os.path.join(output_directory, "results", "clusters.csv")
    with written_whole(path) as part, open(part, "w", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        names = [
            f"{kind}_{index}"
            for index in range(data.train.x.shape[1])
            for kind in ("mean", "std")
        ]
        lines.writerow(["cluster", "samples", *names])
        for cluster in range(probs.shape[-1]):
            own = data.train.x[clusters == cluster].astype(np.float64)
            numbers = ["" for _ in names]
            if len(own):
                mean = own.mean(axis=0) * data.scaling.scale + data.scaling.offset
                spread = own.std(axis=0) * data.scaling.scale
                pairs = np.stack([mean, spread], axis=1).ravel()
                numbers = [f"{number:.6g}" for number in pairs]
            lines.writerow([cluster, len(own), *numbers])


def _in_the_plane(embeddings: np.ndarray, method: str, seed: int) -> np.ndarray:
    """The embeddings in two dimensions, `[n, d]` -> `[n, 2]`."""
    if method == "pca" or len(embeddings) < 4:
        points = PCA(min(2, *embeddings.shape), random_state=seed).fit_transform(
            embeddings
        )
        return np.pad(points, [(0, 0), (0, 2 - points.shape[1])])
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    return TSNE(2, perplexity=perplexity, random_state=seed).fit_transform(embeddings)
