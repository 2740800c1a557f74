"""The contents of the folder of a trained model or representation, for use in NumPy."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from mvhg_tf.runs import gin_config, gin_macros
from mvhg_tf.runs.errors import UserError, message_of

# What names the files of data sets of one's own, by the value of `dataset.name`.
_OWN_FILES = {"npz": ("path", "factor_names"), "pairs": ("path", "gap", "held_out")}


class NotBound(UserError):
    """A finished step did not use the parameter that was asked for."""


class PairOutputs(NamedTuple):
    """N pairs of posteriors over d latents, as arrays.

    Attributes:
      mean_1: float32 `[N, d]`, of the first image, after aggregation.
      logvar_1: float32 `[N, d]`.
      mean_2: float32 `[N, d]`, of the second image.
      logvar_2: float32 `[N, d]`.
      shared: bool `[N, d]`, which latents the model takes to be shared.
      k_hat: int64 `[N]`, how many it takes to be independent.
    """

    mean_1: np.ndarray
    logvar_1: np.ndarray
    mean_2: np.ndarray
    logvar_2: np.ndarray
    shared: np.ndarray
    k_hat: np.ndarray


class Representation:
    """A function from images to representations, made by the postprocessing.

    It is what disentanglement_lib's metrics call; ours also use its methods.

    Args:
      directory: the folder of a model or representation, or the `tfhub` in it.
    """

    def __init__(self, directory: str):
        self._directory = directory
        self._signatures = load_saved_model(directory).signatures

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images `[N, H, W, C]` to representations `[N, d]`."""
        return self.call("representation", images=images)["default"]

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images `[N, H, W, C]` to posterior means and log-variances `[N, d]`."""
        outputs = self.call("gaussian_encoder", images=images)
        return outputs["mean"], outputs["logvar"]

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents `[N, d]` to the decoder's logits `[N, H, W, C]`."""
        return self.call("decoder", latent_vectors=latents)["images"]

    def pair(
        self, images_1: np.ndarray, images_2: np.ndarray, labels: np.ndarray
    ) -> PairOutputs:
        """Infers the shared latents of pairs of images.

        Args:
          images_1: `[N, H, W, C]`.
          images_2: `[N, H, W, C]`.
          labels: int32 `[N]`, a factor that differs; only LabelVAE looks at it.

        Raises:
          UserError: if the model was not trained on pairs.
        """
        outputs = self.call("pair", images_1=images_1, images_2=images_2, labels=labels)
        outputs["shared"] = outputs["shared"] > 0.5
        outputs["k_hat"] = np.rint(outputs["k_hat"]).astype(np.int64)
        return PairOutputs(*(outputs[name] for name in PairOutputs._fields))

    @property
    def num_latent(self) -> int | None:
        """d, of the representation; None if there is none or d is unknown."""
        function = self._signatures.get("representation")
        if function is None:
            return None
        shape = function.structured_outputs["default"].shape
        return shape[-1] if shape.rank else None

    def has(self, signature: str) -> bool:
        """Whether the model has a signature."""
        return signature in self._signatures

    def require(self, *signatures: str) -> None:
        """Makes sure that the model has these signatures.

        Raises:
          UserError: if it has not.
        """
        for signature in signatures:
            if signature not in self._signatures:
                raise UserError(
                    f"The model in {self._directory} has no signature {signature!r}, "
                    f"only {', '.join(sorted(self._signatures))}: use a model that has "
                    "it (weakly supervised models have 'pair', postprocessed ones "
                    "'representation')."
                )

    def inputs_of(self, signature: str) -> dict[str, tf.TensorSpec]:
        """What a signature takes, by name.

        Raises:
          UserError: if the model does not have it.
        """
        self.require(signature)
        return self._signatures[signature].structured_input_signature[1]

    def call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What a signature gives, by name.

        Args:
          signature: such as "pair".
          **inputs: an array for each name of `inputs_of`; others are not looked at.

        Raises:
          UserError: if the model does not have the signature.
        """
        tensors = {
            name: tf.convert_to_tensor(inputs[name], spec.dtype)
            for name, spec in self.inputs_of(signature).items()
        }
        function = self._signatures[signature]
        return {name: value.numpy() for name, value in function(**tensors).items()}


def load_saved_model(directory: str) -> Any:
    """Loads `<directory>/tfhub`, or the SavedModel that the folder itself is.

    Raises:
      UserError: if there is none, or it is damaged.
    """
    if tf.saved_model.contains_saved_model(directory):
        return _load(directory)
    path = os.path.join(directory, "tfhub")
    if not tf.saved_model.contains_saved_model(path):
        raise UserError(
            f"There is no trained model in {directory} (no {path}): give the folder "
            "of a finished dlib_train run."
        )
    return _load(path)


def load_representation(path: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Loads the SavedModel of a representation, from its own folder.

    Returns:
      A function from images `[N, H, W, C]` to representations `[N, d]`.

    Raises:
      UserError: if there is none, it is damaged, or the images have another shape than
        those that it was trained on.
    """
    model = _load(path) if tf.saved_model.contains_saved_model(path) else None
    if model is None or "representation" not in model.signatures:
        raise UserError(
            f"There is no representation in {path}: give the folder of a finished "
            "dlib_postprocess run."
        )

    def represent(images: tf.Tensor) -> tf.Tensor:
        # Of a signature alone, TensorFlow would forget the weights.
        signature = model.signatures["representation"]
        wanted = signature.structured_input_signature[1]["images"].shape
        if not wanted.is_compatible_with(images.shape):
            raise UserError(
                f"The model in {path} was trained on images of shape "
                f"{wanted[1:].as_list()}, but these have {images.shape[1:].as_list()}: "
                "use the data set that it was trained on."
            )
        return signature(images=images)["default"]

    return represent


def _load(path: str) -> Any:
    try:
        with without_gradient_warnings():
            return tf.saved_model.load(path)
    except Exception as error:  # damage makes TensorFlow raise every kind
        raise UserError(
            f"The model in {path} is damaged ({message_of(error)}): create it again."
        ) from error


@contextlib.contextmanager
def without_gradient_warnings() -> Iterator[None]:
    """Keeps TensorFlow from warning about models that are loaded in the block.

    It warns that gradients of the distribution's functions were not saved; a loaded
    model is never differentiated.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def bound_value(directory: str, step_name: str, parameter: str) -> Any:
    """The value that a parameter had in a finished step.

    Args:
      directory: the folder of the step.
      step_name: "train" or "postprocess".
      parameter: such as "dataset.name".

    Raises:
      UserError: if there is no such step or the step did not use the parameter.
    """
    path = _gin_file(directory, step_name)
    program = f"dlib_{step_name}"
    if not os.path.isfile(path):
        raise UserError(
            f"The folder {directory} does not hold a finished {program} run (no "
            f"{path}): run {program}, and give its output folder."
        )
    try:
        bindings = gin_macros.read_bindings(path)
    except gin_config.PARSE_ERRORS as error:
        raise UserError(
            f"The file {path} is damaged ({message_of(error)}): run "
            f"{program} again, or bind {parameter}."
        ) from error
    if parameter in bindings:
        return bindings[parameter]
    raise NotBound(f"{parameter} is not in {path}: bind it yourself.")


def _gin_file(directory: str, step_name: str) -> str:
    return os.path.join(directory, "results", "gin", f"{step_name}.gin")


def resolve_dynamics(directory: str) -> bool:
    """Binds `dynamics` as in training, unless `k` or `shared_factors` is bound.

    Args:
      directory: the folder of a trained model or of its representation.

    Returns:
      Whether it has bound them; not if no pairs were trained on, or that is not known.

    Raises:
      UserError: if the configuration of the training is damaged.
    """
    known = os.path.isfile(_gin_file(directory, "train"))
    own = ("dynamics.k", "dynamics.shared_factors")
    if not known or any(gin_config.query(name) is not None for name in own):
        return False
    try:
        _carry_over(directory, "train", "dynamics.k", "dynamics.mode")
    except NotBound:
        return False
    if gin_config.query("dynamics.mode") == "fixed":
        with contextlib.suppress(NotBound):  # of a run from before fixed pairs
            _carry_over(directory, "train", "dynamics.shared_factors")
    return True


def resolve_dataset(directory: str, step_name: str) -> None:
    """Replaces `dataset.name = "auto"` by the name in the step before.

    So it does with the user's own file, unless another one is bound.

    Args:
      directory: the folder of the step before.
      step_name: "train" or "postprocess".

    Raises:
      UserError: if that does not tell.
    """
    if gin_config.query("dataset.name") == "auto":
        name = bound_value(directory, step_name, "dataset.name")
        with gin.unlock_config():
            gin.bind_parameter("dataset.name", name)
    carry_files_over(gin_config.query("dataset.name"), directory, step_name)


def carry_files_over(dataset_name: object, directory: str, step_name: str) -> None:
    """Binds what names the user's own files as in a step, unless a path is bound.

    Args:
      dataset_name: only of "npz" and "pairs" there are such.
      directory: the folder of the step.
      step_name: "train" or "postprocess".

    Raises:
      UserError: if that does not tell.
    """
    if dataset_name not in list(_OWN_FILES):
        return
    if gin_config.query(f"{dataset_name}.path") is not None:
        return
    names = [f"{dataset_name}.{parameter}" for parameter in _OWN_FILES[dataset_name]]
    _carry_over(directory, step_name, *names)


def _carry_over(directory: str, step_name: str, *parameters: str) -> None:
    """Binds parameters as in a step; those that are bound stay as they are."""
    values = {
        name: bound_value(directory, step_name, name)
        for name in parameters
        if gin_config.query(name) is None
    }
    with gin.unlock_config():
        for name, value in values.items():
            gin.bind_parameter(name, value)
