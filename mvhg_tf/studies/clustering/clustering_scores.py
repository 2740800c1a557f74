"""What the clustering study's runs measured, by version, run and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mvhg_tf.studies.clustering.clustering_study import MAIN, PRESETS
from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.jobs.report_parts import Spread, spread_of
from mvhg_tf.studies.jobs.study_results import StudyResults

SCORES = {"accuracy": "accuracy %", "nmi": "NMI %", "ari": "ARI %"}


class ClusteringResults:
    """The study's scores by version, run and seed, in percent.

    Args:
      preset: a name of `study.PRESETS`.
      jobs: of the preset, or of a part of it.
      output_directory: as the study was run with.

    Raises:
      UserError: if the folder holds none of the jobs, or some of other settings.
    """

    def __init__(self, preset: str, jobs: Sequence[Job], output_directory: str) -> None:
        self.name = preset
        self.preset = PRESETS[preset]
        self.study = StudyResults(jobs, output_directory)
        self.versions = self.preset.versions

    def jobs(self, version: str, group: str = MAIN) -> list[Job]:
        """In the order of their seeds."""
        wanted = {"version": version, "group": group}
        return [
            job
            for job in self.study.jobs
            if wanted.items() <= dict(job.settings).items()
        ]

    def any_result(self, run: str) -> Mapping:
        """The result of the first job that has it; empty if none has."""
        found = (self.study.of(job, run) for job in self.study.jobs)
        return next((result for result in found if result), {})

    def values(
        self, version: str, run: str, key: str, group: str = MAIN
    ) -> list[float | None]:
        """A number of each seed; None where it isn't measured yet."""
        scale = 100.0 if key in SCORES else 1.0
        found = [self.study.number(job, run, key) for job in self.jobs(version, group)]
        return [None if value is None else scale * value for value in found]

    def spread(self, *place: str) -> Spread | None:
        """The mean over seeds of `values`."""
        return spread_of(self.values(*place))

    def at_start(self, version: str, key: str, group: str = MAIN) -> Spread | None:
        """The same of the start, before VaDE's own training."""
        jobs = self.jobs(version, group)
        found = (self.study.of(job, job.steps[0].name) for job in jobs)
        return spread_of(100.0 * result["at_start"][key] for result in found if result)

    def differences(self, version: str, rival: str) -> list[float]:
        """Hypergeometric minus the rival's accuracy, of the seeds that have both."""
        pairs = zip(
            self.values(version, "hypergeometric", "accuracy"),
            self.values(version, rival, "accuracy"),
            strict=True,
        )
        return [
            ours - theirs
            for ours, theirs in pairs
            if ours is not None and theirs is not None
        ]

    def distances(self, version: str, run: str, key: str) -> Iterator[float]:
        """The total variation to the true proportions, of values of the clusters."""
        for job in self.jobs(version):
            result = self.study.of(job, run)
            if result:
                true = np.array(result["class_proportions"])
                values = by_class(result, key)
                yield float(0.5 * (np.abs(values - true).sum() + 1 - values.sum()))


def by_class(result: Mapping, key: str) -> np.ndarray:
    """Values of clusters in the order of their classes."""
    values = np.zeros(len(result["class_proportions"]))
    for label, value in zip(result["class_of_cluster"], result[key], strict=True):
        if label >= 0:
            values[label] = value
    return values
