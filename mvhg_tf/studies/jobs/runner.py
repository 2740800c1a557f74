"""Does the jobs of a study side by side, each in a process of its own.

Through joblib, on this machine or on a cluster. What is finished is skipped, so a study
that was stopped goes on where it was. Nothing here knows what the jobs do.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import joblib
from tqdm import tqdm

from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.job import Job, Progress, unfinished

BACKENDS = ("loky", "dask", "ray")
LOG = "log.txt"
BUSY = 75  # the worker's exit code where another process is at work on the job
_POLL_SECONDS = 0.2
_FOLLOW_SECONDS = 2.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}|{postfix} [{elapsed}, {remaining} left]"


def select(jobs: Sequence[Job], shard: tuple[int, int]) -> list[Job]:
    """Part i of n, counted from 1: every n-th job, so that all parts are alike."""
    index, count = shard
    return list(jobs[index - 1 :: count])


def run(
    jobs: Sequence[Job],
    output_directory: str,
    num_jobs: int = 1,
    backend: str = "loky",
    num_threads: int | None = None,
) -> list[str]:
    """Does the jobs that are not finished, and says in a line which one failed.

    Args:
      jobs: of different names.
      output_directory: for `jobs`; on a cluster, one that all its machines see.
      num_jobs: how many run side by side.
      backend: "loky" for this machine, "dask" or "ray" for a cluster.
      num_threads: of each job; None shares this machine's cores out evenly.

    Returns:
      The names of the jobs that failed.

    Raises:
      UserError: if the backend is not there, the folder can't be written to, or it
        holds jobs of another study.
      KeyboardInterrupt: after the jobs' processes were ended.
    """
    todo = unfinished(jobs, output_directory)
    if not todo:
        return []
    for job in todo:
        _make_folder(job.folder(output_directory))
    if num_threads is None:
        num_threads = max(1, (os.cpu_count() or 1) // num_jobs)
    failed = []
    with _joblib_backend(backend), _progress_bar(jobs, output_directory) as bar:
        calls = (
            joblib.delayed(_run_apart)(job, job.folder(output_directory), num_threads)
            for job in todo
        )
        for name, failure in _parallel(num_jobs)(calls):
            if failure:
                failed.append(name)
                bar.write(f"{name}: {failure}", file=sys.stderr)
    return failed


def _parallel(num_jobs: int) -> joblib.Parallel:
    """Gives each result as soon as it is there, where the backend can do that."""
    try:
        return joblib.Parallel(num_jobs, return_as="generator_unordered", batch_size=1)
    except ValueError:
        return joblib.Parallel(num_jobs, batch_size=1)


@contextlib.contextmanager
def _joblib_backend(name: str) -> Iterator[None]:
    """Makes a backend joblib's; dask and ray find their cluster by themselves."""
    try:
        if name == "dask":
            from dask.distributed import Client

            with Client(), joblib.parallel_config(backend="dask"):
                yield
            return
        if name == "ray":
            from ray.util.joblib import register_ray

            register_ray()
    except ImportError as error:
        package = {"dask": "dask[distributed]", "ray": "ray"}[name]
        raise UserError(
            f"--backend {name} needs {package}, which is not installed: install it "
            f"(pip install '{package}'), or use --backend loky."
        ) from error
    with joblib.parallel_config(backend=name):
        yield


@contextlib.contextmanager
def _progress_bar(jobs: Sequence[Job], output_directory: str) -> Iterator[tqdm]:
    """A bar over all jobs' costs that follows their folders while the block runs."""
    costs = {job.name: sum(step.cost for step in job.steps) for job in jobs}

    def progress_of(job: Job) -> Progress:
        return Progress(job, job.folder(output_directory))

    def look() -> None:
        for job in following:
            done[job.name] = progress_of(job).done_cost
        following[:] = [job for job in following if done[job.name] < costs[job.name]]

    following: list[Job] = list(jobs)
    done: dict[str, float] = {}
    look()
    bar = tqdm(
        total=sum(costs.values()),
        initial=sum(done.values()),
        desc="study",
        bar_format=_BAR,
        smoothing=0,
    )
    ended = threading.Event()

    def show() -> None:
        bar.n = sum(done.values())
        finished = len(jobs) - len(following)
        bar.set_postfix_str(f" {finished} of {len(jobs)} jobs finished")

    def follow() -> None:
        show()
        while not ended.wait(_FOLLOW_SECONDS):
            look()
            show()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield bar
    finally:
        ended.set()
        follower.join()
        look()
        show()
        bar.close()


def _run_apart(job: Job, folder: str, num_threads: int) -> tuple[str, str]:
    """Does a job in a process of its own; returns its name and why it failed, or ""."""
    log = os.path.join(folder, LOG)
    with open(log, "ab") as file:
        code = _wait_for_worker(job, folder, num_threads, file)
    if code == 0:
        return job.name, ""
    if code == BUSY:
        return job.name, f"another process is at work in {folder}."
    return job.name, f"failed ({_last_line(log)}); all of it is in {log}."


def _wait_for_worker(job: Job, folder: str, num_threads: int, log: BinaryIO) -> int:
    """The exit code of a process that does the job.

    The process ends when this one does, however it ends: the worker reads its
    standard input, and that is closed. And this one ends when the study's does.
    """
    parent = os.getppid()
    process = subprocess.Popen(
        [sys.executable, "-m", "mvhg_tf.studies.jobs.worker"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=_environment(num_threads),
        start_new_session=True,  # out of reach of Ctrl-C
    )
    try:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(pickle.dumps((job, folder)))
            process.stdin.flush()
        while process.poll() is None:
            if os.getppid() != parent:
                os._exit(1)
            time.sleep(_POLL_SECONDS)
        return process.returncode
    finally:
        process.kill()
        process.wait()


def _environment(num_threads: int) -> dict[str, str]:
    threads = str(num_threads)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }


def _last_line(path: str) -> str:
    """The last line of a log that says something; of a progress bar, its last state."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 10_000))
        text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing")


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {folder} can't be created ({error.strerror}): give an "
            "--output_dir that you may write to."
        ) from error
