"""Training on several devices or machines is that on one, up to rounding."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import strategies
from mvhg_tf.errors import UserError

RUN = Path(__file__).with_name("run_replicas.py")
ROOT = RUN.parents[2]


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
    "group_vae_hypergeometric"
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


def test_two_devices_share_batches_from_files_and_their_total_correlation(tmp_path):
    from_files = "dataset.name = 'dummy_data'"
    finish(start(tmp_path, "beta_tc_vae", "none,mirrored", from_files))
    two, one = (tmp_path / name / "beta_tc_vae" for name in ("mirrored", "none"))
    check_same_weights(two, one)


def free_ports(num):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(num)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.mark.slow
def test_two_machines_end_with_the_weights_of_one_and_the_chief_writes(
    trained, tmp_path
):
    model = "group_vae_hypergeometric"
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    folders = [tmp_path / "chief", tmp_path / "other"]
    processes = []
    for index, folder in enumerate(folders):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": cluster, "task": task})
        processes.append(start(folder, model, "multi_worker", TF_CONFIG=config))
    for process in processes:
        finish(process)
    written = folders[0] / "multi_worker" / model
    check_same_weights(written, trained / "none" / model)
    assert (written / "results").exists()
    assert not folders[1].exists()


@pytest.mark.parametrize(
    "name, message",
    [
        ("tpu", 'train.strategy is \'tpu\', but must be one of "none", "mirrored"'),
        ("multi_worker", "the environment variable TF_CONFIG is not set: set it"),
    ],
)
def test_mistakes_are_told(name, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match=message):
        strategies.make_strategy(name, 4)


def test_a_batch_that_devices_cannot_share_is_told(monkeypatch):
    class Three:
        num_replicas_in_sync = 3

    monkeypatch.setattr(strategies, "_mirrored", Three)
    with pytest.raises(UserError, match="batch_size is 4, but must be a multiple of 3"):
        strategies.make_strategy("mirrored", 4)
