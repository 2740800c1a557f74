"""disentanglement_lib's pictures of models and data sets, in folders that are runs.

The library draws them. Here, drawings are complete or absent, and only files of runs
are deleted.
"""

import contextlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Annotated, Any

import gin
from PIL import Image, ImageDraw

from mvhg_tf.disentanglement import compat  # noqa: F401
from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.image_table import FactorsUnknown
from mvhg_tf.disentanglement.models.shared.reconstruction import Activation
from mvhg_tf.disentanglement.steps import pair_figures
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
    visualize_irs,
    visualize_model as library_model,
    visualize_util,
)

_LINE = 14  # pixels of a line of text
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
    """Draws what a model has learned about its training data.

    Args:
      model_dir: the folder of a trained model, or of a representation.
      output_dir: gets `reconstructions` (pairs of an image and its reconstruction),
        `sampled` (images decoded from the prior), `traversals` (a picture for each of
        d images: a column a latent, which runs from -1 to 1), `animated_traversals`
        (`num_animations` GIFs for each of five ranges, a panel a latent) and, where
        the factors are known, `interventional_effects` (how each factor moves each
        latent). Of a model of pairs also `figures`: `pairs.png` with the latents that
        differ, `traversals.png` and `counts.png`, of k_hat.
      overwrite: whether earlier pictures there may be replaced.
      num_animations: the images that animations start from, at most 64.
      num_frames: of each animation.
      fps: frames a second.
      num_points_irs: images for the interventional effects.

    Raises:
      UserError: if there is no trained model, the folder is not free, or a number is
        out of range.
    """
    model, activation = _check_model(model_dir)
    dataset = named_data.get_named_ground_truth_data(
        bound_value(model_dir, "train", "dataset.name")
    )
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
        # Its last picture, the interventional effects, is of the factors.
        with _library_draws(dataset), contextlib.suppress(FactorsUnknown):
            library_model.visualize(
                model_dir,
                unfinished,
                False,
                num_animations,
                num_frames,
                fps,
                num_points_irs,
            )
        if model.has("pair"):
            folder = os.path.join(unfinished, "figures")
            pair_figures.write_figures(dataset, model, activation, folder)


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
        images that differ in that factor alone, under its name) and
        `animation<i>.gif` (a panel a factor, which runs through its values).
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
            f"There is no data set {dataset_name!r}: give one of "
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
        dataset = named_data.get_named_ground_truth_data(dataset_name)
        for i, name in enumerate(pair_figures.factor_names(dataset)):
            file = f"variations_of_factor{i}.png"
            _write_above(os.path.join(unfinished, dataset_name, file), name)


visualize_dataset_with_gin = gin_config.with_gin(visualize_dataset)


def _write_above(path: str, text: str) -> None:
    """Puts a line of text above a picture."""
    with Image.open(path) as picture:
        named = Image.new("RGB", (picture.width, picture.height + _LINE), "white")
        named.paste(picture, (0, _LINE))
    ImageDraw.Draw(named).text((2, 1), text, fill="black")
    named.save(path)


@contextlib.contextmanager
def _library_draws(dataset: GroundTruthData) -> Iterator[None]:
    """Lets the library draw one factor, one latent and images with an alpha channel.

    Args:
      dataset: whose factors' names are written to the interventional effects.
    """
    subplots = visualize_irs.plt.subplots
    save_image, add_below = visualize_util.save_image, visualize_util.add_below

    def subplots_of_effects(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        figure, axes = subplots(*args, squeeze=False, **kwargs)
        save = figure.savefig

        def save_with_names(*args: Any, **kwargs: Any) -> None:
            names = pair_figures.factor_names(dataset)
            for axis, name in zip(axes[-1], names, strict=True):
                axis.set_xlabel(f"{axis.get_xlabel()} ({name})")
            save(*args, **kwargs)
            visualize_irs.plt.close(figure)

        figure.savefig = save_with_names
        return figure, axes

    opaque = slice(None, 3)
    # Its own copy of pyplot, which others use as well.
    with contextlib.ExitStack() as stack:
        for module, name, value in (
            (visualize_irs, "plt", _with(visualize_irs.plt, subplots_of_effects)),
            (
                visualize_util,
                "save_image",
                lambda image, path: save_image(image[..., opaque], path),
            ),
            (
                visualize_util,
                "add_below",
                lambda image, *rest, **named: add_below(
                    image[..., opaque] if image.ndim == 3 else image, *rest, **named
                ),
            ),
        ):
            stack.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, value)
        yield


def _with(pyplot: ModuleType, subplots: Callable) -> ModuleType:
    """A copy of pyplot with another `subplots`."""
    copy = ModuleType(pyplot.__name__)
    copy.__dict__.update({**vars(pyplot), "subplots": subplots})
    return copy


def _check_model(model_dir: str) -> tuple[Representation, Activation]:
    """The model and its activation; refuses a model that the library could not draw."""
    model = Representation(model_dir)
    model.require("gaussian_encoder", "decoder", "reconstructions")
    bound_value(model_dir, "train", "encoder.num_latent")
    bound = bound_value(model_dir, "train", "reconstruction_loss.activation")
    activation: Activation = "tanh" if bound == "tanh" else "logits"
    name = bound_value(model_dir, "train", "dataset.name")
    _check_dataset_binding(name)
    carry_files_over(name, model_dir, "train")
    return model, activation


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
