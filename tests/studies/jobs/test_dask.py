"""A study on a dask cluster of two workers, one of which is killed on the way."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from mvhg_tf.studies.clustering import clustering_study
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import unfinished

pytestmark = pytest.mark.slow
PATIENCE = 600.0  # seconds


@pytest.fixture
def start(tmp_path):
    """Starts a command of Python's, which ends with the test."""
    processes = []

    def started(name, *command, **environment):
        log = (tmp_path / f"{name}.txt").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=log,
            stderr=log,
            env=os.environ | environment,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.wait()


def wait_for(condition):
    started = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.1)
    return found


def test_the_smoke_study_survives_a_worker(start, tmp_path):
    start("scheduler", "dask", "scheduler", "--port=0", "--no-dashboard")
    log = tmp_path / "scheduler.txt"
    [address] = wait_for(lambda: re.findall(r"Scheduler at: *(\S+)", log.read_text()))
    worker = ("dask", "worker", address, "--no-nanny", "--nthreads=1", "--no-dashboard")
    workers = [start(f"worker{number}", *worker) for number in range(2)]
    output = tmp_path / "study"
    study = start(
        "study",
        "mvhg_tf.programs",
        "mvhg_reproduce",
        "clustering",
        "--preset=smoke",
        "--backend=dask",
        "--jobs=2",
        f"--output_dir={output}",
        DASK_SCHEDULER_ADDRESS=address,
    )
    # Once both workers are at work, one goes.
    wait_for(lambda: len(list(output.glob(f"jobs/*/{runner.LOG}"))) >= 2)
    workers[0].send_signal(signal.SIGKILL)
    assert study.wait(PATIENCE) == 0, (tmp_path / "study.txt").read_text()
    assert workers[1].poll() is None
    assert unfinished(clustering_study.make_jobs("smoke"), str(output)) == []
