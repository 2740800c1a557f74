"""Training a VaDE by gin, and what it leaves in its folder."""

from __future__ import annotations

import contextlib
import os
import platform
from typing import Annotated, Literal

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

    The same command on the folder of its own unfinished run goes on from the last
    checkpoint, and ends with the weights of a run that was never stopped.

    Args:
      output_directory: gets `start.npz`, `tensorboard`, `model.keras`, `figures`, and
        `results` with results.json and test.npz. While it trains, `checkpoints`.
      overwrite: whether an earlier run there may be replaced.
      start: the `start.npz` of a run on the same data, of any prior, or "".
      num_clusters: by default, as many as the data have classes.
      random_seed: of the data's split, the weights and the noise.
      checkpoint_epochs: epochs between checkpoints.
      embedding: how the embedding is drawn, "tsne" or "pca".

    Returns:
      The scores and a line for each cluster, for a terminal.

    Raises:
      UserError: for a value that is not allowed, a folder that is not free, or a
        loss that is no longer finite.
    """
    _check_apart(start, output_directory)
    with run_directory.open_run(output_directory, "cluster", overwrite, start):
        data, model = _make(num_clusters, random_seed)
        arguments = configurables.fit_arguments(len(data.train.x))
        model.prior.check_sizes(arguments["batch_size"], len(data.train.x))
        arguments["responsibilities"] = _start(model, data, output_directory, start)
        at_start = evaluate(model, data)
        _fit(model, data, arguments, output_directory, checkpoint_epochs)
        _save_model(model, output_directory)
        evaluation = evaluate(model, data)
        _write_pictures(model, data, evaluation, output_directory, embedding)
        _write_results(data, at_start, evaluation, output_directory)
        checkpoints.remove_all(os.path.join(output_directory, "checkpoints"))
    return table(evaluation, data.classes)


train_with_gin = gin_config.with_gin(train, configurables.check_all_used)


def _check_apart(start: str, output_directory: str) -> None:
    """Refuses a start that overwriting would take away before it is read."""
    folder = os.path.dirname(os.path.realpath(start))
    if start and folder == os.path.realpath(output_directory):
        raise UserError(
            f"The start {start} lies in the folder {output_directory} itself, which "
            "this run would replace: give another --output_dir."
        )


def _make(num_clusters: int | None, random_seed: int) -> tuple[data_sets.Data, VaDE]:
    keras.utils.set_random_seed(random_seed)
    data = data_sets.load(seed=random_seed)
    model = configurables.vade(
        num_features=data.train.x.shape[1],
        num_clusters=len(data.classes) if num_clusters is None else num_clusters,
        seed=random_seed,
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
    # From the file even if it was made just now, so that a resumed run has the very
    # same numbers.
    return start_file.load(path, model, data.train.x)


def _fit(
    model: VaDE,
    data: data_sets.Data,
    arguments: dict[str, object],
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
    data: data_sets.Data,
    at_start: Evaluation,
    evaluation: Evaluation,
    output_directory: str,
) -> None:
    results = {
        **evaluation.as_dict(),
        "at_start": at_start.as_dict(),
        "classes": data.classes,
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
    clusters = model.predict(data.test.x)
    embeddings = model.encode(data.test.x)
    points = _in_the_plane(embeddings[:_MOST_POINTS], embedding, model.seed)
    samples = np.stack(
        [model.sample(k, _NUM_SAMPLES, model.seed) for k in range(model.num_clusters)]
    ).reshape(model.num_clusters, _NUM_SAMPLES, *data.sample_shape)
    names, classes = evaluation.class_of_cluster, data.classes
    shown = len(points)
    for name, figure in {
        "confusion": figures.confusion_figure(evaluation, classes),
        "proportions": figures.proportions_figure(evaluation, classes),
        "samples": figures.samples_figure(samples, names, classes),
        "embedding": figures.embedding_figure(
            points, data.test.labels[:shown], clusters[:shown], names, classes
        ),
    }.items():
        path = os.path.join(output_directory, "figures", f"{name}.png")
        figure.savefig(path, dpi=110)
    np.savez_compressed(
        os.path.join(output_directory, "results", "test.npz"),
        labels=data.test.labels,
        clusters=clusters,
        embeddings=embeddings,
        points=points,
    )


def _in_the_plane(embeddings: np.ndarray, method: str, seed: int) -> np.ndarray:
    """The embeddings in two dimensions, `[n, d]` -> `[n, 2]`."""
    if method == "pca" or len(embeddings) < 4:
        points = PCA(min(2, *embeddings.shape), random_state=seed).fit_transform(
            embeddings
        )
        return np.pad(points, [(0, 0), (0, 2 - points.shape[1])])
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    return TSNE(2, perplexity=perplexity, random_state=seed).fit_transform(embeddings)
