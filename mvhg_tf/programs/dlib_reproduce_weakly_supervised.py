"""`dlib_reproduce_weakly_supervised`: a model, from its gin file to its scores.

    dlib_reproduce_weakly_supervised --output_dir='weak/{pipeline_seed}' \
      --pipeline_seed=0-4 --gin_model_config_name=adavae_arm3d.gin \
      --gin_postprocess_config_glob='postprocess_*.gin' \
      --gin_evaluation_config_glob='metrics_quick/*.gin'

Any model will do: its gin file decides whether it is weakly supervised.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mvhg_tf.programs.flags import job_flags
from mvhg_tf.programs.flags.command_line import Program
from mvhg_tf.runs import gin_files
from mvhg_tf.runs.console import quiet_imports
from mvhg_tf.runs.errors import UserError
from mvhg_tf.studies.jobs.model_steps import MODEL
from mvhg_tf.studies.library.placed_jobs import PlacedJob

_PIPELINE_SEED = "pipeline_seed"
_EXAMPLE = """\
dlib_reproduce_weakly_supervised --output_dir='weak/{pipeline_seed}' \\
  --pipeline_seed=0-4 --gin_model_config_name=adavae_arm3d.gin \\
  --gin_postprocess_config_glob='postprocess_*.gin' \\
  --gin_evaluation_config_glob='metrics_quick/*.gin'"""
# The library's program accepts these and ignores them.
_WITHOUT_EFFECT = (
    "gin_validation_config_glob",
    "eval_seed",
    "supervised_seed",
    "num_labelled_samples",
    "train_percentage",
    "labeller_fn",
)
_NUM_SEEDS = 2**30  # seeds of a model fit into 31 bits, with room for derived ones


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program on the arguments `argv` and returns its exit code."""
    program = Program(
        "dlib_reproduce_weakly_supervised",
        "Trains, visualises, post-processes and scores a model.",
        _reproduce,
        _EXAMPLE,
        job_flags.STOPPED,
    )
    program.add_output_dir(
        "folder for each model; {pipeline_seed} is filled in", None, True
    )
    for name, meaning in {
        "model_dir": "folder of an earlier run whose model to score",
        "gin_model_config_dir": "folder of --gin_model_config_name",
        "gin_model_config_name": "gin file of the model: a path, or a name",
    }.items():
        program.add_text(name, meaning)
    for name, meaning in {
        "gin_postprocess_config_glob": "pattern of gin files for representations",
        "gin_evaluation_config_glob": "pattern of gin files for metrics; unsupervised "
        "metrics are left out",
    }.items():
        program.add_text(name, meaning, required=True)
    program.add_list("gin_bindings", "gin binding for the training", str)
    program.add_text(
        _PIPELINE_SEED,
        "seed that all others derive from; several as in 0,5,10-19",
        job_flags.numbers,
        "0",
    )
    for name in _WITHOUT_EFFECT:
        program.add_text(name, "", str)
    job_flags.add_pipeline_flags(program)
    return program.run(argv)


def _reproduce(flags: types.SimpleNamespace) -> int:
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
    return job_flags.do_pipelines(jobs, flags.output_dir, flags, _PIPELINE_SEED)


def _make_job(
    seed: int,
    model_config: str | None,
    postprocess_files: Sequence[str],
    metrics: Mapping[str, str],
    flags: types.SimpleNamespace,
) -> PlacedJob:
    """The job of one seed of the whole pipeline."""
    with quiet_imports():  # late: it imports TensorFlow, which takes seconds
        from mvhg_tf.studies.library import library_study

    random_state = np.random.RandomState(seed)
    # Drawn even if nothing is trained, so that the metrics get the same seeds.
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


def _model_config(flags: types.SimpleNamespace) -> str | None:
    """The path of the model's gin file; None if the model is already trained."""
    folder, name = flags.gin_model_config_dir, flags.gin_model_config_name
    if flags.model_dir is not None:
        if folder or name or flags.gin_bindings:
            raise UserError(
                "--model_dir names a model that is already trained, but the other "
                "flags say how to train one: leave one or the other out."
            )
        return None
    if name is None:
        raise UserError(
            "No model was given: give --gin_model_config_name (and its folder, "
            "--gin_model_config_dir), or --model_dir."
        )
    path = gin_files.find(os.path.join(folder or "", name))
    if not os.path.isfile(path):
        raise UserError(f"There is no gin file {path}: check --gin_model_config_name.")
    return os.path.abspath(path)


def _files_of(flags: types.SimpleNamespace, name: str) -> list[str]:
    """The files of a pattern, in order."""
    files = gin_files.find_all(getattr(flags, name))
    if not files:
        raise UserError(f"No file matches {getattr(flags, name)!r}: check --{name}.")
    return [os.path.abspath(path) for path in files]
