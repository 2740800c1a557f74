"""disentanglement_lib's pictures of models and data sets, in folders that are runs.

The library draws them; here, nothing is left half-drawn, and nothing is deleted that
no run has made.
"""

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator
from typing import Annotated

import gin

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.steps.saved_model import (
    Representation,
    bound_value,
    carry_files_over,
    without_gradient_warnings,
)
from mvhg_tf.runs import gin_config, run_directory
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.limits import PositiveInt, at_least, between

from disentanglement_lib.visualize import (  # isort: skip
    visualize_dataset as library_dataset,
    visualize_model as library_model,
)

_NUM_CODES = 64  # that the library's animations can start from


@gin_config.configurable(
    "visualize_model", denylist=["model_dir", "output_dir", "overwrite"]
)
def visualize_model(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    num_animations: Annotated[int, between(0, _NUM_CODES)] = 5,
    num_frames: PositiveInt = 20,
    fps: PositiveInt = 10,
    num_points_irs: Annotated[int, at_least(2)] = 10000,
) -> None:
    """Draws what a model has learned of the data that it was trained on.

    Args:
      model_dir: the folder of a trained model, or of a representation.
      output_dir: gets `reconstructions` (pairs of an image and its reconstruction),
        `sampled` (images decoded from the prior), `traversals` (a picture for each of
        d images: a column a latent, which runs from -1 to 1), `animated_traversals`
        (`num_animations` GIFs for each of five ranges, a panel a latent) and
        `interventional_effects` (how each factor moves each latent).
      overwrite: whether earlier pictures there may be replaced.
      num_animations: the images that animations start from, at most 64.
      num_frames: of each animation.
      fps: frames a second.
      num_points_irs: images for the interventional effects.

    Raises:
      UserError: if there is no trained model, the folder is not free, or a number is
        out of range.
    """
    _check_model(model_dir)
    with (
        run_directory.open_run(output_dir, "visualization", overwrite, model_dir),
        _whole_or_not_at_all(output_dir) as unfinished,
        # The library binds the data set's name, and clears all bindings at its end.
        gin.unlock_config(),
        without_gradient_warnings(),
        warnings.catch_warnings(),
    ):
        # Pairs of factor values that no point has are gaps in the lines; the lines'
        # colors are given twice.
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
        warnings.filterwarnings("ignore", "color is redundantly defined", UserWarning)
        library_model.visualize(
            model_dir,
            unfinished,
            False,
            num_animations,
            num_frames,
            fps,
            num_points_irs,
        )


visualize_model_with_gin = gin_config.with_gin(visualize_model)


@gin_config.configurable(
    "visualize_dataset", denylist=["dataset_name", "output_path", "overwrite"]
)
def visualize_dataset(
    dataset_name: str,
    output_path: str,
    overwrite: bool = False,
    num_animations: Annotated[int, at_least(0)] = 5,
    num_frames: PositiveInt = 20,
    fps: PositiveInt = 10,
) -> None:
    """Draws what each factor of a data set does.

    Args:
      dataset_name: one of `named_data.names()`.
      output_path: its folder `dataset_name` gets `variations_of_factor<i>.png` (16
        images that differ in that factor alone) and `animation<i>.gif` (a panel a
        factor, which runs through its values).
      overwrite: whether earlier pictures there may be replaced.
      num_animations: the images that animations start from.
      num_frames: of each animation.
      fps: frames a second.

    Raises:
      UserError: if there is no such data set, its files are missing, the folder is
        not free, or a number is out of range.
    """
    if dataset_name not in named_data.names():
        raise UserError(
            f"There is no data set {dataset_name!r}: the name is one of "
            f"{', '.join(named_data.names())}."
        )
    _check_dataset_binding(dataset_name)
    folder = os.path.join(output_path, dataset_name)
    with (
        run_directory.open_run(folder, "visualization", overwrite),
        _whole_or_not_at_all(folder, dataset_name) as unfinished,
    ):
        library_dataset.visualize_dataset(
            dataset_name, unfinished, num_animations, num_frames, fps
        )


visualize_dataset_with_gin = gin_config.with_gin(visualize_dataset)


def _check_model(model_dir: str) -> None:
    """Refuses a model that the library could not draw."""
    Representation(model_dir).require("gaussian_encoder", "decoder", "reconstructions")
    for parameter in ("encoder.num_latent", "reconstruction_loss.activation"):
        bound_value(model_dir, "train", parameter)
    name = bound_value(model_dir, "train", "dataset.name")
    _check_dataset_binding(name)
    carry_files_over(name, model_dir, "train")


def _check_dataset_binding(dataset_name: object) -> None:
    """Refuses a configuration that asks for another data set."""
    bound = gin_config.query("dataset.name", "auto")
    if bound not in ("auto", dataset_name):
        raise UserError(
            f"dataset.name is {bound!r}, but the pictures are of {dataset_name!r}: "
            "leave it out."
        )


@contextlib.contextmanager
def _whole_or_not_at_all(folder: str, subfolder: str = "") -> Iterator[str]:
    """Yields a path to draw to, not yet made; at the end all is moved to the folder.

    Args:
      folder: where the pictures belong.
      subfolder: of the path, which holds them.
    """
    unfinished = os.path.join(folder, run_directory.UNFINISHED_PICTURES)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        yield unfinished
        for name in os.listdir(os.path.join(unfinished, subfolder)):
            target = os.path.join(folder, name)
            # Of a run that was killed while it moved them.
            if os.path.isdir(target):
                shutil.rmtree(target)
            os.replace(os.path.join(unfinished, subfolder, name), target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
