"""A job of a study: steps that are done one after another, in a folder of its own.

    <output_directory>/jobs/<job>/job.json   what the job is, and how far it is
                                 /log.txt    what its steps said
                                 /...        what its steps made

A step that is done is not done again; one that was torn is called again on the same
folder, and is to go on with what it finds there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.whole import write_json
from mvhg_tf.studies import machine

JOBS_FOLDER = "jobs"
RECORD = "job.json"
_LOCK = ".job.lock"


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
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    result: str = ""
    cost: float = 1.0


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
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def folder(self, output_directory: str) -> str:
        """The job's folder."""
        return os.path.join(output_directory, JOBS_FOLDER, self.name)

    def description(self) -> dict:
        """What tells the job from another, as JSON holds it: its steps' arguments.

        Not their functions, which may move from module to module.
        """
        arguments = {step.name: dict(step.arguments) for step in self.steps}
        return json.loads(json.dumps(arguments))


class Progress:
    """How far a job is: what its `job.json` says, as far as its files bear it out.

    Args:
      job: the job.
      folder: its folder, which need not exist.
    """

    def __init__(self, job: Job, folder: str) -> None:
        self._job = job
        self._folder = folder
        self._record = read_json(os.path.join(folder, RECORD)) or {}

    @property
    def is_foreign(self) -> bool:
        """Whether the folder holds a job of the same name that does other things."""
        made = self._record.get("job")
        return made is not None and made != self._job.description()

    def is_done(self, step: Step) -> bool:
        """Whether the step is noted as finished, and its result can be read."""
        if not self.of_step(step).get("finished"):
            return False
        if not step.result:
            return True
        return read_json(os.path.join(self._folder, step.result)) is not None

    def of_step(self, step: Step) -> dict:
        """What is noted of a step.

        Returns:
          Whether it is `finished`, its `attempts`, and of the last of them the
          `machine` and how long it took, in `seconds` and `cpu_seconds` of the
          process.
        """
        return self._record.get("steps", {}).get(step.name, {})

    @property
    def done_cost(self) -> float:
        """The costs of the steps that are done."""
        return sum(step.cost for step in self._job.steps if self.is_done(step))

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return all(self.is_done(step) for step in self._job.steps)

    @property
    def state(self) -> str:
        """One of "finished", "started" and "to do"."""
        if self.is_finished:
            return "finished"
        return "started" if self._record else "to do"

    def write(self, step: Step, **values: object) -> None:
        """Notes values of a step, whole or not at all."""
        steps = self._record.setdefault("steps", {})
        steps[step.name] = {**self.of_step(step), **values}
        self._record["job"] = self._job.description()
        self._record["settings"] = dict(self._job.settings)
        write_json(os.path.join(self._folder, RECORD), self._record, indent=2)


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
                "made with, or another --output_dir."
            )
        if not progress.is_finished:
            todo.append(job)
    return todo


def read_json(path: str) -> Any:
    """What the file holds; None if it isn't there or can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
