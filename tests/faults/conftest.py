from pathlib import Path

import commands
import numpy as np
import pytest
from processes import Run, program


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts a command, and returns its `Run`; what is still at work is ended."""
    logs = tmp_path_factory.mktemp("logs")
    runs = []

    def started(command: list[str], **arguments) -> Run:
        log = logs / f"{len(runs)}.txt"
        runs.append(Run(program, tuple(command), log, **arguments))
        return runs[-1]

    yield started
    for run in runs:
        run.end()


@pytest.fixture(scope="module")
def finished(start):
    """Runs a command to its end; it must succeed."""

    def finish(command: list[str], **arguments) -> Run:
        run = start(command, **arguments)
        assert run.wait() == 0, run.said()
        return run

    return finish


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory) -> Path:
    """A model of a training that nothing broke."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    finished(commands.training(folder))
    return folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    """An npz file of two clusters."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    x = np.clip(0.2 + 0.6 * labels[:, None] + 0.1 * random.normal(size=(200, 4)), 0, 1)
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, x=x.reshape(200, 2, 2), y=labels)
    return path


@pytest.fixture(scope="module")
def clustered(finished, samples, tmp_path_factory) -> Path:
    """The folder of a clustering that nothing broke."""
    folder = tmp_path_factory.mktemp("clustered") / "run"
    finished(commands.clustering(samples, folder))
    return folder
