"""`load_model`: a trained model by one call, compared with the Keras model itself."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import load_model
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import (
    ArgmaxSelection,
    HypergeometricSelection,
    LabelSelection,
)
from mvhg_tf.disentanglement.models.shared.autoencoder import Autoencoder
from mvhg_tf.disentanglement.models.shared.reconstruction import (
    ReconstructionLoss,
    bernoulli_loss,
)
from mvhg_tf.disentanglement.models.unsupervised.image_regularizers import WeightedKL
from mvhg_tf.disentanglement.models.unsupervised.vae import VAE
from mvhg_tf.disentanglement.steps.export import export_saved_model
from mvhg_tf.runs.errors import UserError

D = 4
SHAPE = (5, 4, 3)


def networks() -> tuple[keras.Model, keras.Model]:
    keras.utils.set_random_seed(3)
    images = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(images)
    parts = [keras.layers.Dense(D, "tanh")(flat) for _ in range(2)]
    latents = keras.Input((D,))
    logits = keras.layers.Dense(int(np.prod(SHAPE)))(latents)
    logits = keras.layers.Reshape(SHAPE)(logits)
    return keras.Model(images, parts), keras.Model(latents, logits)


def pair_model(selection) -> GroupVAE:
    model = GroupVAE(*networks(), selection)
    model.compile(keras.optimizers.SGD(), ReconstructionLoss(bernoulli_loss))
    return model


def image_model(activation: str = "logits") -> VAE:
    model = VAE(*networks(), WeightedKL(1.0))
    loss = ReconstructionLoss(bernoulli_loss, activation)
    model.compile(keras.optimizers.SGD(), loss)
    return model


def export(model: Autoencoder, folder) -> str:
    export_saved_model(model, SHAPE, str(folder / "tfhub"))
    return str(folder)


def some_bytes(n: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(256, size=(n, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def hypergeometric(tmp_path_factory):
    """A model of pairs in whose posteriors every k from 0 to d has some mass."""
    selection = HypergeometricSelection(D, initial_log_odds=0.2)
    kernel = np.random.RandomState(5).normal(scale=4, size=(D, 2))
    selection.log_weights.kernel.assign(kernel)
    model = pair_model(selection)
    return model, export(model, tmp_path_factory.mktemp("hypergeometric"))


@pytest.fixture(scope="module")
def of_images(tmp_path_factory) -> str:
    return export(image_model(), tmp_path_factory.mktemp("images"))


def test_a_pair_is_what_the_keras_model_makes_of_it(hypergeometric):
    model, folder = hypergeometric
    first, second = some_bytes(300), some_bytes(300, seed=1)
    result = load_model(folder).pair(first, second)
    expected = model.infer_pair(first / np.float32(255), second / np.float32(255), None)
    independent = expected.selection.independent.numpy() > 0.5
    np.testing.assert_array_equal(result.shared, ~independent)
    np.testing.assert_array_equal(result.k_hat, independent.sum(axis=-1))
    assert result.k_hat.dtype == np.int64
    assert len(set(result.k_hat)) > 2
    for name in ("own_1", "own_2", "view_1", "view_2"):
        for found, wanted in zip(
            getattr(result, name), getattr(expected, name), strict=True
        ):
            assert found.shape == (300, D)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_probabilities_of_k_are_those_of_the_hypergeometric_distribution(
    hypergeometric,
):
    """By its weights w, of which SciPy's distribution takes the odds w1 / w2."""
    from scipy.stats import nchypergeom_fisher

    model, folder = hypergeometric
    first, second = some_bytes(6), some_bytes(6, seed=1)
    result = load_model(folder).pair(first, second)
    (mean_1, log_1), (mean_2, log_2) = result.own_1, result.own_2

    def divergence(mean_p, log_p, mean_q, log_q):
        ratio = np.exp(log_p - log_q)
        distance = (mean_p - mean_q) ** 2 * np.exp(-log_q)
        return 0.5 * (ratio + distance - 1 - np.log(ratio))

    gamma = 0.5 * (
        divergence(mean_1, log_1, mean_2, log_2)
        + divergence(mean_2, log_2, mean_1, log_1)
    )
    dense = model.selection.log_weights
    log_weights = np.log1p(gamma) @ dense.kernel.numpy() + dense.bias.numpy()
    odds = np.exp(log_weights[:, 0] - log_weights[:, 1])
    expected = [nchypergeom_fisher(2 * D, D, D, o).pmf(np.arange(D + 1)) for o in odds]
    np.testing.assert_allclose(result.probabilities, expected, rtol=1e-4)
    np.testing.assert_array_equal(result.k_hat, np.argmax(expected, axis=-1))


def test_shared_latents_alone_are_alike_after_aggregation(hypergeometric):
    result = load_model(hypergeometric[1]).pair(some_bytes(50), some_bytes(50, seed=1))
    for own_1, own_2, view_1, view_2 in zip(
        result.own_1, result.own_2, result.view_1, result.view_2, strict=True
    ):
        np.testing.assert_array_equal(view_1[result.shared], view_2[result.shared])
        np.testing.assert_array_equal(view_1[~result.shared], own_1[~result.shared])
        np.testing.assert_array_equal(view_2[~result.shared], own_2[~result.shared])
    mean = 0.5 * (result.own_1.mean + result.own_2.mean)
    np.testing.assert_allclose(
        result.view_1.mean[result.shared], mean[result.shared], rtol=1e-5, atol=1e-6
    )


def test_bytes_and_floats_are_alike(hypergeometric):
    model = load_model(hypergeometric[1])
    first, second = some_bytes(9), some_bytes(9, seed=1)
    of_bytes = model.pair(first, second)
    for kind, rtol in ((np.float32, 1e-6), (np.float64, 1e-5)):
        of_floats = model.pair(first / kind(255), second / kind(255))
        np.testing.assert_array_equal(of_floats.k_hat, of_bytes.k_hat)
        np.testing.assert_allclose(
            of_floats.own_1.mean, of_bytes.own_1.mean, rtol=rtol, atol=1e-6
        )
    assert of_bytes.k_hat.min() >= 0


@pytest.mark.parametrize("activation", ["logits", "tanh"])
def test_decode_gives_pixels(tmp_path, activation):
    model = image_model(activation)
    loaded = load_model(export(model, tmp_path))
    latents = np.random.RandomState(0).normal(scale=3, size=(7, D)).astype(np.float32)
    logits = model.decode(tf.constant(latents)).numpy()
    expected = 1 / (1 + np.exp(-logits))
    if activation == "tanh":
        expected = (np.tanh(logits) + 1) / 2
    np.testing.assert_allclose(loaded.decode(latents), expected, atol=1e-6)
    posterior = loaded.encode(some_bytes(7))
    np.testing.assert_array_equal(
        loaded.decode(posterior), loaded.decode(posterior.mean)
    )


def test_a_model_of_single_images_encodes_and_decodes_only(of_images):
    model = load_model(of_images)
    assert (model.observation_shape, model.num_latent) == (SHAPE, D)
    images = some_bytes(8)
    posterior = model.encode(images)
    expected = image_model().encode(images / np.float32(255))
    np.testing.assert_allclose(posterior.mean, expected.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        posterior.log_variance, expected.log_variance, rtol=1e-5, atol=1e-6
    )
    with pytest.raises(UserError, match="trained on single images") as raised:
        model.pair(images, images)
    assert "@group_vae_hypergeometric()" in str(raised.value)


def test_labels_are_for_label_vae_alone(tmp_path):
    model = load_model(export(pair_model(LabelSelection(D)), tmp_path))
    first, second = some_bytes(3), some_bytes(3, seed=1)
    result = model.pair(first, second, labels=[1, -1, 3])
    np.testing.assert_array_equal(result.k_hat, [1, 0, 1])
    np.testing.assert_array_equal(result.shared[0], [True, False, True, True])
    assert result.probabilities is None
    with pytest.raises(UserError, match="labels are missing"):
        model.pair(first, second)
    for wrong in ([1, 2], [1.0, 2.0, 3.0], [[1], [2], [3]], [0, 1, -2]):
        with pytest.raises(UserError, match="labels are .* but must be"):
            model.pair(first, second, wrong)


def test_ada_vae_has_no_distribution_over_k_and_looks_at_no_label(tmp_path):
    model = load_model(export(pair_model(ArgmaxSelection(D)), tmp_path))
    first, second = some_bytes(3), some_bytes(3, seed=1)
    result = model.pair(first, second, labels=None)
    assert result.probabilities is None
    np.testing.assert_array_equal(result.k_hat, (~result.shared).sum(axis=-1))
    again = model.pair(first, second, labels=[0, 0, 0])
    np.testing.assert_array_equal(result.shared, again.shared)


def test_no_image_gives_no_row(hypergeometric):
    result = load_model(hypergeometric[1]).pair(some_bytes(0), some_bytes(0))
    assert result.k_hat.shape == (0,)
    assert result.probabilities.shape == (0, D + 1)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (some_bytes(2)[:, 1:], "have the shape [2, 4, 4, 3]"),
        (some_bytes(2)[0], "one of them as image[None]"),
        (some_bytes(2).astype(np.int64), "are int64, but must be uint8"),
        (some_bytes(2) > 9, "are bool, but must be uint8"),
        (some_bytes(2).astype(np.float32), "are float32 from 5 to 251"),
        (some_bytes(2) % 2 - 0.5, "are float64 from -0.5 to 0.5"),
        (np.full((2, *SHAPE), np.nan), "are float64 from nan to nan"),
        ([[1], [2, 3]], "are not an array"),
    ],
)
def test_wrong_images_are_one_sentence(hypergeometric, images, sentence):
    model = load_model(hypergeometric[1])
    for call in (
        lambda: model.encode(images),
        lambda: model.pair(images, some_bytes(2)),
        lambda: model.pair(some_bytes(2), images),
    ):
        with pytest.raises(UserError, match=re.escape(sentence)) as raised:
            call()
        assert "\n" not in str(raised.value)


def test_views_are_as_many(hypergeometric):
    with pytest.raises(UserError, match="images_1 holds 2 images and images_2 3"):
        load_model(hypergeometric[1]).pair(some_bytes(2), some_bytes(3))


@pytest.mark.parametrize(
    "latents", [np.zeros((2, D + 1)), np.zeros(D), np.full((2, D), np.inf), ["a"]]
)
def test_wrong_latents_are_one_sentence(of_images, latents):
    with pytest.raises(UserError, match=r"latents are .* finite numbers \[N, 4\]"):
        load_model(of_images).decode(latents)


def test_a_folder_a_saved_model_and_a_home_directory_serve(
    of_images, tmp_path, monkeypatch
):
    expected = load_model(of_images).encode(some_bytes(2)).mean
    monkeypatch.setenv("HOME", of_images)
    for path in (f"{of_images}/tfhub", "~", "~/tfhub"):
        np.testing.assert_array_equal(
            load_model(path).encode(some_bytes(2)).mean, expected
        )
    with pytest.raises(UserError, match="There is no trained model in"):
        load_model(tmp_path)


def test_a_saved_model_of_another_kind_is_refused(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda images: {"default": images})
    spec = tf.TensorSpec([None, *SHAPE], name="images")
    tf.saved_model.save(
        module,
        str(tmp_path),
        signatures={"representation": module.f.get_concrete_function(spec)},
    )
    with pytest.raises(UserError, match="no signature 'gaussian_encoder', only"):
        load_model(tmp_path)
