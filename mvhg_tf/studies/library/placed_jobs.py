"""Jobs in folders of the user's choice, one after each setting."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence

from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.job import RECORD, Job, locked
from mvhg_tf.studies.jobs.model_steps import MODEL, VISUALIZATIONS

REPRESENTATIONS, METRICS = "postprocessed", "metrics"
# What the steps make.
_MADE = (MODEL, VISUALIZATIONS, REPRESENTATIONS, METRICS)


class PlacedJob(Job):
    """A job whose folder is the output directory, with its settings put in.

    They are named in braces: "{study}/{model_num}" becomes "unsupervised_study_v1/3".
    """

    def folder(self, output_directory: str) -> str:
        """The job's folder."""
        for name, value in self.settings.items():
            output_directory = output_directory.replace(f"{{{name}}}", str(value))
        return output_directory


def check_apart(jobs: Sequence[Job], output_directory: str, setting: str) -> None:
    """Makes sure that no two jobs share a folder.

    Raises:
      UserError: if they do.
    """
    folders = {job.folder(output_directory) for job in jobs}
    if len(folders) < len(jobs):
        raise UserError(
            f"--output_dir {output_directory} is one folder for {len(jobs)} "
            f"jobs: put {{{setting}}} into it, which each job replaces by its own."
        )


def discard(jobs: Iterable[Job], output_directory: str) -> None:
    """Takes away what earlier runs of the same jobs made, and nothing else.

    Raises:
      UserError: if one of them is at work.
    """
    for job in jobs:
        folder = job.folder(output_directory)
        record = os.path.join(folder, RECORD)
        if not os.path.exists(record):
            continue
        try:
            with locked(folder):
                for name in _MADE:
                    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
                os.remove(record)  # last: it tells that the rest is ours
        except BlockingIOError as error:
            raise UserError(
                f"Another process is at work in {folder}: wait for it to end, or give "
                "another --output_dir."
            ) from error
