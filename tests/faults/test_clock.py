"""A clock that goes backwards, and files from the future."""

import json
import os
import signal
import time

import commands
import pytest
from processes import Run, program


def by_a_clock_that_goes_backwards(*command):
    started, now = time.time(), time.time
    time.time = lambda: started - 100 * (now() - started)
    return program(*command)


def date_ahead(folder):
    """Sets the times of all its files a year into the future."""
    future = time.time() + 365 * 24 * 3600
    for path in folder.rglob("*"):
        os.utime(path, (future, future))


@pytest.mark.slow
def test_training(start, trained, tmp_path):
    folder = tmp_path / "model"
    command = commands.training(folder)
    run = start(command)
    code = run.kill_at(lambda: commands.newest_checkpoint(folder) >= 20, 0.0)
    assert code == -signal.SIGKILL
    date_ahead(folder)
    run = Run(by_a_clock_that_goes_backwards, tuple(command), tmp_path / "log")
    assert run.wait() == 0, run.said()
    commands.assert_same_results(folder, trained)
    results = json.loads((folder / "results/json/train_results.json").read_text())
    assert 0 < results["elapsed_time"] < 600
    assert "40/40" in run.said()
    assert "-" not in run.said().split("40/40")[-1].split("]")[0]  # the time left


@pytest.mark.slow
def test_clustering(start, samples, clustered, tmp_path):
    folder = tmp_path / "run"
    command = commands.clustering(samples, folder)
    run = start(command)
    code = run.kill_at(lambda: commands.newest_checkpoint(folder) >= 4, 0.0)
    assert code == -signal.SIGKILL
    date_ahead(folder)
    run = Run(by_a_clock_that_goes_backwards, tuple(command), tmp_path / "log")
    assert run.wait() == 0, run.said()
    commands.assert_same_results(folder, clustered)
