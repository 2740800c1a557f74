"""What the programs that run a study share: the runner's flags, and what they do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mvhg_tf.experiments import command_line
from mvhg_tf.experiments.studies import runner
from mvhg_tf.experiments.studies.job import Job, Progress

STOPPED = "Stopped; the same command goes on where the jobs were."


def add_runner_flags(parser: argparse.ArgumentParser) -> None:
    """Adds --jobs, --threads, --backend and --shard."""
    parser.add_argument(
        "--jobs",
        type=command_line.integer(1, 10_000),
        default=1,
        help="how many jobs run side by side",
    )
    parser.add_argument(
        "--threads",
        type=command_line.integer(1, 10_000),
        help="threads of each job (default: the cores shared out evenly)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--backend",
        choices=runner.BACKENDS,
        default=runner.BACKENDS[0],
        help="loky for this machine; dask or ray for a cluster that sees the folder",
    )
    parser.add_argument(
        "--shard",
        type=_shard,
        default="1/1",
        metavar="I/N",
        help="only part I of N, for machines that share the folder",
    )


def _shard(text: str) -> tuple[int, int]:
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal()):
        index = count = 0
    else:
        index, count = int(first), int(second)
    if not 1 <= index <= count:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, but it must be I/N with I from 1 to N, such as 1/4"
        )
    return index, count


def list_jobs(jobs: Sequence[Job], output_directory: str) -> None:
    """Prints the jobs and how far they are."""
    for job in jobs:
        state = Progress(job, job.folder(output_directory)).state
        print(f"{job.name:40} {state}")


def do_jobs(
    jobs: Sequence[Job],
    output_directory: str,
    flags: argparse.Namespace,
    what_next: str,
) -> int:
    """Does the jobs as the runner's flags say; returns the program's exit code."""
    failed = runner.run(
        jobs,
        output_directory,
        flags.jobs,
        flags.backend,
        getattr(flags, "threads", None),
    )
    if failed:
        print(
            f"{len(failed)} of {len(jobs)} jobs failed; the same command tries them "
            "again.",
            file=sys.stderr,
        )
        return 1
    print(f"All {len(jobs)} jobs are finished; {what_next}.")
    return 0
