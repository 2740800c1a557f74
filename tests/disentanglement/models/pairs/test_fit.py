"""GroupVAE.fit: the training of dlib_train, from Python, on a tf.data.Dataset."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mvhg_tf.disentanglement import networks
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import (
    HypergeometricSelection,
    LabelSelection,
)
from mvhg_tf.disentanglement.models.shared.reconstruction import (
    ReconstructionLoss,
    bernoulli_loss,
)
from mvhg_tf.disentanglement.sources.row_pairs import ListedPairSource
from mvhg_tf.disentanglement.steps import export, trained_model, training_loop
from mvhg_tf.runs.errors import UserError

SHAPE, NUM_LATENT = (8, 8, 1), 3
IMAGES = np.random.RandomState(0).randint(0, 256, [2, 24, *SHAPE]).astype(np.uint8)


def make_model(selection=None):
    keras.utils.set_random_seed(0)
    model = GroupVAE(
        networks.test_encoder(SHAPE, NUM_LATENT),
        networks.test_decoder(NUM_LATENT, SHAPE),
        selection or HypergeometricSelection(NUM_LATENT),
        seed=3,
    )
    model.compile(keras.optimizers.Adam(0.01), ReconstructionLoss(bernoulli_loss))
    model.build_optimizers()
    return model


def pairs(num=24):
    return tf.data.Dataset.from_tensor_slices((IMAGES[0][:num], IMAGES[1][:num]))


@pytest.mark.slow
def test_it_ends_with_the_weights_of_the_training_loop():
    rows = np.arange(24)
    listed = ListedPairs(
        list(IMAGES), np.stack([rows, rows + 24], 1), rows < 0, "pairs"
    )
    source = ListedPairSource(listed, batch_size=8, seed=5)
    looped, fitted = make_model(), make_model()
    training_loop.compiled_loop(looped, source, 0)(tf.constant(7))
    fitted.fit(source.dataset(0).take(7), verbose=0)
    assert int(fitted.step) == 7
    for ours, theirs in zip(fitted.weights, looped.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (np.uint8, ("images_1", "images_2")),
        pytest.param(np.float32, None, marks=pytest.mark.slow),
        pytest.param(np.uint8, None, marks=pytest.mark.slow),
        pytest.param(np.float32, ("images_1", "images_2"), marks=pytest.mark.slow),
    ],
)
def test_pairs_come_as_tuples_or_by_name_as_bytes_or_floats(names, kind):
    images = IMAGES if kind == np.uint8 else np.float32(IMAGES / 255)
    batch = dict(zip(names, images, strict=True)) if names else tuple(images)
    losses = make_model().evaluate(
        tf.data.Dataset.from_tensors(batch), return_dict=True, verbose=0
    )
    model = make_model()
    floats = [np.float32(view / 255) for view in IMAGES]
    expected = model.losses_of(
        dict(zip(("images_1", "images_2"), floats, strict=True)), 0, False
    )
    for name in model.log_names:
        np.testing.assert_allclose(losses[name], expected[name], rtol=1e-5)


@pytest.mark.slow
def test_arrays_are_taken_too():
    history = make_model().fit(IMAGES[0], IMAGES[1], batch_size=8, epochs=20, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_what_is_told_is_the_mean_over_an_epoch():
    model, batches = make_model(), [IMAGES[:, i : i + 8] for i in (0, 8, 16)]
    expected = [
        float(
            model.losses_of(
                {f"images_{v + 1}": np.float32(b[v] / 255) for v in range(2)}, 0, False
            )["reconstruction_loss"]
        )
        for b in batches
    ]
    found = model.evaluate(pairs().batch(8), return_dict=True, verbose=0)
    np.testing.assert_allclose(
        found["reconstruction_loss"], np.mean(expected), rtol=1e-5
    )
    again = model.evaluate(pairs().batch(8), return_dict=True, verbose=0)
    assert again == found


@pytest.mark.slow
def test_keras_callbacks_see_held_out_losses(tmp_path):
    model = make_model()
    history = model.fit(
        pairs(16).batch(8),
        validation_data=pairs().skip(16).batch(4),
        epochs=40,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping("val_loss", min_delta=1e4, patience=2),
            keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras")),
        ],
    )
    assert len(history.history["val_k_hat"]) == 3  # nothing improves by 1e4
    loaded = keras.saving.load_model(tmp_path / "3.keras", compile=False)
    images = np.float32(IMAGES[0] / 255)
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-5)


def test_a_model_that_was_fitted_compares_two_new_pictures(tmp_path):
    model = make_model()
    model.fit(pairs().batch(8), verbose=0)
    export.export_saved_model(model, SHAPE, str(tmp_path / "tfhub"))
    result = trained_model.load_model(tmp_path).pair(IMAGES[0][:2], IMAGES[1][:2])
    assert result.shared.shape == (2, NUM_LATENT)
    np.testing.assert_array_equal(result.k_hat, NUM_LATENT - result.shared.sum(1))


@pytest.mark.parametrize(
    ("selection", "data", "message"),
    [
        (None, (IMAGES[0],), "has images_1, but no images_2: give a dict of images_1"),
        (None, {"left": IMAGES[0]}, "has left, but no images_1 and no images_2: give"),
        (LabelSelection(NUM_LATENT), tuple(IMAGES), "but no labels: give a dict of"),
    ],
)
def test_what_is_missing_of_a_batch_is_told(selection, data, message):
    with pytest.raises(UserError, match=message):
        make_model(selection).fit(tf.data.Dataset.from_tensors(data), verbose=0)
