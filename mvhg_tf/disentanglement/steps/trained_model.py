"""A trained model for use on your own images: `load_model`."""

import os
from typing import NamedTuple

import numpy as np

from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.steps.saved_model import Representation
from mvhg_tf.runs.errors import UserError

_BATCH_SIZE = 256  # examples that the networks are given at a time


class PairResult(NamedTuple):
    """A model's inference for N pairs of images, as arrays, without random draws.

    Attributes:
      k_hat: int64 `[N]`, how many latents differ within the pair: the likeliest number.
      probabilities: float32 `[N, d + 1]`, the posterior probability that 0, 1, ..., d
        latents differ, exactly as the hypergeometric distribution gives it; None where
        the model has no distribution over the number (LabelVAE, AdaVAE).
      shared: bool `[N, d]`, which latents the model takes to be the same in both.
      own_1: Gaussian posterior of the first images before aggregation: `mean` and
        `log_variance`, float32 `[N, d]` each.
      own_2: the same of the second images.
      view_1: of the first images after aggregation: the shared latents have been
        averaged, and are alike in `view_1` and `view_2`.
      view_2: the same of the second images.
    """

    k_hat: np.ndarray
    probabilities: np.ndarray | None
    shared: np.ndarray
    own_1: Gaussian
    own_2: Gaussian
    view_1: Gaussian
    view_2: Gaussian


class TrainedModel:
    """A trained model that takes and returns NumPy arrays; see `load_model`.

    Images are `[N, H, W, C]`, uint8 (255 for 1) or float in [0, 1]. A wrong argument
    raises a UserError, which is a ValueError, with one clear sentence.

    Attributes:
      observation_shape: `(H, W, C)`.
      num_latent: d, the number of latents.
    """

    def __init__(self, directory: str):
        self._directory = directory
        self._model = Representation(directory)
        self._model.require("gaussian_encoder", "decoded_images")
        images = self._model.inputs_of("gaussian_encoder")["images"]
        latents = self._model.inputs_of("decoded_images")["latent_vectors"]
        self.observation_shape: tuple[int, int, int] = tuple(images.shape[1:])
        self.num_latent: int = latents.shape[1]

    def encode(self, images: np.ndarray) -> Gaussian:
        """Images `[N, H, W, C]` to their posteriors.

        Returns:
          `mean` and `log_variance`, float32 `[N, d]` each.

        Raises:
          UserError: if the images have another shape, type or range.
        """
        outputs = self._call("gaussian_encoder", images=self._images("images", images))
        return Gaussian(outputs["mean"], outputs["logvar"])

    def decode(self, latents: np.ndarray | Gaussian) -> np.ndarray:
        """Latents to images.

        Args:
          latents: float `[N, d]`, or what `encode` returns, of which the means are
            decoded.

        Returns:
          Float32 `[N, H, W, C]` in [0, 1].

        Raises:
          UserError: if the latents have another shape, or are not finite numbers.
        """
        if isinstance(latents, Gaussian):
            latents = latents.mean
        latents = _as_array("latents", latents)
        wanted = (self.num_latent,)
        numbers = latents.dtype.kind in "fiu" and np.isfinite(latents).all()
        if latents.ndim != 2 or latents.shape[1:] != wanted or not numbers:
            raise UserError(
                f"latents are {latents.dtype} {list(latents.shape)}, but must be "
                f"finite numbers [N, {self.num_latent}]: give a row for each image."
            )
        return self._call("decoded_images", latent_vectors=latents)["images"]

    def pair(
        self,
        images_1: np.ndarray,
        images_2: np.ndarray,
        labels: np.ndarray | None = None,
    ) -> PairResult:
        """How many latents differ within pairs of images, and which.

        Args:
          images_1: `[N, H, W, C]`.
          images_2: `[N, H, W, C]`, the second of each pair.
          labels: integers `[N]`, a factor that differs (-1: none); only LabelVAE needs
            them; other models ignore them.

        Raises:
          UserError: if the model was trained on single images, the images have another
            shape, type or range, or LabelVAE gets no labels or wrong ones.
        """
        inputs = self._pair_inputs()
        given = {
            "images_1": self._images("images_1", images_1),
            "images_2": self._images("images_2", images_2),
        }
        numbers = [len(images) for images in given.values()]
        if numbers[0] != numbers[1]:
            raise UserError(
                f"images_1 holds {numbers[0]} images and images_2 {numbers[1]}, but a "
                "pair needs one of each: give the same number of both."
            )
        if "labels" in inputs:
            given["labels"] = _labels(labels, numbers[0])
        outputs = self._call("pair", **given)
        return PairResult(
            k_hat=np.rint(outputs["k_hat"]).astype(np.int64),
            probabilities=outputs.get("k_probabilities"),
            shared=outputs["shared"] > 0.5,
            own_1=Gaussian(outputs["own_mean_1"], outputs["own_logvar_1"]),
            own_2=Gaussian(outputs["own_mean_2"], outputs["own_logvar_2"]),
            view_1=Gaussian(outputs["mean_1"], outputs["logvar_1"]),
            view_2=Gaussian(outputs["mean_2"], outputs["logvar_2"]),
        )

    def _pair_inputs(self) -> dict:
        try:
            return self._model.inputs_of("pair")
        except UserError as error:
            raise UserError(
                f"The model in {self._directory} was trained on single images and "
                "can't compare two: train a model of pairs, such as "
                "@group_vae_hypergeometric()."
            ) from error

    def _call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """In parts, whose activations fit into memory whatever N is."""
        num = len(next(iter(inputs.values())))
        parts = [
            self._model.call(
                signature,
                **{name: v[i : i + _BATCH_SIZE] for name, v in inputs.items()},
            )
            for i in range(0, max(num, 1), _BATCH_SIZE)
        ]
        return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}

    def _images(self, name: str, images: np.ndarray) -> np.ndarray:
        """Float32 `[N, H, W, C]` in [0, 1], as the model was trained on."""
        images = _as_array(name, images)
        if images.ndim != 4 or images.shape[1:] != self.observation_shape:
            sizes = ", ".join(map(str, self.observation_shape))
            raise UserError(
                f"{name} have the shape {list(images.shape)}, but the model in "
                f"{self._directory} was trained on [N, {sizes}]: give such images, one "
                "of them as image[None]."
            )
        if images.dtype == np.uint8:
            return np.divide(images, 255.0, dtype=np.float32)
        if images.dtype.kind != "f":
            raise UserError(
                f"{name} are {images.dtype}, but must be uint8 (255 for 1) or float "
                "(in [0, 1]): convert them."
            )
        if images.size and not (images.min() >= 0.0 and images.max() <= 1.0):
            raise UserError(
                f"{name} are {images.dtype} from {images.min():g} to {images.max():g}, "
                "but must be in [0, 1], or uint8 (255 for 1): rescale or convert them."
            )
        return images.astype(np.float32)


def load_model(directory: str | os.PathLike) -> TrainedModel:
    """Loads a trained model, of pairs or of single images.

    ```python
    model = load_model("model_dir")
    result = model.pair(images_1, images_2)
    print(result.k_hat, result.probabilities, result.shared)
    ```

    Args:
      directory: the `model_dir` of a finished `dlib_train` run, the folder of its
        representation, or the `tfhub` folder of either.

    Raises:
      UserError: if there is no trained model, or it is damaged.
    """
    return TrainedModel(os.path.expanduser(os.fspath(directory)))


def _as_array(name: str, value: object) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{name} are not an array ({error}): give an array of numbers."
        ) from error


def _labels(labels: np.ndarray | None, num: int) -> np.ndarray:
    """Int32 `[N]`."""
    if labels is None:
        raise UserError(
            "labels are missing: LabelVAE needs, for each pair, the index of a factor "
            "that differs (-1: none); give labels=[...]."
        )
    labels = _as_array("labels", labels)
    if labels.shape != (num,) or labels.dtype.kind not in "iu" or np.any(labels < -1):
        raise UserError(
            f"labels are {labels.dtype} {list(labels.shape)}, but must be integers "
            f"[{num}] of at least -1: give one for each pair."
        )
    return labels.astype(np.int32)
