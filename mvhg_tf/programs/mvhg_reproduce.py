"""Runs one of the paper's studies: `mvhg_reproduce STUDY`.

    mvhg_reproduce weak --preset cpu --jobs 2 --output_directory results/weak

The same command goes on where an earlier one was stopped. With --report, it writes what
the jobs that are finished have shown, into the folder `report` beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mvhg_tf.programs import command_line, job_programs
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.studies.clustering import clustering_study
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Job
from mvhg_tf.studies.weak import weak_study


class Study(NamedTuple):
    """What a study gives to this program.

    Attributes:
      purpose: one sentence.
      presets: names, the default first.
      make_jobs: from a preset's name and, if it takes them, the data.
      write_report: from a preset's name, its jobs and the output directory; returns
        the path of the page.
      data: what --data is, or "" if there is no choice.
    """

    purpose: str
    presets: Sequence[str]
    make_jobs: Callable[..., list[Job]]
    write_report: Callable[[str, list[Job], str], str]
    data: str = ""


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
        "The weakly supervised study (section 5.2, appendix C.2).",
        ("cpu", "paper", "smoke"),
        weak_study.make_jobs,
        _write_weak_report,
    ),
    "clustering": Study(
        "The clustering study (section 5.3, appendix C.3).",
        ("cpu", "paper", "smoke"),
        clustering_study.make_jobs,
        _write_clustering_report,
        "digits, mnist, fashion_mnist, an npz file with x and y, or a folder with "
        "MNIST's idx files, instead of the preset's",
    ),
}


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="mvhg_reproduce", description="Runs one of the paper's studies."
    )
    studies = parser.add_subparsers(
        dest="study", metavar="STUDY", required=True, parser_class=command_line.Parser
    )
    for name, chosen in STUDIES.items():
        _add_flags(studies.add_parser(name, help=chosen.purpose), name, chosen)
    return parser.parse_args(argv)


def _add_flags(parser: argparse.ArgumentParser, name: str, chosen: Study) -> None:
    parser.add_argument(
        "--output_directory",
        type=command_line.folder,
        default=f"{name}_study",
        help="folder for the jobs; the same one goes on with them",
    )
    parser.add_argument(
        "--preset",
        choices=chosen.presets,
        default=chosen.presets[0],
        help="how large the study is",
    )
    if chosen.data:
        parser.add_argument("--data", help=chosen.data, default=argparse.SUPPRESS)
    job_programs.add_runner_flags(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--list", action="store_true", help="print the jobs and how far they are"
    )
    instead.add_argument(
        "--report",
        action="store_true",
        help="write what the finished jobs have shown into the folder's `report`",
    )


def _run(argv: Sequence[str] | None) -> int:
    flags = _parse(argv)
    chosen = STUDIES[flags.study]
    data = (flags.data,) if hasattr(flags, "data") else ()
    jobs = chosen.make_jobs(flags.preset, *data)
    jobs = runner.select(jobs, flags.shard)
    if flags.list:
        job_programs.list_jobs(jobs, flags.output_directory)
        return 0
    if flags.report:
        page = chosen.write_report(flags.preset, jobs, flags.output_directory)
        print(f"The report is in {page}.")
        return 0
    return job_programs.do_jobs(
        jobs,
        flags.output_directory,
        flags,
        "the same command with --report tells what they have shown",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the flags `argv` and returns its exit code."""
    return command_line.run_program(_run, argv, job_programs.STOPPED)


if __name__ == "__main__":
    raise SystemExit(main())
