"""From a trained Gaussian encoder to a representation, as disentanglement_lib does.

The folder of a representation holds a SavedModel with the signatures of the trained
one and one more, `representation`: images `[N, H, W, C]` -> default `[N, d]`.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from mvhg_tf.disentanglement.data import named_data
from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.steps import results
from mvhg_tf.disentanglement.steps.saved_model import (
    Representation,
    load_saved_model,
    resolve_dataset,
)
from mvhg_tf.runs import gin_config, run_directory
from mvhg_tf.runs.limits import Seed
from mvhg_tf.runs.whole import written_whole

Transform = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_NOT_BOUND_BY_GIN = [
    "ground_truth_data",
    "gaussian_encoder",
    "random_state",
    "save_path",
]


@gin_config.configurable(
    "postprocess", denylist=["model_dir", "output_dir", "overwrite"]
)
def postprocess(
    model_dir: str,
    output_dir: str,
    overwrite: bool = False,
    postprocess_fn: Callable = gin.REQUIRED,
    random_seed: Seed = gin.REQUIRED,
    name: str = "",
) -> None:
    """Extracts a representation from a trained Gaussian encoder.

    Args:
      model_dir: the folder of a trained model.
      output_dir: gets `tfhub` and `results`; the model's results are carried over.
      overwrite: whether an earlier run there may be replaced.
      postprocess_fn: such as `@mean_representation`. It takes the data set, the
        encoder (a function from images to a dictionary of mean and logvar, as
        arrays), a `np.random.RandomState` and the output folder, and returns a pair
        of a function from mean and logvar `[N, d]` to the representation, and None
        (in the library, a TensorFlow 1 checkpoint). A function that has variables is
        a `tf.Module`.
      random_seed: of the random state.
      name: kept in the results' configuration only.

    Raises:
      UserError: if there is no trained model, or the folder is not free.
    """
    del name
    model = load_saved_model(model_dir)
    resolve_dataset(model_dir, "train")
    dataset = named_data.get_named_ground_truth_data()
    with run_directory.open_run(output_dir, "postprocess", overwrite, model_dir):
        started = time.monotonic()
        encode = Representation(model_dir).encode
        transform, _ = postprocess_fn(
            dataset,
            lambda images: dict(zip(("mean", "logvar"), encode(images), strict=True)),
            np.random.RandomState(random_seed),
            output_dir,
        )
        _save_with_representation(model, transform, os.path.join(output_dir, "tfhub"))
        elapsed = {"elapsed_time": time.monotonic() - started}
        results.write_results(output_dir, "postprocess", elapsed, model_dir)


postprocess_with_gin = gin_config.with_gin(postprocess)


@gin.configurable("mean_representation", denylist=_NOT_BOUND_BY_GIN)
def mean_representation(
    ground_truth_data: GroundTruthData,
    gaussian_encoder: Callable,
    random_state: np.random.RandomState,
    save_path: str,
) -> tuple[Transform, None]:
    """The mean of the Gaussian; see `postprocess` for arguments and returns."""
    del ground_truth_data, gaussian_encoder, random_state, save_path
    return lambda mean, logvar: mean, None


@gin.configurable("sampled_representation", denylist=_NOT_BOUND_BY_GIN)
def sampled_representation(
    ground_truth_data: GroundTruthData,
    gaussian_encoder: Callable,
    random_state: np.random.RandomState,
    save_path: str,
) -> tuple[Transform, None]:
    """A draw from the Gaussian; see `postprocess` for arguments and returns."""
    del ground_truth_data, gaussian_encoder, save_path
    seed = random_state.randint(2**31 - 1)

    def sample(mean: tf.Tensor, logvar: tf.Tensor) -> tf.Tensor:
        noise = tf.random.normal(tf.shape(mean), seed=seed)
        return mean + tf.exp(logvar / 2) * noise

    return sample, None


def _save_with_representation(
    model: Any, transform: Transform, export_dir: str
) -> None:
    """Saves a loaded model with one more signature; completely or not at all."""
    encoder = model.signatures["gaussian_encoder"]
    images = encoder.structured_input_signature[1]["images"]

    @tf.function(input_signature=[images], autograph=False)
    def representation(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(images=images)
        return {"default": transform(outputs["mean"], outputs["logvar"])}

    module = tf.Module()
    module.model = model
    module.transform = transform  # for the variables it may have
    signatures = {**model.signatures, "representation": representation}
    # Gradients can't be saved again in the process that trained the model.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with written_whole(export_dir) as part:
        tf.saved_model.save(module, part, signatures=signatures, options=options)
