"""What the programs that run a study's jobs share: flags, and running the jobs.

`mvhg_reproduce` runs a whole study; `dlib_reproduce` and
`dlib_reproduce_weakly_supervised` run the pipelines of single models.
"""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags.command_line import Program, choice, integer
from mvhg_tf.programs.flags.ending import command, print_end
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Job, Progress
from mvhg_tf.studies.library.placed_jobs import check_apart, discard

STOPPED = "stopped; the same command resumes the jobs."
_MOST_NUMBERS = 100_000
# In a pipeline's folder: of each representation and metric.
_SCORES = "metrics/*/*/results/aggregate/evaluation.json"


def add_runner_flags(program: Program) -> None:
    """Adds --jobs, --threads, --backend, --shard and --list."""
    program.add_text("jobs", "number of jobs to run in parallel", integer(1, 10_000), 1)
    program.add_text(
        "threads",
        "threads for each job (default: an even share)",
        integer(1, 10_000),
    )
    program.add_text(
        "backend",
        "loky (this machine), dask or ray (a cluster)",
        choice(runner.BACKENDS),
        runner.BACKENDS[0],
    )
    program.add_text("shard", "run only part I/N of the jobs, such as 1/4", shard)
    program.add_switch("list", "list the jobs and their progress")


def shard(text: str) -> tuple[int, int]:
    """Reads "I/N"."""
    first, _, second = text.partition("/")
    if not re.fullmatch(r"\d{1,9}/\d{1,9}", text, re.ASCII) or not (
        1 <= int(first) <= int(second)
    ):
        raise ValueError("I/N with I from 1 to N, such as 1/4")
    return int(first), int(second)


def selected(jobs: Sequence[Job], flags: types.SimpleNamespace) -> list[Job]:
    """The jobs of the part that --shard chooses."""
    return runner.select(jobs, flags.shard or (1, 1))


def list_jobs(jobs: Sequence[Job], output_dir: str) -> None:
    """Prints the jobs and their progress."""
    for job in jobs:
        state = Progress(job, job.folder(output_dir)).state
        print(f"{job.name:40} {state}")


def do_jobs(
    jobs: Sequence[Job],
    output_dir: str,
    flags: types.SimpleNamespace,
    where: str,
    *next_commands: str,
) -> int:
    """Runs the jobs as the runner's flags say; returns the program's exit code.

    Args:
      jobs: which jobs.
      output_dir: their folder.
      flags: of `add_runner_flags`.
      where: the folder to name at the end.
      *next_commands: what to type next, once all jobs are finished.
    """
    failed = runner.run(
        jobs,
        output_dir,
        flags.jobs,
        flags.backend,
        flags.threads,
    )
    if failed:
        print(
            f"{len(failed)} of {len(jobs)} jobs failed; the same command retries them.",
            file=sys.stderr,
        )
        return 1
    many = f"All {len(jobs)} jobs are" if len(jobs) > 1 else "The job is"
    print_end(f"{many} finished: see {where}.", *next_commands)
    return 0


def add_pipeline_flags(program: Program) -> None:
    """Adds the runner's flags and --overwrite."""
    add_runner_flags(program)
    program.add_switch("overwrite", "remove these jobs' earlier results first")


def do_pipelines(
    jobs: Sequence[Job],
    output_dir: str,
    flags: types.SimpleNamespace,
    setting: str,
) -> int:
    """Lists or runs jobs, each in the folder of its setting; returns the exit code."""
    check_apart(jobs, output_dir, setting)
    jobs = selected(jobs, flags)
    if flags.list:
        list_jobs(jobs, output_dir)
        return 0
    if flags.overwrite:
        discard(jobs, output_dir)
    where = os.path.commonpath([job.folder(output_dir) for job in jobs]) or os.curdir
    scores = os.path.join(re.sub(r"\{\w+\}", "*", output_dir), _SCORES)
    gather = {
        "result_file_pattern": scores,
        "output_path": os.path.join(where, "results.json"),
    }
    return do_jobs(
        jobs, output_dir, flags, where, command("dlib_aggregate_results", gather)
    )


def numbers(text: str) -> list[int] | None:
    """Parses numbers such as "3", "0,5,10-19"; "all" is None."""
    if text == "all":
        return None
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last if "-" in part else first
        is_number = re.fullmatch(r"\d{1,10},\d{1,10}", f"{first},{last}", re.ASCII)
        if not is_number or not 0 <= int(last) - int(first) < _MOST_NUMBERS:
            raise ValueError(
                f"a number, several as in 0,5,10-19 (at most {_MOST_NUMBERS} in a "
                "row), or all"
            )
        found += range(int(first), int(last) + 1)
    return list(dict.fromkeys(found))
