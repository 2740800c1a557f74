"""What the programs that do a study's jobs share: flags, and what they do.

`mvhg_reproduce` does a whole study; `dlib_reproduce` and
`dlib_reproduce_weakly_supervised` the pipelines of single models.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import mvhg_tf
from mvhg_tf.programs import command_line
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Job, Progress
from mvhg_tf.studies.library.placed_jobs import check_apart, discard

STOPPED = "Stopped; the same command goes on where the jobs were."
_MOST_NUMBERS = 100_000


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


def run_and_exit(body: Callable[[Sequence[str] | None], int]) -> NoReturn:
    """Runs a program's body on its command line, and exits."""
    sys.exit(command_line.run_program(body, sys.argv[1:], STOPPED))


def add_version(parser: argparse.ArgumentParser) -> None:
    """Adds --version, which prints what it does of our other `dlib_` programs."""
    text = (
        f"{parser.prog} (mvhg_tf {mvhg_tf.__version__}, TensorFlow 2 port of "
        "disentanglement_lib 1.5)"
    )
    parser.add_argument(
        "--version", action=_Version, const=text, nargs=0, help="print what this is"
    )


class _Version(argparse.Action):
    """Prints a line as it is; argparse's own action would wrap it."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        print(self.const)
        parser.exit()


def add_switch(parser: argparse.ArgumentParser, name: str, meaning: str) -> None:
    """Adds a switch, which may be written as in the library: --name=true as well."""
    parser.add_argument(
        f"--{name}", nargs="?", const=True, default="false", type=_switch, help=meaning
    )


def _switch(text: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise argparse.ArgumentTypeError(f"got {text!r}, but it must be true or false")
    return values[text.lower()]


def add_pipeline_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the runner's flags, --list and --overwrite."""
    add_runner_flags(parser)
    parser.add_argument(
        "--list", action="store_true", help="print the jobs and how far they are"
    )
    add_switch(
        parser,
        "overwrite",
        "take away what earlier runs have made of the same jobs, and begin anew",
    )


def do_pipelines(
    jobs: Sequence[Job],
    output_directory: str,
    flags: argparse.Namespace,
    setting: str,
) -> int:
    """Lists or does jobs that are placed by a setting; returns the exit code."""
    check_apart(jobs, output_directory, setting)
    jobs = runner.select(jobs, flags.shard)
    if flags.list:
        list_jobs(jobs, output_directory)
        return 0
    if flags.overwrite:
        discard(jobs, output_directory)
    what_next = f"they are in {output_directory}"
    return do_jobs(jobs, output_directory, flags, what_next)


def numbers(text: str) -> list[int] | None:
    """Parses numbers such as "3", "0,5,10-19"; "all" is None."""
    if text == "all":
        return None
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        last = last if "-" in part else first
        is_number = re.fullmatch(r"\d{1,10},\d{1,10}", f"{first},{last}", re.ASCII)
        if not is_number or not 0 <= int(last) - int(first) < _MOST_NUMBERS:
            raise argparse.ArgumentTypeError(
                f"got {text!r}, but it must be a number, several as in 0,5,10-19 "
                f"(at most {_MOST_NUMBERS} in a row), or all"
            )
        found += range(int(first), int(last) + 1)
    return list(dict.fromkeys(found))
