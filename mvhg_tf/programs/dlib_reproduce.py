"""`dlib_reproduce`: trains and scores the models of one of the library's studies.

    dlib_reproduce --study=unsupervised_study_v1 --model_num=0-49 --jobs=4

If it was stopped, the same command resumes it.
"""

from __future__ import annotations

import os
import types
from collections.abc import Sequence

from mvhg_tf.programs.flags import job_flags
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.job import Job

_MODEL_NUM = "model_num"
_EXAMPLE = "dlib_reproduce --study=unsupervised_study_v1 --model_num=0-49 --jobs=4"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_reproduce",
        "Trains, visualises, post-processes and scores the models of a study.",
        _reproduce,
        _EXAMPLE,
        job_flags.STOPPED,
    )
    program.add_text(
        "study",
        "name of one of disentanglement_lib's studies",
        default="unsupervised_study_v1",
    )
    program.add_text(
        _MODEL_NUM,
        "which models: a number, several as in 0,5,10-19, or all",
        job_flags.numbers,
        "0",
    )
    program.add_output_dir(
        "folder for each model; {study} and {model_num} are filled in (default: "
        "output/{study}/{model_num}, or output with --model_dir)"
    )
    program.add_text(
        "model_dir",
        "folder of a trained model, to score it as the study would without training",
    )
    program.add_list(
        "gin_bindings",
        "gin binding for every training, such as model.training_steps=1000",
        str,
    )
    job_flags.add_pipeline_flags(program)
    program.add_switch(
        "only_print", "print the models' configurations without running anything"
    )
    return program.run(argv)


def _reproduce(flags: types.SimpleNamespace) -> int:
    with quiet_imports():  # late: it imports TensorFlow, which takes seconds
        from mvhg_tf.studies.library import library_study

    if flags.model_dir is not None:
        if flags.gin_bindings:
            raise UserError(
                "--gin_bindings configures the training, but --model_dir names a model "
                "that is already trained: leave one of them out."
            )
        jobs = [library_study.make_job_of_model(flags.study, flags.model_dir)]
        default = "output"
    else:
        jobs = library_study.make_jobs(flags.study, flags.model_num, flags.gin_bindings)
        default = os.path.join("output", "{study}", f"{{{_MODEL_NUM}}}")
    if flags.only_print:
        _print_configurations(job_flags.selected(jobs, flags))
        return 0
    return job_flags.do_pipelines(jobs, flags.output_dir or default, flags, _MODEL_NUM)


def _print_configurations(jobs: Sequence[Job]) -> None:
    for job in jobs:
        print(f"{job.name}:")
        for step in job.steps:
            arguments = step.arguments
            print(f"  {step.name}: {arguments.get('config', '')}".rstrip(" :"))
            for binding in arguments.get("bindings", []):
                print(f"    {binding}")
