"""disentanglement_lib's studies as lists of jobs: each trains a model and scores it.

A job's folder has the library's layout:

    model                          what dlib_train makes
    visualizations                 what dlib_visualize_model makes of it
    postprocessed/<name>           what dlib_postprocess makes of it
    metrics/<name>/<metric>        what dlib_evaluate makes of that

The random seeds of the steps are those that the library's programs draw.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mvhg_tf.disentanglement import library_studies
from mvhg_tf.errors import UserError
from mvhg_tf.experiments.studies import study
from mvhg_tf.experiments.studies.study import Job, Step
from mvhg_tf.experiments.weak import study as weak_study

MODEL = "model"
_MADE = (
    MODEL,
    "visualizations",
    "postprocessed",
    "metrics",
    # Of our weakly supervised study:
    "representation",
    "scores",
)
_RESULTS = os.path.join("results", "json", "{}_results.json")
_RECORD = "run.json"
# Only the ratio matters, for the time left.
_TRAINING_COST, _COST = 100.0, 1.0
# Our weakly supervised study, under a name for each of its presets.
WEAK_STUDIES = {f"weak_{preset}": preset for preset in weak_study.PRESETS}


class PlacedJob(Job):
    """A job whose folder is the output directory, with its settings put in.

    They are named in braces: "{study}/{model_num}" becomes "unsupervised_study_v1/3".
    """

    def folder(self, output_directory: str) -> str:
        for name, value in self.settings.items():
            output_directory = output_directory.replace(f"{{{name}}}", str(value))
        return output_directory


def names() -> list[str]:
    """The studies: the library's, and our weakly supervised one."""
    return [*library_studies.NAMES, *WEAK_STUDIES]


def make_jobs(
    name: str, numbers: Sequence[int] | None = None, bindings: Sequence[str] = ()
) -> list[PlacedJob]:
    """The jobs of a study.

    Args:
      name: one of `names`.
      numbers: of the models; None for all.
      bindings: gin bindings of all trainings, which win over the study's.

    Raises:
      UserError: if there is no such study or model.
    """
    if name in WEAK_STUDIES:
        return _weak_jobs(name, numbers, bindings)
    if name not in library_studies.NAMES:
        raise UserError(
            f"There is no study {name!r}: name one of {', '.join(names())}."
        )
    chosen = library_studies.LibraryStudy(name)
    numbers = range(chosen.num_models) if numbers is None else numbers
    others = tuple(_other_steps(chosen, MODEL))
    return [
        PlacedJob(
            f"{name}_{number}",
            (_training(chosen, number, bindings), *others),
            {"study": name, "model_num": number},
        )
        for number in numbers
    ]


def make_job_of_model(name: str, model_dir: str) -> PlacedJob:
    """The job that post-processes and scores a trained model as a study would.

    Raises:
      UserError: if the library has no such study.
    """
    chosen = library_studies.LibraryStudy(name)
    steps = tuple(_other_steps(chosen, os.path.abspath(model_dir)))
    return PlacedJob(f"{name}_model", steps, {"study": name})


def make_pipeline(
    training: Step | None,
    model_dir: str,
    postprocess_files: Sequence[str],
    metrics: Mapping[str, str],
    random_state: np.random.RandomState,
) -> Iterator[Step]:
    """The steps of a job, with their seeds drawn in the library's order.

    Args:
      training: the first step, if the model is trained.
      model_dir: the folder of the model; a relative one is in the job's folder.
      postprocess_files: gin files, each of a representation.
      metrics: names of the metrics and their gin files.
      random_state: draws the seeds.
    """
    if training:
        yield training
    yield Step(
        "visualize",
        visualize,
        {"model_dir": model_dir},
        os.path.join("visualizations", _RECORD),
        _COST,
    )
    for config in postprocess_files:
        name = Path(config).stem
        output = os.path.join("postprocessed", name)
        bindings = _seed_and_name("postprocess", random_state, name)
        arguments = {"model_dir": model_dir, "output": output}
        yield Step(
            f"postprocess {name}",
            postprocess,
            {**arguments, "config": config, "bindings": bindings},
            os.path.join(output, _RESULTS.format("postprocess")),
            _COST,
        )
    for post_config in postprocess_files:
        name = Path(post_config).stem
        for metric, config in metrics.items():
            output = os.path.join("metrics", name, metric)
            bindings = _seed_and_name("evaluation", random_state, metric)
            representation = os.path.join("postprocessed", name)
            arguments = {"representation": representation, "output": output}
            yield Step(
                f"{metric} of {name}",
                evaluate,
                {**arguments, "config": config, "bindings": bindings},
                os.path.join(output, _RESULTS.format("evaluation")),
                _COST,
            )


def make_training(config: str, bindings: Sequence[str]) -> Step:
    """The step that trains a model."""
    return Step(
        "train",
        train,
        {"config": config, "bindings": list(bindings)},
        os.path.join(MODEL, _RESULTS.format("train")),
        _TRAINING_COST,
    )


def check_apart(jobs: Sequence[Job], output_directory: str, setting: str) -> None:
    """Makes sure that no two jobs share a folder.

    Raises:
      UserError: if they do.
    """
    folders = {job.folder(output_directory) for job in jobs}
    if len(folders) < len(jobs):
        raise UserError(
            f"--output_directory {output_directory} is one folder for {len(jobs)} "
            f"jobs: put {{{setting}}} into it, which each job replaces by its own."
        )


def discard(jobs: Iterable[Job], output_directory: str) -> None:
    """Takes away what earlier runs of the same jobs made, and nothing else.

    Raises:
      UserError: if one of them is at work.
    """
    for job in jobs:
        folder = job.folder(output_directory)
        record = os.path.join(folder, study.RECORD)
        if not os.path.exists(record):
            continue
        try:
            with study.locked(folder):
                for name in _MADE:
                    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
                os.remove(record)  # last: it tells that the rest is ours
        except BlockingIOError as error:
            raise UserError(
                f"Another process is at work in {folder}: wait for it to end, or give "
                "another --output_directory."
            ) from error


def train(folder: str, config: str, bindings: Sequence[str]) -> None:
    """Trains into `<folder>/model`; goes on with a training that was stopped."""
    from mvhg_tf.disentanglement.training import train_with_gin
    from mvhg_tf.run_directory import AlreadyFinished

    try:
        train_with_gin(
            os.path.join(folder, MODEL),
            gin_config_files=[library_studies.path_of(config)],
            gin_bindings=list(bindings),
        )
    except AlreadyFinished:  # and stopped before the study could note it
        pass


def visualize(folder: str, model_dir: str) -> None:
    """Draws the model into `<folder>/visualizations`."""
    from mvhg_tf.disentanglement.visualize import visualize_model_with_gin

    visualize_model_with_gin(
        os.path.join(folder, model_dir),
        os.path.join(folder, "visualizations"),
        overwrite=True,
    )


def postprocess(
    folder: str, model_dir: str, output: str, config: str, bindings: Sequence[str]
) -> None:
    """Makes a representation of the model in `<folder>/<output>`."""
    from mvhg_tf.disentanglement.postprocess import postprocess_with_gin

    postprocess_with_gin(
        os.path.join(folder, model_dir),
        os.path.join(folder, output),
        overwrite=True,
        gin_config_files=[library_studies.path_of(config)],
        gin_bindings=list(bindings),
    )


def evaluate(
    folder: str, representation: str, output: str, config: str, bindings: Sequence[str]
) -> None:
    """Scores a representation into `<folder>/<output>`."""
    from mvhg_tf.disentanglement.evaluate import evaluate_with_gin

    evaluate_with_gin(
        os.path.join(folder, representation),
        os.path.join(folder, output),
        overwrite=True,
        gin_config_files=[library_studies.path_of(config)],
        gin_bindings=list(bindings),
    )


def _training(
    chosen: library_studies.LibraryStudy, number: int, bindings: Sequence[str]
) -> Step:
    named = [
        f"model.name = {Path(chosen.model_file).stem!r}",
        f"model.model_num = {number}",
    ]
    return make_training(
        chosen.model_file, [*named, *chosen.model_bindings(number), *bindings]
    )


def _other_steps(
    chosen: library_studies.LibraryStudy, model_dir: str
) -> Iterator[Step]:
    metrics = {Path(config).stem: config for config in chosen.evaluation_files}
    seeds = np.random.RandomState(0)  # the model's seed is among its bindings
    return make_pipeline(None, model_dir, chosen.postprocess_files, metrics, seeds)


def _seed_and_name(
    step: str, random_state: np.random.RandomState, name: str
) -> list[str]:
    return [
        f"{step}.random_seed = {draw_seed(random_state)}",
        f"{step}.name = {name!r}",
    ]


def draw_seed(random_state: np.random.RandomState) -> int:
    """A seed of a step, as the library's programs draw it."""
    return int(random_state.randint(2**32))


def _weak_jobs(
    name: str, numbers: Sequence[int] | None, bindings: Sequence[str]
) -> list[PlacedJob]:
    if bindings:
        raise UserError(
            f"{name} takes no --gin_bindings: its presets are what can be chosen."
        )
    jobs = weak_study.make_jobs(WEAK_STUDIES[name])
    numbers = range(len(jobs)) if numbers is None else numbers
    for number in numbers:
        if not 0 <= number < len(jobs):
            raise UserError(
                f"There is no model {number} in {name}: its models are 0 to "
                f"{len(jobs) - 1}."
            )
    return [
        PlacedJob(
            jobs[number].name,
            jobs[number].steps,
            {"study": name, "model_num": number, **jobs[number].settings},
        )
        for number in numbers
    ]
