"""Tests that a full disk ends a program in one sentence, and that nothing is lost."""

import errno
import json
import shutil

import gin
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.steps import export, results
from mvhg_tf.runs import run_directory

TRAINING = [
    "dataset.name = 'arm3d'",
    "model.model = @vae()",
    "vae.beta = 1.0",
    "model.batch_size = 2",
    "model.training_steps = 4",
    "model.eval_steps = 1",
    "model.random_seed = 0",
    "train.log_steps = 2",
    "train.checkpoint_steps = 2",
    "encoder.num_latent = 4",
    "encoder.encoder_fn = @test_encoder",
    "decoder.decoder_fn = @test_decoder",
    "reconstruction_loss.loss_fn = @bernoulli_loss",
    "vae_optimizer.optimizer_fn = @AdamOptimizer",
]
EVALUATION = [
    "evaluation.evaluation_fn = @constant_metric",
    "evaluation.random_seed = 0",
    "dataset.name = 'arm3d'",
]


@gin.configurable("constant_metric", module="mvhg_tf.tests")
def constant_metric(data, representation, random_state, value=1.0):
    return {"value": value}


def without_room(monkeypatch, owner, name, good_calls=0):
    """Fills the disk whenever a function is called, but for its first calls."""
    function, calls = getattr(owner, name), []

    def limited(*args, **kwargs):
        calls.append(args)
        if len(calls) > good_calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, limited)


def flags(bindings):
    return [f"--gin_bindings={binding}" for binding in bindings]


def assert_disk_is_full(written):
    code, _, err = written
    assert code == 1
    assert "No space left on device): fix that, and run this again.\n" in err
    assert "Traceback" not in err


def test_full_disk_while_a_checkpoint_is_written(run_program, tmp_path):
    folder = tmp_path / "model"
    command = ["dlib_train", f"--model_dir={folder}", *flags(TRAINING)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_room(monkeypatch, tf.train.CheckpointManager, "save", good_calls=1)
        assert_disk_is_full(run_program(*command))
    assert tf.train.latest_checkpoint(str(folder / "checkpoints")).endswith("ckpt-2")
    code, _, err = run_program(*command)
    assert code == 0
    assert "2/4" in err
    path = folder / "results" / "json" / "train_results.json"
    assert json.loads(path.read_text())["global_step"] == 4


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(export, "export_saved_model", marks=pytest.mark.slow),
        (results, "write_results"),
    ],
)
def test_full_disk_after_the_last_step(run_program, tmp_path, owner, name):
    command = ["dlib_train", f"--model_dir={tmp_path / 'model'}", *flags(TRAINING)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_room(monkeypatch, owner, name)
        assert_disk_is_full(run_program(*command))
    checkpoints = str(tmp_path / "model" / "checkpoints")
    assert tf.train.latest_checkpoint(checkpoints).endswith("ckpt-4")
    code, _, err = run_program(*command)
    assert code == 0
    assert "4/4" in err


@pytest.fixture
def representation(trained_model, tmp_path):
    """As the postprocessing leaves it, as far as the metric here looks at it."""
    folder = tmp_path / "representation"
    shutil.copytree(trained_model, folder)
    (folder / "results" / "gin" / "postprocess.gin").write_text("")
    return folder


def score_in(folder):
    path = folder / "results" / "json" / "evaluation_results.json"
    return json.loads(path.read_text())["value"]


@pytest.mark.parametrize(
    ("owner", "name"),
    [(run_directory, "_write_record"), (results, "write_results")],
)
def test_full_disk_while_scores_are_replaced(
    run_program, representation, tmp_path, owner, name
):
    """The scores before are kept until there are new ones."""
    folder = tmp_path / "scores"
    command = [
        "dlib_evaluate",
        f"--input_dir={representation}",
        f"--output_dir={folder}",
        *flags(EVALUATION),
    ]
    assert run_program(*command)[0] == 0
    command += ["--overwrite", "--gin_bindings=constant_metric.value = 2.0"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_room(monkeypatch, owner, name)
        assert_disk_is_full(run_program(*command))
    assert score_in(folder) == 1.0
    assert run_program(*command)[0] == 0
    assert score_in(folder) == 2.0
    assert sorted(path.name for path in folder.iterdir()) == ["results", "run.json"]
