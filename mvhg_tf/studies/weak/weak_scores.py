"""The weakly supervised study's scores, by group and s."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.jobs.report_parts import Spread, spread_of
from mvhg_tf.studies.jobs.study_results import StudyResults
from mvhg_tf.studies.weak import weak_study
from mvhg_tf.studies.weak.weak_study import COUNTS, METHODS

# The groups that have rows of their own in the tables, and their names there.
LABELS = {
    "labelvae": "LabelVAE",
    "adavae": "AdaVAE",
    "hgvae": "HGVAE",
    "subsetvae": "SubsetVAE",
    "drpmvae": "DRPM-VAE",
    "hgvae_paper": "HGVAE as in the paper",
}


class WeakScores:
    """What the tables are made of.

    Args:
      preset: a name of `study.PRESETS`.
      jobs: of the preset, or of a part of it.
      output_directory: as the study was run with.

    Raises:
      UserError: as of `StudyResults`.
    """

    def __init__(self, preset: str, jobs: Sequence[Job], output_directory: str) -> None:
        self.preset_name = preset
        self.preset = weak_study.PRESETS[preset]
        self.results = StudyResults(jobs, output_directory)

    @property
    def groups(self) -> list[str]:
        """The methods, and the paper's setting where the preset has it."""
        present = {job.settings["group"] for job in self.results.jobs}
        return [group for group in LABELS if group in METHODS or group in present]

    @property
    def shared(self) -> list[int]:
        """The preset's s, without mixed pairs."""
        return [shared for shared in self.preset.shared if not isinstance(shared, str)]

    def select(self, group: str, shared: int | str | None = None) -> list[Job]:
        """The jobs of a group, of all s or of one, in the order of the seeds."""
        return [
            job
            for job in self.results.jobs
            if job.settings["group"] == group
            and shared in (None, job.settings["shared"])
        ]

    def first(self, group: str, shared: int | str) -> Job | None:
        """The job of the first seed."""
        seed = self.preset.seeds[0]
        jobs = self.select(group, shared)
        return next((job for job in jobs if job.settings["seed"] == seed), None)

    def spread(
        self, group: str, shared: int | str, step: str, key: str
    ) -> Spread | None:
        """Mean and deviation of a score over the seeds that are in."""
        return spread_of(
            self.results.number(job, step, key) for job in self.select(group, shared)
        )

    def number(self, job: Job | None, step: str, key: str) -> float | None:
        """A score of one job, if there is the job and the score."""
        return None if job is None else self.results.number(job, step, key)

    def confusion(self, jobs: Sequence[Job]) -> np.ndarray | None:
        """`[F + 1, d + 1]`, test pairs of all the jobs by s and s_hat."""
        tables = [self.results.of(job, COUNTS).get("confusion") for job in jobs]
        known = [np.asarray(table) for table in tables if table is not None]
        # Their rows are k = F - s, their columns k_hat = d - s_hat.
        return np.sum(known, axis=0)[::-1, ::-1] if known else None

    def num_latents(self) -> int | None:
        """d of the groups with rows of their own, as far as a score gives it."""
        jobs = [job for job in self.results.jobs if job.settings["group"] in LABELS]
        table = self.confusion(jobs)
        return None if table is None else table.shape[1] - 1

    def seconds(self, group: str, shared: int | str, key: str) -> list[float]:
        """How long the trainings took that were done at one go."""
        times = (
            self.results.seconds(job, "train", key)
            for job in self.select(group, shared)
        )
        return [seconds for seconds in times if seconds is not None]

    def curve(self, job: Job | None, tag: str) -> tuple[np.ndarray, np.ndarray] | None:
        """A scalar of a finished training, step by step.

        Returns:
          Steps `[T]` and values `[T]`; None where there are none.
        """
        if job is None or not self.results.has(job, "train"):
            return None
        return read_scalars(self.results.path(job, "model", "tensorboard"), tag)


def read_scalars(folder: str, tag: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Reads a scalar of TensorBoard's files.

    Of a step that was written twice, as by a run that went on from a checkpoint, the
    later value counts.

    Returns:
      Steps `[T]` and values `[T]`; None where there are none.
    """
    values = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*tfevents*"))):
        for event in EventFileLoader(path).Load():
            for value in event.summary.value:
                if value.tag == tag:
                    values[event.step] = float(make_ndarray(value.tensor))
    if not values:
        return None
    steps = np.array(sorted(values))
    return steps, np.array([values[step] for step in steps])
