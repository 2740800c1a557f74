"""A study: many jobs, each in a process and a folder of its own.

A job is a list of steps, a step a function and its arguments. `run` does the jobs of
a study side by side, through joblib, on this machine or on a cluster. What is finished
is skipped, so a study that was stopped goes on where it was; a step that was torn is
called again on the same folder and is to go on with what it finds there.

    <output_directory>/jobs/<job>/job.json   what the job is, and how far it is
                                 /log.txt    what its steps said
                                 /...        what its steps made

Nothing here knows what the jobs do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import joblib

from mvhg_tf.errors import UserError
from mvhg_tf.experiments import machine
from mvhg_tf.progress import ProgressBar

BACKENDS = ("loky", "dask", "ray")
JOBS_FOLDER = "jobs"
RECORD = "job.json"
LOG = "log.txt"
_LOCK = ".job.lock"
BUSY = 75  # the worker's exit code where another process is at work on the job
_POLL_SECONDS = 0.2
_FOLLOW_SECONDS = 2.0
_BAR = "{desc}: {percentage:3.0f}%|{bar}|{postfix} [{elapsed}, {remaining} left]"


@dataclasses.dataclass(frozen=True)
class Step:
    """A part of a job that is either done or not.

    Attributes:
      name: unique within the job.
      function: of a module, so that another process finds it. It is called with the
        job's folder and the arguments, and again if it was stopped on the way.
      arguments: keyword arguments that JSON can hold; they tell one study's job from
        another's.
      result: a JSON file that the step leaves in the folder: only with it, and
        readable, the step counts as done.
      cost: about how long it takes, in any unit, for the time left.
    """

    name: str
    function: Callable[..., None]
    arguments: Mapping[str, object] = dataclasses.field(default_factory=dict)
    result: str = ""
    cost: float = 1.0

    def description(self) -> dict:
        """What the step does, as JSON holds it."""
        function = f"{self.function.__module__}.{self.function.__qualname__}"
        return json.loads(
            json.dumps({"function": function, "arguments": dict(self.arguments)})
        )


@dataclasses.dataclass(frozen=True)
class Job:
    """Steps that are done one after another.

    Attributes:
      name: of the job's folder, unique within the study.
      steps: in their order.
      settings: what the report sorts the jobs by, such as the method and the seed.
    """

    name: str
    steps: tuple[Step, ...]
    settings: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def folder(self, output_directory: str) -> str:
        return os.path.join(output_directory, JOBS_FOLDER, self.name)

    def description(self) -> dict:
        """What the job does, as JSON holds it."""
        return {step.name: step.description() for step in self.steps}


class Progress:
    """How far a job is: what its `job.json` says, as far as its files bear it out.

    Args:
      job: the job.
      folder: its folder, which need not exist.
    """

    def __init__(self, job: Job, folder: str):
        self._job = job
        self._folder = folder
        self._record = read_json(os.path.join(folder, RECORD)) or {}

    @property
    def is_foreign(self) -> bool:
        """Whether the folder holds a job of the same name that does other things."""
        made = self._record.get("job")
        return made is not None and made != self._job.description()

    def is_done(self, step: Step) -> bool:
        if not self.of_step(step).get("finished"):
            return False
        if not step.result:
            return True
        return read_json(os.path.join(self._folder, step.result)) is not None

    def of_step(self, step: Step) -> dict:
        """What is noted of a step: whether it is `finished`, its `attempts`, and of
        the last of them the `machine` and how long it took, in `seconds` and
        `cpu_seconds` of the process."""
        return self._record.get("steps", {}).get(step.name, {})

    @property
    def done_cost(self) -> float:
        return sum(step.cost for step in self._job.steps if self.is_done(step))

    @property
    def is_finished(self) -> bool:
        return all(self.is_done(step) for step in self._job.steps)

    @property
    def state(self) -> str:
        """ "finished", "started" or "to do"."""
        if self.is_finished:
            return "finished"
        return "started" if self._record else "to do"

    def write(self, step: Step, **values: object) -> None:
        """Notes values of a step, whole or not at all."""
        steps = self._record.setdefault("steps", {})
        steps[step.name] = {**self.of_step(step), **values}
        self._record["job"] = self._job.description()
        self._record["settings"] = dict(self._job.settings)
        path = os.path.join(self._folder, RECORD)
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(self._record, file, indent=2)
        os.replace(path + ".part", path)


def do_steps(job: Job, folder: str) -> None:
    """Does what is left of a job, in this process."""
    progress = Progress(job, folder)
    for step in job.steps:
        if progress.is_done(step):
            continue
        earlier = progress.of_step(step)
        attempts = earlier.get("attempts", 0) + 1
        progress.write(
            step,
            attempts=attempts,
            machine=machine.processor_and_cores(),
            finished=False,
        )
        print(f"== {step.name}", flush=True)
        started, started_cpu = time.monotonic(), time.process_time()
        step.function(folder, **step.arguments)
        progress.write(
            step,
            seconds=time.monotonic() - started,
            cpu_seconds=time.process_time() - started_cpu,
            finished=True,
        )
        if not progress.is_done(step):
            raise UserError(f"Step {step.name} left no readable {step.result}.")


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keeps other processes from a job while the block runs.

    The system lets go of the lock when this process ends, however it ends.

    Raises:
      BlockingIOError: if another process is at work on the job.
    """
    with open(os.path.join(folder, _LOCK), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


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


def unfinished(jobs: Sequence[Job], output_directory: str) -> list[Job]:
    """The jobs that are still to be done.

    Raises:
      UserError: if the folder holds a job of the same name that does other things.
    """
    todo = []
    for job in jobs:
        folder = job.folder(output_directory)
        progress = Progress(job, folder)
        if progress.is_foreign:
            raise UserError(
                f"{folder} holds a job of other settings: give the flags that it was "
                "made with, or another --output_directory."
            )
        if not progress.is_finished:
            todo.append(job)
    return todo


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
def _progress_bar(jobs: Sequence[Job], output_directory: str) -> Iterator[ProgressBar]:
    """A bar over all jobs' costs that follows their folders while the block runs."""
    costs = {job.name: sum(step.cost for step in job.steps) for job in jobs}

    def progress_of(job: Job) -> Progress:
        return Progress(job, job.folder(output_directory))

    def look() -> None:
        for job in following:
            done[job.name] = progress_of(job).done_cost
        following[:] = [job for job in following if done[job.name] < costs[job.name]]

    following, done = list(jobs), {}
    look()
    bar = ProgressBar(
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


def _wait_for_worker(job: Job, folder: str, num_threads: int, log) -> int:
    """The exit code of a process that does the job.

    The process ends when this one does, however it ends: the worker reads its
    standard input, and that is closed. And this one ends when the study's does.
    """
    parent = os.getppid()
    process = subprocess.Popen(
        [sys.executable, "-m", "mvhg_tf.experiments.studies.worker"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        env=_environment(num_threads),
        start_new_session=True,  # out of reach of Ctrl-C
    )
    try:
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
            f"The folder {folder} can't be made ({error.strerror}): give an "
            "--output_directory that you may write to."
        ) from error


def read_json(path: str) -> object:
    """What the file holds; None if it isn't there or can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
