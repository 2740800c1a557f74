"""The steps of a job that trains a model of disentanglement and scores it.

Each does in the job's folder what a program of disentanglement_lib's does. Folders are
given as in the job's folder; an absolute path stays as it is. Gin files are given as
`config_path` takes them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from mvhg_tf.runs.gin_files import gin_file_path
from mvhg_tf.studies.jobs.job import Step

MODEL = "model"  # the folder that training makes
VISUALIZATIONS = "visualizations"
_OURS = "gin_configs/"


def training(config: str, bindings: Sequence[str], cost: float) -> Step:
    """The step that trains a model."""
    return Step(
        "train",
        train,
        {"config": config, "bindings": list(bindings)},
        _results_of("train", MODEL),
        cost,
    )


def visualization(model_dir: str, cost: float) -> Step:
    """The step that draws a model."""
    result = os.path.join(VISUALIZATIONS, "run.json")
    return Step("visualize", visualize, {"model_dir": model_dir}, result, cost)


def postprocessing(
    name: str,
    model_dir: str,
    output: str,
    config: str,
    bindings: Sequence[str],
    cost: float,
) -> Step:
    """The step `name` that makes a representation of the model, in `output`."""
    result = _results_of("postprocess", output)
    arguments = _arguments(model_dir, output, config, bindings)
    return Step(name, postprocess, arguments, result, cost)


def evaluation(
    name: str,
    representation: str,
    output: str,
    config: str,
    bindings: Sequence[str],
    cost: float,
) -> Step:
    """The step `name` that scores a representation, into `output`."""
    result = _results_of("evaluation", output)
    arguments = _arguments(representation, output, config, bindings)
    return Step(name, evaluate, arguments, result, cost)


def _arguments(
    source: str, output: str, config: str, bindings: Sequence[str]
) -> dict[str, object]:
    return {
        "source": source,
        "output": output,
        "config": config,
        "bindings": list(bindings),
    }


def _results_of(kind: str, output: str) -> str:
    return os.path.join(output, "results", "json", f"{kind}_results.json")


def train(folder: str, config: str, bindings: Sequence[str]) -> None:
    """Trains into `<folder>/model`; goes on with a training that was stopped."""
    from mvhg_tf.disentanglement.steps.training import train_with_gin
    from mvhg_tf.runs.run_directory import AlreadyFinished

    # It may have been stopped before the study could note that it was finished.
    with contextlib.suppress(AlreadyFinished):
        train_with_gin(
            os.path.join(folder, MODEL),
            gin_config_files=[config_path(config)],
            gin_bindings=list(bindings),
        )


def visualize(folder: str, model_dir: str) -> None:
    """Draws the model into `<folder>/visualizations`."""
    from mvhg_tf.disentanglement.steps.visualize import visualize_model_with_gin

    visualize_model_with_gin(
        os.path.join(folder, model_dir),
        os.path.join(folder, VISUALIZATIONS),
        overwrite=True,
    )


def postprocess(folder: str, **arguments: Any) -> None:
    """Makes a representation of the model `source` in `<folder>/<output>`."""
    from mvhg_tf.disentanglement.steps.postprocess import postprocess_with_gin

    _make(postprocess_with_gin, folder, **arguments)


def evaluate(folder: str, **arguments: Any) -> None:
    """Scores the representation `source` into `<folder>/<output>`."""
    from mvhg_tf.disentanglement.steps.evaluate import evaluate_with_gin

    _make(evaluate_with_gin, folder, **arguments)


def _make(
    function: Callable[..., object],
    folder: str,
    source: str,
    output: str,
    config: str,
    bindings: Sequence[str],
) -> None:
    function(
        os.path.join(folder, source),
        os.path.join(folder, output),
        overwrite=True,
        gin_config_files=[config_path(config)],
        gin_bindings=list(bindings),
    )


def config_path(config: str) -> str:
    """The path of a gin file.

    Jobs hold names instead, which are the same in each checkout and installation.

    Args:
      config: "gin_configs/..." of the repository, a file of disentanglement_lib's
        package such as "config/...", or an absolute path.

    Raises:
      UserError: if the repository has no such file.
    """
    if config.startswith(_OURS):
        return gin_file_path(config.removeprefix(_OURS))
    # Late: it imports the library, and with it TensorFlow.
    from mvhg_tf.disentanglement import library_studies

    return library_studies.path_of(config)
