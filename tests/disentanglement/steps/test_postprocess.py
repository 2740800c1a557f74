import json
import os

import gin
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement.steps.postprocess import postprocess_with_gin
from mvhg_tf.disentanglement.steps.saved_model import Representation, bound_value
from mvhg_tf.runs.errors import UserError
from mvhg_tf.runs.run_directory import AlreadyFinished

BINDINGS = ["dataset.name = 'auto'", "postprocess.random_seed = 3"]
MEAN = [*BINDINGS, "postprocess.postprocess_fn = @mean_representation"]
SAMPLED = [*BINDINGS, "postprocess.postprocess_fn = @sampled_representation"]


@gin.configurable("scaled_representation", module="mvhg_tf.tests")
def scaled_representation(ground_truth_data, gaussian_encoder, random_state, save_path):
    """A transform with a variable, fitted to the data."""
    images = ground_truth_data.sample_observations(10, random_state)

    class Scale(tf.Module):
        def __init__(self):
            self.scale = tf.Variable(gaussian_encoder(images)["mean"].std(axis=0))

        def __call__(self, mean, logvar):
            return mean / self.scale

    return Scale(), None


@gin.configurable("product_representation", module="mvhg_tf.tests")
def product_representation(
    ground_truth_data, gaussian_encoder, random_state, save_path
):
    """A transform by a matrix `[4, 2]` that is a variable."""

    class Product(tf.Module):
        def __init__(self):
            self.matrix = tf.Variable(
                random_state.normal(size=[4, 2]), dtype=tf.float32
            )

        def __call__(self, mean, logvar):
            return mean @ self.matrix

    return Product(), None


def images(num=50):
    shape = [num, 64, 64, 3]
    return np.random.RandomState(0).uniform(size=shape).astype(np.float32)


def test_the_mean_is_the_encoders(trained_model, tmp_path):
    postprocess_with_gin(trained_model, str(tmp_path / "r"), gin_bindings=MEAN)
    representation = Representation(str(tmp_path / "r"))
    projection = 0.01 * tf.random.stateless_normal([64 * 64 * 3, 4], [1, 2]).numpy()
    expected = images().reshape(50, -1) @ projection
    np.testing.assert_allclose(representation(images()), expected, atol=1e-4)
    # All other signatures are there as before.
    latents = representation.encode(images())[0]
    np.testing.assert_allclose(latents, expected, atol=1e-4)
    np.testing.assert_allclose(
        representation.decode(latents).reshape(50, -1),
        expected @ projection.T,
        atol=1e-4,
    )


def test_a_sample_has_the_encoders_moments(trained_model, tmp_path):
    postprocess_with_gin(trained_model, str(tmp_path / "r"), gin_bindings=SAMPLED)
    representation = Representation(str(tmp_path / "r"))
    repeated = np.repeat(images(1), 4000, axis=0)
    noise = representation(repeated) - representation.encode(repeated)[0]
    # logvar is -1. Bounds of 5 standard errors on 4 latents: false alarms in 1e-5.
    deviation = np.exp(-0.5)
    np.testing.assert_array_less(np.abs(noise.mean(0)), 5 * deviation / 4000**0.5)
    np.testing.assert_allclose(noise.std(0), deviation, rtol=5 / (2 * 4000) ** 0.5)


def test_a_transform_may_have_variables(trained_model, tmp_path):
    bindings = [*BINDINGS, "postprocess.postprocess_fn = @scaled_representation"]
    postprocess_with_gin(trained_model, str(tmp_path / "r"), gin_bindings=bindings)
    representation = Representation(str(tmp_path / "r"))
    ratio = representation(images()) / representation.encode(images())[0]
    np.testing.assert_allclose(
        ratio, np.broadcast_to(ratio[:1], ratio.shape), rtol=1e-3
    )


def test_a_product_of_matrices_is_saved(trained_model, tmp_path):
    """Encoder and transform are a matrix each: saved together, their product."""
    bindings = [*BINDINGS, "postprocess.postprocess_fn = @product_representation"]
    postprocess_with_gin(trained_model, str(tmp_path / "r"), gin_bindings=bindings)
    projection = 0.01 * tf.random.stateless_normal([64 * 64 * 3, 4], [1, 2]).numpy()
    matrix = np.random.RandomState(3).normal(size=[4, 2])  # postprocess.random_seed
    np.testing.assert_allclose(
        Representation(str(tmp_path / "r"))(images()),
        images().reshape(50, -1) @ projection @ matrix,
        atol=1e-4,
    )


def test_results_are_carried_over_in_the_librarys_layout(trained_model, tmp_path):
    output = str(tmp_path / "r")
    postprocess_with_gin(trained_model, output, gin_bindings=MEAN)
    with open(os.path.join(output, "results/aggregate/postprocess.json")) as file:
        aggregate = json.load(file)
    assert aggregate["train_results.loss"] == 3.5
    assert aggregate["postprocess_config.dataset.name"] == "'arm3d'"
    assert aggregate["postprocess_config.postprocess.random_seed"] == "3"
    assert aggregate["postprocess_results.elapsed_time"] > 0
    assert aggregate["postprocess_versions.tensorflow"] == tf.__version__
    assert bound_value(output, "postprocess", "dataset.name") == "arm3d"


def test_a_finished_one_is_refused_and_overwritten(trained_model, tmp_path):
    output = str(tmp_path / "r")
    postprocess_with_gin(trained_model, output, gin_bindings=MEAN)
    with pytest.raises(AlreadyFinished):
        postprocess_with_gin(trained_model, output, gin_bindings=MEAN)
    with pytest.raises(UserError, match="another configuration"):
        postprocess_with_gin(trained_model, output, gin_bindings=SAMPLED)
    postprocess_with_gin(trained_model, output, True, gin_bindings=SAMPLED)
    representation = Representation(output)
    assert not np.allclose(representation(images()), representation.encode(images())[0])


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(UserError, match="no trained model"):
        postprocess_with_gin(
            str(tmp_path / "no"), str(tmp_path / "r"), gin_bindings=MEAN
        )
    assert not (tmp_path / "r").exists()


def test_a_damaged_model_is_told(tmp_path):
    (tmp_path / "m" / "tfhub").mkdir(parents=True)
    (tmp_path / "m" / "tfhub" / "saved_model.pb").write_bytes(b"torn")
    with pytest.raises(UserError, match="is damaged"):
        postprocess_with_gin(
            str(tmp_path / "m"), str(tmp_path / "r"), gin_bindings=MEAN
        )


def test_a_representation_needs_its_signature(trained_model):
    with pytest.raises(UserError, match="no signature 'representation'"):
        Representation(trained_model)(images())
