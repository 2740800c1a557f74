"""A trained autoencoder as a SavedModel with disentanglement_lib's signatures."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import LabelSelection
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.runs.whole import written_whole


def export_saved_model(
    model: Autoencoder, observation_shape: tuple[int, int, int], export_dir: str
) -> None:
    """Writes `model` to `export_dir`, completely or not at all.

    The signatures are float32, with images `[N, H, W, C]` in [0, 1] and d latents;
    as in the library, `reconstructions` and `decoder` give the decoder's logits:

    - `gaussian_encoder`: images -> mean `[N, d]`, logvar `[N, d]`
    - `reconstructions`: images -> images, of the posterior means
    - `decoder`: latent_vectors `[N, d]` -> images
    - `decoded_images`: latent_vectors `[N, d]` -> images in [0, 1]
    - `pair`, of a GroupVAE alone: images_1, images_2 (and int32 labels `[N]` for
      LabelVAE) -> mean_1, logvar_1, mean_2, logvar_2 `[N, d]` after aggregation;
      the same names after `own_` before it; shared `[N, d]`, 1 where a latent is
      shared; k_hat `[N]`, how many are independent; and, where that number is a
      random variable, k_probabilities `[N, d + 1]`, its posterior. Nothing is drawn:
      the number of independent latents is the likeliest one.
    - `losses`, but of semi-supervised models: images, or what `pair` takes, and noise,
      an int32 that the noise of the latents follows from -> the losses of the model,
      means over the images

    Args:
      model: trained; its reconstruction loss says how logits become pixels.
      observation_shape: `(H, W, C)`.
      export_dir: the folder to make; an older one is replaced.
    """
    module = tf.Module()
    module.model = model
    signatures = _signatures(model, observation_shape)
    with written_whole(export_dir) as part:
        tf.saved_model.save(module, part, signatures=signatures)


def _signature(*specs: tf.TensorSpec) -> Callable[..., Any]:
    """A decorator; AutoGraph, which would take most of the time, has nothing to do."""
    return tf.function(input_signature=specs, autograph=False)


def _signatures(
    model: Autoencoder, observation_shape: tuple[int, int, int]
) -> dict[str, tf.types.experimental.GenericFunction]:
    def images(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None, *observation_shape], tf.float32, name)

    @_signature(images("images"))
    def gaussian_encoder(images: tf.Tensor) -> dict[str, tf.Tensor]:
        mean, log_variance = model.encode(images)
        return {"mean": mean, "logvar": log_variance}

    @_signature(images("images"))
    def reconstructions(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": model.decode(model.encode(images).mean)}

    latents = tf.TensorSpec([None, model.num_latent], tf.float32, "latent_vectors")

    @_signature(latents)
    def decoder(latent_vectors: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": model.decode(latent_vectors)}

    @_signature(latents)
    def decoded_images(latent_vectors: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model.decode(latent_vectors)
        return {"images": model.reconstruction_loss.to_pixels(logits)}

    signatures = {
        "gaussian_encoder": gaussian_encoder,
        "reconstructions": reconstructions,
        "decoder": decoder,
        "decoded_images": decoded_images,
    }
    if isinstance(model, GroupVAE):
        views = images("images_1"), images("images_2")
        signatures["pair"] = _pair_signature(model, *views)
        signatures["losses"] = _losses_signature(model, *views)
    elif model.batch_names == ("images",):
        signatures["losses"] = _losses_signature(model, images("images"))
    return signatures


def _losses_signature(
    model: Autoencoder, *images: tf.TensorSpec
) -> tf.types.experimental.GenericFunction:
    specs = [*images, tf.TensorSpec([], tf.int32, "noise")]
    if "labels" in model.batch_names and "labels" not in model.optional_names:
        specs.append(tf.TensorSpec([None], tf.int32, "labels"))
    names = [spec.name for spec in specs]

    @_signature(*specs)
    def losses(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = dict(zip(names, values, strict=True))
        step = tf.cast(model.step, tf.int32) + batch.pop("noise")
        return model.losses_of(batch, step, training=False)

    return losses


def _pair_signature(
    model: GroupVAE, images_1: tf.TensorSpec, images_2: tf.TensorSpec
) -> tf.types.experimental.GenericFunction:
    def aggregated(
        images_1: tf.Tensor, images_2: tf.Tensor, labels: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        inferred = model.infer_pair(images_1, images_2, labels)
        selection = inferred.selection
        outputs = {
            "shared": 1.0 - selection.independent,
            "k_hat": tf.reduce_sum(selection.independent, axis=-1),
        }
        posteriors = {
            ("", 1): inferred.view_1,
            ("", 2): inferred.view_2,
            ("own_", 1): inferred.own_1,
            ("own_", 2): inferred.own_2,
        }
        for (stage, view), (mean, log_variance) in posteriors.items():
            outputs[f"{stage}mean_{view}"] = mean
            outputs[f"{stage}logvar_{view}"] = log_variance
        if selection.log_probs is not None:
            outputs["k_probabilities"] = tf.exp(selection.log_probs)
        return outputs

    if isinstance(model.selection, LabelSelection):
        labels = tf.TensorSpec([None], tf.int32, "labels")
        return _signature(images_1, images_2, labels)(aggregated)

    @_signature(images_1, images_2)
    def pair(images_1: tf.Tensor, images_2: tf.Tensor) -> dict[str, tf.Tensor]:
        return aggregated(images_1, images_2, labels=None)

    return pair
