"""A trained autoencoder as a SavedModel with disentanglement_lib's signatures."""

import os
import shutil

import tensorflow as tf

from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import LabelSelection
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder


def export_saved_model(
    model: Autoencoder, observation_shape: tuple[int, int, int], export_dir: str
) -> None:
    """Writes `model` to `export_dir`, which appears whole or not at all.

    The signatures are float32, with images `[N, H, W, C]` in [0, 1] and d latents;
    as in the library, `reconstructions` and `decoder` give the decoder's logits:

    - `gaussian_encoder`: images -> mean `[N, d]`, logvar `[N, d]`
    - `reconstructions`: images -> images, of the posterior means
    - `decoder`: latent_vectors `[N, d]` -> images
    - `pair`, of a GroupVAE alone: images_1, images_2 (and int32 labels `[N]` for
      LabelVAE) -> mean_1, logvar_1, mean_2, logvar_2 `[N, d]` after aggregation;
      shared `[N, d]`, 1 where a latent is shared; k_hat `[N]`, how many are
      independent. Nothing is drawn: the number of independent latents is the
      likeliest one.

    Args:
      model: trained.
      observation_shape: `(H, W, C)`.
      export_dir: the folder to make; an older one is replaced.
    """
    module = tf.Module()
    module.model = model
    unfinished = export_dir.rstrip("/") + ".part"
    shutil.rmtree(unfinished, ignore_errors=True)
    signatures = _signatures(model, observation_shape)
    tf.saved_model.save(module, unfinished, signatures=signatures)
    shutil.rmtree(export_dir, ignore_errors=True)
    os.rename(unfinished, export_dir)


def _signatures(
    model: Autoencoder, observation_shape: tuple[int, int, int]
) -> dict[str, tf.types.experimental.GenericFunction]:
    def images(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None, *observation_shape], tf.float32, name)

    @tf.function(input_signature=[images("images")])
    def gaussian_encoder(images):
        mean, log_variance = model.encode(images)
        return {"mean": mean, "logvar": log_variance}

    @tf.function(input_signature=[images("images")])
    def reconstructions(images):
        return {"images": model.decode(model.encode(images).mean)}

    latents = tf.TensorSpec([None, model.num_latent], tf.float32, "latent_vectors")

    @tf.function(input_signature=[latents])
    def decoder(latent_vectors):
        return {"images": model.decode(latent_vectors)}

    signatures = {
        "gaussian_encoder": gaussian_encoder,
        "reconstructions": reconstructions,
        "decoder": decoder,
    }
    if isinstance(model, GroupVAE):
        views = images("images_1"), images("images_2")
        signatures["pair"] = _pair_signature(model, *views)
    return signatures


def _pair_signature(
    model: GroupVAE, images_1: tf.TensorSpec, images_2: tf.TensorSpec
) -> tf.types.experimental.GenericFunction:
    def aggregated(images_1, images_2, labels):
        view_1, view_2, selection = model.infer_pair(images_1, images_2, labels)
        return {
            "mean_1": view_1.mean,
            "logvar_1": view_1.log_variance,
            "mean_2": view_2.mean,
            "logvar_2": view_2.log_variance,
            "shared": 1.0 - selection.independent,
            "k_hat": tf.reduce_sum(selection.independent, axis=-1),
        }

    if isinstance(model.selection, LabelSelection):
        labels = tf.TensorSpec([None], tf.int32, "labels")
        return tf.function(aggregated, input_signature=[images_1, images_2, labels])

    @tf.function(input_signature=[images_1, images_2])
    def pair(images_1, images_2):
        return aggregated(images_1, images_2, labels=None)

    return pair
