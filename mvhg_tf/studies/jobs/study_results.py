"""What the finished steps of a study left behind, for its report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.job import Job, Progress, Step, read_json, unfinished
from mvhg_tf.studies.jobs.report_parts import is_known


class StudyResults:
    """The results of a study that may be on its way: what isn't there is empty.

    Args:
      jobs: of the study, or of a part of it.
      output_directory: as it was run with.

    Raises:
      UserError: if the folder holds none of the jobs, or some of other settings.
    """

    def __init__(self, jobs: Sequence[Job], output_directory: str) -> None:
        unfinished(jobs, output_directory)  # which looks for other settings
        self.jobs = list(jobs)
        self._output_directory = output_directory
        self._progress = {
            job.name: Progress(job, job.folder(output_directory)) for job in jobs
        }
        self._results: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.states = [progress.state for progress in self._progress.values()]
        if set(self.states) <= {"to do"}:
            raise UserError(
                f"{output_directory} holds no job of this study: give the --preset "
                "and the --output_dir that it was run with."
            )

    def path(self, job: Job, *names: str) -> str:
        """A path in the job's folder."""
        return os.path.join(job.folder(self._output_directory), *names)

    def has(self, job: Job, step_name: str) -> bool:
        """Whether the step is of the job, and finished."""
        step = _step(job, step_name)
        return step is not None and self._progress[job.name].is_done(step)

    def of(self, job: Job, step_name: str) -> Mapping[str, Any]:
        """The step's result; empty if it isn't finished."""
        key = (job.name, step_name)
        if key not in self._results:
            self._results[key] = self._read(job, step_name)
        return self._results[key]

    def _read(self, job: Job, step_name: str) -> Mapping[str, Any]:
        step = _step(job, step_name)
        if step is None or not self.has(job, step_name):
            return {}
        result = read_json(self.path(job, step.result))
        return result if isinstance(result, dict) else {}

    def number(self, job: Job, step_name: str, key: str) -> float | None:
        """A number of the step's result; None if there is none, or it is NaN."""
        value = self.of(job, step_name).get(key)
        return value if isinstance(value, int | float) and is_known(value) else None

    def seconds(self, job: Job, step_name: str, key: str) -> float | None:
        """How long a step took that was done at one go; None of any other.

        Args:
          job: of the study.
          step_name: of a step.
          key: "seconds", or "cpu_seconds" of the process.
        """
        step = _step(job, step_name)
        if step is None or not self.has(job, step_name):
            return None
        noted = self._progress[job.name].of_step(step)
        return noted.get(key) if noted.get("attempts") == 1 else None

    def machines(self, step_name: str) -> list[str]:
        """The machines that did a step, as far as that was noted."""
        noted = (
            self._progress[job.name].of_step(step).get("machine")
            for job in self.jobs
            for step in job.steps
            if step.name == step_name and self.has(job, step_name)
        )
        return sorted({machine for machine in noted if machine})

    def progress_sentence(self) -> str:
        """How many jobs are in, for the head of the report."""
        finished, started = self.states.count("finished"), self.states.count("started")
        if finished == len(self.jobs):
            return f"All {finished} jobs are finished."
        return (
            f"{finished} of {len(self.jobs)} jobs are finished and {started} are "
            "started; what is not measured yet is left empty."
        )

    @property
    def num_seeds(self) -> int:
        """Of the jobs that are finished or started."""
        pairs = zip(self.jobs, self.states, strict=True)
        return len({job.settings["seed"] for job, state in pairs if state != "to do"})

    def spread_sentence(self) -> str:
        """What the numbers are taken over, for the head of the report."""
        if self.num_seeds == 1:
            return "Each number is of one seed."
        return (
            "Numbers with ± are the mean and the sample standard deviation over "
            f"{self.num_seeds} seeds, or over those that are in."
        )

    @property
    def bars(self) -> str:
        """What a figure's caption says of its error bars: one seed has none."""
        if self.num_seeds == 1:
            return ""
        return "; means over the seeds, bars are one standard deviation"

    def versions(self, *names: str) -> dict[str, str]:
        """The versions that made the results.

        Args:
          *names: of the path in a job's folder, of a JSON file of versions.

        Returns:
          By package; of several versions, all.
        """
        found: dict[str, set[str]] = {}
        for job in self.jobs:
            versions = read_json(self.path(job, *names))
            if isinstance(versions, dict):
                for package, version in versions.items():
                    found.setdefault(package, set()).add(str(version))
        return {package: ", ".join(sorted(found[package])) for package in sorted(found)}


def _step(job: Job, name: str) -> Step | None:
    return next((step for step in job.steps if step.name == name), None)
