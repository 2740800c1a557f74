"""`dlib_reproduce_weakly_supervised`: a model from its gin file through to its scores.

    dlib_reproduce_weakly_supervised --output_directory='weak/{pipeline_seed}' \\
      --pipeline_seed=0-4 --gin_model_config_dir=gin_configs \\
      --gin_model_config_name=adavae_arm3d.gin \\
      --gin_postprocess_config_glob='gin_configs/postprocess_*.gin' \\
      --gin_evaluation_config_glob='gin_configs/metrics_quick/*.gin'

The model may be any: whether it is weakly supervised is a matter of its gin file.
"""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from mvhg_tf.programs import command_line, job_programs
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.model_steps import MODEL
from mvhg_tf.studies.library.placed_jobs import PlacedJob

_PIPELINE_SEED = "pipeline_seed"
# The library's program takes these and does nothing with them.
_WITHOUT_EFFECT = (
    "gin_validation_config_glob",
    "eval_seed",
    "supervised_seed",
    "num_labelled_samples",
    "train_percentage",
    "labeller_fn",
)
_NUM_SEEDS = 2**30  # those of a model fit into 31 bits, with room for what derives


def main(name: str) -> NoReturn:
    """Runs the program under the name of its script, and exits."""
    job_programs.run_and_exit(_run)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = command_line.Parser(
        prog="dlib_reproduce_weakly_supervised",
        description="Trains, draws, post-processes and scores a model.",
    )
    job_programs.add_version(parser)
    parser.add_argument(
        "--output_directory",
        type=command_line.folder,
        required=True,
        help="folder of a model, with {pipeline_seed} put in",
        default=argparse.SUPPRESS,
    )
    for name, meaning in {
        "model_dir": "folder with the `model` of an earlier run, instead of training",
        "gin_model_config_dir": "folder of --gin_model_config_name",
        "gin_model_config_name": "gin file of the model",
        "gin_postprocess_config_glob": "pattern of gin files, each of a representation",
        "gin_evaluation_config_glob": "pattern of gin files, each of a metric; those "
        "with `unsupervised` in their name are left out, as the library does",
    }.items():
        parser.add_argument(
            f"--{name}",
            help=meaning,
            default=argparse.SUPPRESS,
            required="_glob" in name,
        )
    parser.add_argument(
        "--gin_bindings",
        action="append",
        default=[],
        help="gin binding of the training; may be repeated",
    )
    parser.add_argument(
        f"--{_PIPELINE_SEED}",
        type=job_programs.numbers,
        default="0",
        help="of all steps' seeds: a number, or several as in 0,5,10-19, each of which "
        "trains a model",
    )
    for name in _WITHOUT_EFFECT:
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    job_programs.add_pipeline_flags(parser)
    return parser.parse_args(argv)


def _run(argv: Sequence[str] | None) -> int:
    flags = _parse(argv)
    for name in _WITHOUT_EFFECT:
        if getattr(flags, name) is not None:
            print(f"--{name} has no effect, as in the library.", file=sys.stderr)
    if flags.pipeline_seed is None or max(flags.pipeline_seed) >= 2**32:
        raise UserError("--pipeline_seed must be numbers below 2**32, such as 0-4.")
    model_config = _model_config(flags)
    postprocess_files = _files_of(flags, "gin_postprocess_config_glob")
    metrics = {
        f"{Path(path).stem}_0": path
        for path in _files_of(flags, "gin_evaluation_config_glob")
        if "unsupervised" not in Path(path).stem
    }
    jobs = [
        _make_job(seed, model_config, postprocess_files, metrics, flags)
        for seed in flags.pipeline_seed
    ]
    return job_programs.do_pipelines(
        jobs, flags.output_directory, flags, _PIPELINE_SEED
    )


def _make_job(seed, model_config, postprocess_files, metrics, flags):
    """The job of one seed of the whole pipeline."""
    with quiet_imports():  # late: it imports TensorFlow, which takes seconds
        from mvhg_tf.studies.library import library_study

    random_state = np.random.RandomState(seed)
    # Also where nothing is trained, so that the seeds of the scores are the same.
    model_seed = library_study.draw_seed(random_state) % _NUM_SEEDS
    training, model_dir = None, MODEL
    if model_config is None:
        model_dir = os.path.abspath(os.path.join(flags.model_dir, model_dir))
    else:
        bindings = [
            f"model.random_seed = {model_seed}",
            f"model.name = {Path(model_config).stem!r}",
            *flags.gin_bindings,
        ]
        training = library_study.make_training(model_config, bindings)
    steps = library_study.make_pipeline(
        training, model_dir, postprocess_files, metrics, random_state
    )
    return PlacedJob(f"{_PIPELINE_SEED}_{seed}", tuple(steps), {_PIPELINE_SEED: seed})


def _model_config(flags: argparse.Namespace) -> str | None:
    """The path of the model's gin file; None where the model is trained already."""
    given = [
        name for name in ("dir", "name") if hasattr(flags, f"gin_model_config_{name}")
    ]
    if hasattr(flags, "model_dir"):
        if given or flags.gin_bindings:
            raise UserError(
                "--model_dir gives a model that is trained already, and the other "
                "flags tell how to train one: leave either out."
            )
        return None
    if len(given) < 2:
        raise UserError(
            "What to train is missing: give --gin_model_config_dir and "
            "--gin_model_config_name, or --model_dir."
        )
    path = os.path.join(flags.gin_model_config_dir, flags.gin_model_config_name)
    if not os.path.isfile(path):
        raise UserError(f"There is no gin file {path}: check --gin_model_config_name.")
    return os.path.abspath(path)


def _files_of(flags: argparse.Namespace, name: str) -> list[str]:
    """The files of a pattern, in order."""
    files = sorted(glob.glob(getattr(flags, name)))
    if not files:
        raise UserError(f"No file matches {getattr(flags, name)!r}: check --{name}.")
    return [os.path.abspath(path) for path in files]
