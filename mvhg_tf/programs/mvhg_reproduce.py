"""Runs one of the paper's studies: `mvhg_reproduce STUDY`.

    mvhg_reproduce weak --preset=cpu --jobs=2 --output_dir=results/weak

If it was stopped, the same command resumes it. With --report, it writes a report on the
finished jobs into the folder `report` next to them.
"""

from __future__ import annotations

import fnmatch
import types
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mvhg_tf.disentanglement.installation import check_library
from mvhg_tf.programs.flags import job_flags
from mvhg_tf.programs.flags.command_line import Program, choice
from mvhg_tf.programs.flags.ending import command
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.clustering import clustering_study
from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.weak import weak_study


class Study(NamedTuple):
    """What this program needs to know about a study.

    Attributes:
      what: a phrase.
      make_jobs: from a preset's name and, if it takes them, the data.
      write_report: from a preset's name, its jobs and the output directory; returns
        the path of the page.
      takes_data: whether --data may be given.
      needs_library: whether its jobs need disentanglement_lib.
    """

    what: str
    make_jobs: Callable[..., list[Job]]
    write_report: Callable[[str, list[Job], str], str]
    takes_data: bool
    needs_library: bool


def _write_weak_report(preset: str, jobs: list[Job], directory: str) -> str:
    with quiet_imports():  # late: it imports TensorFlow, which takes seconds
        from mvhg_tf.studies.weak import weak_report

    return weak_report.write_report(preset, jobs, directory)


def _write_clustering_report(preset: str, jobs: list[Job], directory: str) -> str:
    with quiet_imports():
        from mvhg_tf.studies.clustering import clustering_report

    return clustering_report.write_report(preset, jobs, directory)


STUDIES = {
    "weak": Study(
        "weakly supervised, section 5.2",
        weak_study.make_jobs,
        _write_weak_report,
        takes_data=False,
        needs_library=True,
    ),
    "clustering": Study(
        "section 5.3",
        clustering_study.make_jobs,
        _write_clustering_report,
        takes_data=True,
        needs_library=False,
    ),
}
PRESETS = ("cpu", "paper", "smoke")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "mvhg_reproduce",
        "Runs one of the paper's studies: "
        + ", ".join(f"{name} ({chosen.what})" for name, chosen in STUDIES.items())
        + ".",
        _reproduce,
        "mvhg_reproduce weak --preset=cpu --jobs=2 --output_dir=results/weak\n"
        "mvhg_reproduce weak --preset=cpu --output_dir=results/weak --report",
        job_flags.STOPPED,
    )
    program.add_word("study", tuple(STUDIES))
    program.add_output_dir(
        "folder for the jobs; jobs in it are resumed (default: STUDY_study)"
    )
    program.add_text(
        "preset", "size of the study: cpu, paper or smoke", choice(PRESETS), "cpu"
    )
    program.add_text(
        "data",
        "data for the clustering study, instead of the preset's: digits, mnist, "
        "fashion_mnist, an npz file with x and y, or a folder with MNIST's idx files",
    )
    program.add_text(
        "only",
        "only the jobs whose names match a shell pattern such as 'hgvae_s*'; several "
        "are separated by commas (--list prints the names)",
    )
    job_flags.add_runner_flags(program)
    program.add_switch(
        "report",
        "write a report on the finished jobs into the folder's `report`",
    )
    return program.run(argv)


def _reproduce(flags: types.SimpleNamespace) -> int:
    chosen = STUDIES[flags.study]
    if flags.data and not chosen.takes_data:
        raise UserError(
            f"--data is not a flag of the {flags.study} study: leave it out."
        )
    if flags.list and flags.report:
        raise UserError("--list and --report can't be combined: leave one of them out.")
    output_dir = flags.output_dir or f"{flags.study}_study"
    jobs = chosen.make_jobs(flags.preset, *([flags.data] if flags.data else []))
    if flags.only:
        jobs = _matching(jobs, flags.only)
    jobs = job_flags.selected(jobs, flags)
    if flags.list:
        job_flags.list_jobs(jobs, output_dir)
        return 0
    if flags.report:
        page = chosen.write_report(flags.preset, jobs, output_dir)
        print(f"The report is in {page}.")
        return 0
    if chosen.needs_library:
        check_library()
    same = {"preset": flags.preset, "data": flags.data, "output_dir": output_dir}
    report = command("mvhg_reproduce", same, flags.study, "--report")
    return job_flags.do_jobs(jobs, output_dir, flags, output_dir, report)


def _matching(jobs: Sequence[Job], patterns: str) -> list[Job]:
    chosen = [
        job
        for job in jobs
        if any(fnmatch.fnmatchcase(job.name, p) for p in patterns.split(","))
    ]
    if not chosen:
        raise UserError(
            f"--only={patterns!r} matches no job: give a pattern of names, such as "
            f"{jobs[0].name!r}; --list prints them."
        )
    return chosen


if __name__ == "__main__":
    raise SystemExit(main())
