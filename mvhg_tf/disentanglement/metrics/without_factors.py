"""Scores that need no factors: for pairs of your own, or any data set.

Each takes the arguments of an `evaluation.evaluation_fn`: the data set (for listed
pairs, the held-out ones), a `Representation` and a random state.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.metrics.encoded_pairs import PairRepresentation
from mvhg_tf.disentanglement.models.shared.gaussian import (
    IN_USE_NATS,
    Gaussian,
    kl_to_standard_normal,
)
from mvhg_tf.disentanglement.sources.any_pairs import any_pairs
from mvhg_tf.runs import gin_config
from mvhg_tf.runs.limits import PositiveInt


class Representation(PairRepresentation, Protocol):
    """What these scores use of a model; see `steps.saved_model.Representation`."""

    def require(self, *signatures: str) -> None:
        """Makes sure that the model has these signatures."""

    def inputs_of(self, signature: str) -> Mapping[str, object]:
        """What a signature takes, by name."""

    def call(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What a signature gives, by name."""

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means and log variances, `[N, d]` each."""


_NOT_BOUND = [
    "ground_truth_data",
    "representation_function",
    "random_state",
    "artifact_dir",
]


@gin_config.configurable("held_out_elbo", denylist=_NOT_BOUND)
def held_out_elbo(
    ground_truth_data: GroundTruthData,
    representation_function: Representation,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    num_test: PositiveInt = 5000,
    batch_size: PositiveInt = 64,
) -> dict[str, object]:
    """The evidence lower bound of held-out images, and its parts.

    Args:
      ground_truth_data: the data set.
      representation_function: a `Representation` of a trained model of ours.
      random_state: of the data and of the latents that are drawn.
      artifact_dir: not used.
      num_test: pairs, or images of a model of single images. There may be fewer pairs.
      batch_size: how many at a time.

    Returns:
      Means in nats for one image: `elbo`, `reconstruction_loss`, `kl_loss`; and
      `num_test`, how many pairs or images they are of.

    Raises:
      UserError: if the model has no signature "losses".
    """
    del artifact_dir
    model = representation_function
    model.require("losses")
    of_pairs = "images_1" in model.inputs_of("losses")
    names = ("elbo", "reconstruction_loss", "kl_loss")
    totals, num = dict.fromkeys(names, 0.0), 0
    batches: Iterator[dict[str, np.ndarray]] = (
        {"images": images}
        for images in _images(ground_truth_data, num_test, random_state, batch_size)
    )
    if of_pairs:
        batches = (
            pairs._asdict()
            for pairs in any_pairs(
                ground_truth_data, num_test, random_state, batch_size
            )
        )
    for batch in batches:
        size = len(batch["images_1" if of_pairs else "images"])
        noise = np.array(random_state.randint(2**20), np.int32)
        losses = model.call("losses", **batch, noise=noise)
        for name in names:
            totals[name] += size * float(losses[name])
        num += size
    means = {name: total / num for name, total in totals.items()}
    return {**means, "num_test": num}


@gin_config.configurable("count_of_differing_latents", denylist=_NOT_BOUND)
def count_of_differing_latents(
    ground_truth_data: GroundTruthData,
    representation_function: Representation,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    num_test: PositiveInt = 5000,
    batch_size: PositiveInt = 64,
) -> dict[str, object]:
    """How many latents differ in pairs, k_hat, and its error where the truth is known.

    Args:
      ground_truth_data: the data set.
      representation_function: a `Representation` of a model of pairs.
      random_state: of the pairs.
      artifact_dir: not used.
      num_test: pairs; there may be fewer.
      batch_size: pairs at a time.

    Returns:
      `k_hat`, its mean; `k_hat_histogram`, `[d + 1]`, how many pairs have 0, 1, ..., d;
      `num_test`. Where it is known how many factors differ, also `k`, their mean,
      `mse`, the mean of (k_hat - k)^2, and `k_hat_by_k`, the mean of k_hat over the
      pairs of each k that occurs.

    Raises:
      UserError: if the model was not trained on pairs.
    """
    del artifact_dir
    model = representation_function
    model.require("pair")
    counts, known, num_latent = [], [], 0
    for pairs in any_pairs(ground_truth_data, num_test, random_state, batch_size):
        outputs = model.pair(pairs.images_1, pairs.images_2, pairs.labels)
        counts.append(outputs.k_hat)
        num_latent = outputs.shared.shape[1]
        if pairs.k is not None:
            known.append(pairs.k)
    k_hat = np.concatenate(counts)
    scores: dict[str, object] = {
        "k_hat": float(np.mean(k_hat)),
        "k_hat_histogram": np.bincount(k_hat, minlength=num_latent + 1),
        "num_test": len(k_hat),
    }
    if known:
        k = np.concatenate(known)
        scores["k"] = float(np.mean(k))
        scores["mse"] = float(np.mean(np.square(k_hat - k)))
        scores["k_hat_by_k"] = {
            str(number): float(np.mean(k_hat[k == number])) for number in np.unique(k)
        }
    return scores


@gin_config.configurable("latents_in_use", denylist=_NOT_BOUND)
def latents_in_use(
    ground_truth_data: GroundTruthData,
    representation_function: Representation,
    random_state: np.random.RandomState,
    artifact_dir: str | None = None,
    num_test: PositiveInt = 5000,
    batch_size: PositiveInt = 64,
) -> dict[str, object]:
    """Which latents carry information about an image: half a nat or more.

    Args:
      ground_truth_data: the data set.
      representation_function: a `Representation` of a trained model.
      random_state: of the images.
      artifact_dir: not used.
      num_test: images.
      batch_size: images at a time.

    Returns:
      `latents_in_use`, their number; `latents`, that of all; `kl_per_latent`, `[d]`,
      the mean KL of each posterior to the prior, in nats; and `num_test`.

    Raises:
      UserError: if the model gives no posteriors.
    """
    del artifact_dir
    model = representation_function
    model.require("gaussian_encoder")
    total = np.float64(0.0)
    for images in _images(ground_truth_data, num_test, random_state, batch_size):
        posterior = Gaussian(*model.encode(images))
        total = total + np.sum(kl_to_standard_normal(posterior), axis=0)
    kl = np.asarray(total) / num_test
    return {
        "latents_in_use": int(np.sum(kl >= IN_USE_NATS)),
        "latents": len(kl),
        "kl_per_latent": kl,
        "num_test": num_test,
    }


def _images(
    ground_truth_data: GroundTruthData,
    num: int,
    random_state: np.random.RandomState,
    batch_size: int,
) -> Iterator[np.ndarray]:
    """Images in batches, float32 `[B, H, W, C]`."""
    for start in range(0, num, batch_size):
        size = min(batch_size, num - start)
        images = ground_truth_data.sample_observations(size, random_state)
        yield np.asarray(images, np.float32)
