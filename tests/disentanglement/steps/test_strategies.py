"""Training on several devices or machines is that on one, up to rounding."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.steps import strategies
from mvhg_tf.runs.errors import UserError

RUN = Path(__file__).with_name("run_replicas.py")
ROOT = RUN.parents[3]


def start(folder, models, strategies, *bindings, **environment):
    return subprocess.Popen(
        [sys.executable, str(RUN), str(folder), models, strategies, *bindings],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-3000:]


def weights(folder):
    """The weights of the last checkpoint, by their names."""
    path = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE") and "_trainable_variables/" in name
    }


def check_same_weights(folder, other):
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys() and ours
    for name, value in ours.items():
        # 4 steps of Adam move a weight by up to 4e-3.
        np.testing.assert_allclose(value, theirs[name], rtol=1e-4, atol=1e-4)


MODELS = (
    "vae,annealed_vae,dip_vae,beta_tc_vae,factor_vae,group_vae_argmax,"
    "group_vae_hypergeometric,s2_vae,s2_factor_vae,s2_mine_vae"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    finish(start(folder, MODELS, "none,mirrored"))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS.split(","))
def test_two_devices_end_with_the_weights_of_one(trained, model):
    check_same_weights(trained / "mirrored" / model, trained / "none" / model)


@pytest.mark.slow
def test_two_devices_share_batches_from_files_and_their_total_correlation(tmp_path):
    from_files = "dataset.name = 'dummy_data'"
    finish(start(tmp_path, "beta_tc_vae", "none,mirrored", from_files))
    two, one = (tmp_path / name / "beta_tc_vae" for name in ("mirrored", "none"))
    check_same_weights(two, one)


MODEL = "group_vae_hypergeometric"


def free_ports(num):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(num)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start_two_machines(folder, models, *bindings):
    """The processes; the first is the chief, which writes to `folder / "chief"`."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    processes = []
    for index, name in enumerate(("chief", "other")):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": cluster, "task": task})
        process = start(
            folder / name, models, "multi_worker", *bindings, TF_CONFIG=config
        )
        processes.append(process)
    return processes


def check_lost(process):
    """The process ended by the sentence that tells of another machine."""
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    sentence = "UserError: Another machine of the run ended or can't be reached;"
    assert sentence in errors, errors[-3000:]


@pytest.mark.slow
def test_two_machines_end_with_the_weights_of_one_and_the_chief_writes(
    trained, tmp_path
):
    for process in start_two_machines(tmp_path, MODELS):
        finish(process)
    for model in MODELS.split(","):
        written = tmp_path / "chief" / "multi_worker" / model
        check_same_weights(written, trained / "none" / model)
        assert (written / "results").exists()
    assert not (tmp_path / "other").exists()


LONGER = ["train.checkpoint_steps = 2", "model.training_steps = 60"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    for process in start_two_machines(folder, MODEL, *LONGER):
        finish(process)
    return folder / "chief" / "multi_worker" / MODEL


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1], ids=["chief", "other"])
def test_a_machine_is_killed_and_the_run_goes_on_when_started_again(
    uninterrupted, tmp_path, lost
):
    written = tmp_path / "chief" / "multi_worker" / MODEL
    processes = start_two_machines(tmp_path, MODEL, *LONGER)
    deadline = time.monotonic() + 240
    while not list(written.glob("checkpoints/ckpt-*.index")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes[lost].kill()
    check_lost(processes[1 - lost])
    processes[lost].communicate()
    assert not (written / "results").exists()
    for process in start_two_machines(tmp_path, MODEL, *LONGER):
        finish(process)
    for name, value in weights(uninterrupted).items():
        np.testing.assert_array_equal(weights(written)[name], value)


@pytest.mark.slow
def test_the_others_are_told_of_a_mistake_that_the_chief_alone_sees(tmp_path):
    foreign = tmp_path / "chief" / "multi_worker" / MODEL
    foreign.mkdir(parents=True)
    (foreign / "thesis").write_text("mine")
    chief, other = start_two_machines(tmp_path, MODEL)
    check_lost(other)
    _, errors = chief.communicate(timeout=240)
    assert "not written by mvhg_tf" in errors


def test_a_missing_description_of_the_machines_is_told(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="variable TF_CONFIG is not set: set it"):
        strategies.make_strategy("multi_worker", 4)


def test_a_batch_that_devices_cannot_share_is_told(monkeypatch):
    class Three:
        num_replicas_in_sync = 3

    monkeypatch.setattr(strategies, "_mirrored", Three)
    with pytest.raises(UserError, match="batch_size is 4, but must be a multiple of 3"):
        strategies.make_strategy("mirrored", 4)
