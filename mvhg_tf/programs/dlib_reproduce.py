"""`dlib_reproduce`: trains and scores the models of one of the library's studies.

    dlib_reproduce --study=unsupervised_study_v1 --model_num=0-49 --jobs=4

The same command goes on where an earlier one was stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NoReturn

from mvhg_tf.programs import command_line, job_programs
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs import runner
from mvhg_tf.studies.jobs.job import Job

_MODEL_NUM = "model_num"


def main(name: str) -> NoReturn:
    """Runs the program under the name of its script, and exits."""
    job_programs.run_and_exit(_run)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="dlib_reproduce",
        description="Trains, draws, post-processes and scores the models of a study.",
    )
    job_programs.add_version(parser)
    parser.add_argument(
        "--study",
        default="unsupervised_study_v1",
        help="one of disentanglement_lib's, or weak_paper, weak_cpu or weak_smoke, "
        "the presets of our weakly supervised study",
    )
    parser.add_argument(
        f"--{_MODEL_NUM}",
        type=job_programs.numbers,
        default="0",
        help="which models: a number, several as in 0,5,10-19, or all",
    )
    parser.add_argument(
        "--output_directory",
        type=command_line.folder,
        help="folder of a model, with {study} and {model_num} put in (default: "
        "output/{study}/{model_num}, or output with --model_dir)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--model_dir",
        type=command_line.folder,
        help="folder of a trained model, to score as the study would, without training",
        default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "--gin_bindings",
        action="append",
        default=[],
        help="gin binding of all trainings, such as model.training_steps=1000; may be "
        "repeated",
    )
    job_programs.add_pipeline_flags(parser)
    job_programs.add_switch(
        parser, "only_print", "print the models' configurations, and do nothing"
    )
    return parser.parse_args(argv)


def _run(argv: Sequence[str] | None) -> int:
    flags = _parse(argv)
    with quiet_imports():  # late: it imports TensorFlow, which takes seconds
        from mvhg_tf.studies.library import library_study

    if hasattr(flags, "model_dir"):
        if flags.gin_bindings:
            raise UserError(
                "--gin_bindings are of the training, and --model_dir gives a model "
                "that is trained already: leave one of them out."
            )
        jobs = [library_study.make_job_of_model(flags.study, flags.model_dir)]
        default = "output"
    else:
        jobs = library_study.make_jobs(flags.study, flags.model_num, flags.gin_bindings)
        default = os.path.join("output", "{study}", f"{{{_MODEL_NUM}}}")
    if flags.only_print:
        _print_configurations(runner.select(jobs, flags.shard))
        return 0
    output_directory = getattr(flags, "output_directory", default)
    return job_programs.do_pipelines(jobs, output_directory, flags, _MODEL_NUM)


def _print_configurations(jobs: Sequence[Job]) -> None:
    for job in jobs:
        print(f"{job.name}:")
        for step in job.steps:
            arguments = step.arguments
            print(f"  {step.name}: {arguments.get('config', '')}".rstrip(" :"))
            for binding in arguments.get("bindings", []):
                print(f"    {binding}")
