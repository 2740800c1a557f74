"""The commands that the tests of this folder break, and what they should leave.

Everything is as small as it can be; the results of two runs are compared exactly.
"""

import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mvhg_tf.clustering import vade  # noqa: F401  (Keras finds its class by it)

TRAINING = (
    "dataset.name = 'arm3d'",
    "model.model = @vae()",
    "vae.beta = 1.0",
    "model.batch_size = 4",
    "model.training_steps = 40",
    "model.eval_steps = 2",
    "model.random_seed = 5",
    "train.log_steps = 1",
    "train.checkpoint_steps = 2",
    "train.image_steps = 0",
    "encoder.num_latent = 4",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
)
POSTPROCESSING = (
    "dataset.name = 'auto'",
    "postprocess.postprocess_fn = @mean_representation",
    "postprocess.random_seed = 0",
)
EVALUATION = (
    "dataset.name = 'auto'",
    "evaluation.evaluation_fn = @mig",
    "evaluation.random_seed = 0",
    "mig.num_train = 3000",
    "discretizer.discretizer_fn = @histogram_discretizer",
    "discretizer.num_bins = 20",
)
CLUSTERING = (
    "vade.units = (16,)",
    "vade.latent_dim = 2",
    "pretrain.epochs = 20",
    "pretrain.layer_wise_epochs = 0",
    "pretrain.starts = 2",
    "fit.epochs = 10",
    "fit.held_epochs = 2",
    "fit.batch_size = 50",
    "cluster.embedding = 'pca'",
)
_OF_ONE_RUN = ("elapsed_time", "uuid")  # never the same twice


def training(folder: Path, *bindings: str) -> list[str]:
    return ["dlib_train", f"--model_dir={folder}", *flags(*TRAINING, *bindings)]


def postprocessing(model: Path, folder: Path) -> list[str]:
    where = [f"--model_dir={model}", f"--output_dir={folder}"]
    return ["dlib_postprocess", *where, *flags(*POSTPROCESSING)]


def evaluation(representation: Path, folder: Path) -> list[str]:
    where = [f"--input_dir={representation}", f"--output_dir={folder}"]
    return ["dlib_evaluate", *where, *flags(*EVALUATION)]


def clustering(data: Path, folder: Path, *bindings: str) -> list[str]:
    where = [f"--data={data}", f"--output_dir={folder}"]
    return ["mvhg_cluster", *where, *flags(*CLUSTERING, *bindings)]


def flags(*bindings: str) -> list[str]:
    return [f"--gin_bindings={binding}" for binding in bindings]


def newest_checkpoint(folder: Path) -> int:
    """The step of the newest checkpoint that is whole, -1 if there is none."""
    names = folder.glob("checkpoints/ckpt-*.index")
    return max((int(path.stem.removeprefix("ckpt-")) for path in names), default=-1)


def assert_same_results(folder: Path, expected: Path) -> None:
    """Two folders of runs hold the same files, whole, with the same content."""
    assert _files_in(folder) == _files_in(expected)
    for name in _files_in(expected):
        ours, theirs = folder / name, expected / name
        if name.endswith("run.json"):
            assert json.loads(ours.read_text())["finished"] is True
        elif name.endswith(".json"):
            assert _scores(ours) == _scores(theirs), name
        elif name.endswith(".npz"):
            _assert_same_arrays(dict(np.load(ours)), dict(np.load(theirs)))
        elif name.endswith(".keras"):
            _assert_same_arrays(_weights(ours), _weights(theirs))
        elif name.endswith((".gin", ".png", ".pb")) or "/variables.data" in name:
            assert ours.stat().st_size > 0
    for path in expected.glob("**/checkpoints"):
        _assert_same_arrays(
            _tensors(folder / path.relative_to(expected)), _tensors(path)
        )


def _files_in(folder: Path) -> list[str]:
    """Names, but of TensorBoard's files, of which each process writes its own."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if "tensorboard" not in path.parts)


def _scores(path: Path) -> object:
    """What a JSON file holds, but for what no two runs have in common."""
    values = json.loads(path.read_text())
    if not isinstance(values, dict):
        return values
    return {k: v for k, v in values.items() if not k.endswith(_OF_ONE_RUN)}


def _weights(path: Path) -> dict[str, np.ndarray]:
    model = keras.saving.load_model(path)
    return {str(i): value for i, value in enumerate(model.get_weights())}


def _tensors(checkpoints: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(checkpoints)))
    names = reader.get_variable_to_shape_map()
    return {
        name: reader.get_tensor(name)
        for name in names
        if name.endswith("VARIABLE_VALUE")
    }


def _assert_same_arrays(
    ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]
) -> None:
    assert ours.keys() == theirs.keys() and theirs
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value, err_msg=name)
