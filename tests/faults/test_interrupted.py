"""Ctrl-C and SIGTERM: each program stops within seconds and says how to go on."""

import random
import re
import signal
import time

import commands
import pytest

pytestmark = pytest.mark.slow

SECONDS = 60.0  # on a machine that is busy with other things; it takes one or two
SEED = 7


def assert_stops(run, reached, delay, sentence, number=signal.SIGINT):
    """Interrupts a run some seconds after it reached something."""
    run.wait_until(reached)
    time.sleep(delay)
    run.send(number)
    started = time.monotonic()
    assert run.wait() == 128 + number, run.said()
    assert time.monotonic() - started < SECONDS
    assert "Traceback" not in run.said()
    assert re.search(f"{sentence}$", run.said().rstrip().splitlines()[-1])


def test_training(start, finished, trained, tmp_path):
    folder, moments = tmp_path / "model", random.Random(SEED)
    command = commands.training(folder)
    for step, number in (
        (2, signal.SIGINT),
        (12, signal.SIGTERM),
        (22, signal.SIGINT),
    ):

        def is_there(step=step):
            return commands.newest_checkpoint(folder) >= step

        sentence = r"dlib_train: stopped; the same command continues from step \d+\."
        delay = moments.uniform(0, 0.2)
        run = start(command)
        assert_stops(run, is_there, delay, sentence, number)
        goes_on_from = int(re.findall(r"from step (\d+)", run.said())[-1])
        assert commands.newest_checkpoint(folder) == goes_on_from >= step
    finished(command)
    commands.assert_same_results(folder, trained)


def test_evaluation(start, finished, trained, tmp_path):
    represented, folder = tmp_path / "mean", tmp_path / "scores"
    finished(commands.postprocessing(trained, represented))
    command = commands.evaluation(represented, folder)
    record, moments = folder / "run.json", random.Random(SEED)
    for _ in range(2):
        sentence = "dlib_evaluate: stopped; nothing was left half-done."
        assert_stops(start(command), record.exists, moments.uniform(0, 0.5), sentence)
        assert not folder.exists()
    finished(command)


def test_clustering(start, finished, samples, clustered, tmp_path):
    folder, moments = tmp_path / "run", random.Random(SEED)
    command = commands.clustering(samples, folder)
    for reached in ("tensorboard", "start.npz", "checkpoints/ckpt-3.index"):
        sentence = "mvhg_cluster: stopped; the same command continues from here."
        seen = folder / reached
        assert_stops(start(command), seen.exists, moments.uniform(0, 0.2), sentence)
    finished(command)
    commands.assert_same_results(folder, clustered)


def test_study(start, tmp_path):
    flags = ["--preset=smoke", "--shard=1/6", f"--output_dir={tmp_path}"]
    command = ["mvhg_reproduce", "clustering", *flags]
    seen = tmp_path / "jobs" / "main_uniform_seed0" / "uniform" / "run.json"
    sentence = "mvhg_reproduce: stopped; the same command resumes the jobs."
    assert_stops(start(command), seen.exists, 0.5, sentence)
