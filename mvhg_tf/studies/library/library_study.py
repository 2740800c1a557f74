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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mvhg_tf.disentanglement import library_studies
from mvhg_tf.studies.jobs import model_steps
from mvhg_tf.studies.jobs.job import Step
from mvhg_tf.studies.jobs.model_steps import MODEL
from mvhg_tf.studies.library.placed_jobs import METRICS, REPRESENTATIONS, PlacedJob

# Only the ratio matters, for the time left.
_TRAINING_COST, _COST = 100.0, 1.0


def make_jobs(
    name: str, numbers: Sequence[int] | None = None, bindings: Sequence[str] = ()
) -> list[PlacedJob]:
    """The jobs of a study.

    Args:
      name: one of `library_studies.NAMES`.
      numbers: of the models; None for all.
      bindings: gin bindings of all trainings, which win over the study's.

    Raises:
      UserError: if there is no such study or model.
    """
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


def make_training(config: str, bindings: Sequence[str]) -> Step:
    """The step that trains a model, of a gin file as of `model_steps.config_path`."""
    return model_steps.training(config, bindings, _TRAINING_COST)


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
    yield model_steps.visualization(model_dir, _COST)
    for config in postprocess_files:
        name = Path(config).stem
        output = os.path.join(REPRESENTATIONS, name)
        bindings = _seed_and_name("postprocess", random_state, name)
        yield model_steps.postprocessing(
            f"postprocess {name}", model_dir, output, config, bindings, _COST
        )
    for post_config in postprocess_files:
        name = Path(post_config).stem
        representation = os.path.join(REPRESENTATIONS, name)
        for metric, config in metrics.items():
            output = os.path.join(METRICS, name, metric)
            bindings = _seed_and_name("evaluation", random_state, metric)
            yield model_steps.evaluation(
                f"{metric} of {name}", representation, output, config, bindings, _COST
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
