"""GroupVAE's losses, aggregation and gradients on a small model, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from mvhg_tf.disentanglement.models.pairs import pair_regularizers
from mvhg_tf.disentanglement.models.pairs.group_vae import GroupVAE
from mvhg_tf.disentanglement.models.pairs.selection import (
    ArgmaxSelection,
    HypergeometricSelection,
    LabelSelection,
)
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.models.shared.reconstruction import bernoulli_loss
from mvhg_tf.schedules import ExponentialAnnealing

NUM_LATENT = 4
SHAPE = (3, 3, 1)


def reconstruction_loss(images, logits):
    return bernoulli_loss(images, logits, "logits")


def make_model(selection=None, **kwargs):
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    features = keras.layers.Flatten()(images)
    head = keras.layers.Dense(NUM_LATENT), keras.layers.Dense(NUM_LATENT)
    encoder = keras.Model(images, tuple(layer(features) for layer in head))
    latents = keras.Input((NUM_LATENT,))
    decoder = keras.Sequential(
        [latents, keras.layers.Dense(9), keras.layers.Reshape(SHAPE)]
    )
    selection = selection or HypergeometricSelection(NUM_LATENT)
    model = GroupVAE(encoder, decoder, selection, **kwargs)
    model.compile(keras.optimizers.Adam(0.01), reconstruction_loss)
    model.optimizer.build(model.trainable_variables)
    return model


def make_batch(num=6, seed=0):
    random_state = np.random.RandomState(seed)
    images = random_state.uniform(size=(2, num, *SHAPE)).astype(np.float32)
    labels = random_state.randint(NUM_LATENT, size=num).astype(np.int32)
    return {"images_1": images[0], "images_2": images[1], "labels": labels}


def numpy_kl(mean, log_variance):
    return 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1)


class RecordingLoss:
    """Keeps what the model decoded, so that NumPy can price it."""

    def __call__(self, images, logits):
        self.images, self.logits = images.numpy(), logits.numpy()
        return reconstruction_loss(images, logits)


@pytest.mark.parametrize("objective", ["paper", "pair_elbo"])
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_losses_are_those_of_the_definitions(objective, beta):
    regularizer = pair_regularizers.OBJECTIVES[objective]
    model = make_model(LabelSelection(NUM_LATENT), regularizer=regularizer, beta=beta)
    model.reconstruction_loss = record = RecordingLoss()
    batch = make_batch()
    logs = model.losses_of(batch, 0, training=True)

    means, log_variances = zip(
        *((p.mean.numpy(), p.log_variance.numpy()) for p in encoded(model, batch)),
        strict=True,
    )
    shared_mean = np.mean(means, 0)
    shared_log_variance = np.log(np.mean(np.exp(log_variances), 0))
    kl_shared = numpy_kl(shared_mean, shared_log_variance)
    per_pair = []
    for row, label in enumerate(batch["labels"]):
        cost = 0.0
        for latent in range(NUM_LATENT):
            own = [
                numpy_kl(m[row, latent], v[row, latent])
                for m, v in zip(means, log_variances, strict=True)
            ]
            if latent == label:
                cost += sum(own)
            else:
                times = {"paper": 2, "pair_elbo": 1}[objective]
                cost += times * kl_shared[row, latent]
        per_pair.append(cost / 2)
    p = special.expit(record.logits.astype(np.float64))
    x = record.images.astype(np.float64)
    nats = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum((1, 2, 3))

    np.testing.assert_allclose(logs["kl_loss"], np.mean(per_pair), rtol=1e-5)
    np.testing.assert_allclose(logs["reconstruction_loss"], nats.mean(), rtol=1e-5)
    np.testing.assert_allclose(
        logs["loss"], nats.mean() + beta * np.mean(per_pair), rtol=1e-5
    )
    np.testing.assert_allclose(
        logs["elbo"], -nats.mean() - np.mean(per_pair), rtol=1e-5
    )
    assert logs["k_hat"] == 1
    assert tuple(logs) == model.log_names


def encoded(model, batch):
    return model.encode_pair(batch["images_1"], batch["images_2"])


def test_pair_bound_pays_the_divergence_of_the_selection():
    rows = tf.random.stateless_uniform([5, 5, 3], [0, 1])
    terms = pair_regularizers.PairTerms(
        kl_1=rows[0],
        kl_2=rows[1],
        kl_shared=rows[2],
        independent=tf.round(rows[3]),
        divergence=rows[4, :, 0],
    )
    free = terms._replace(divergence=tf.zeros([5]))
    np.testing.assert_allclose(
        pair_regularizers.pair_elbo(terms) - pair_regularizers.pair_elbo(free),
        terms.divergence / 2,
        rtol=1e-5,
    )
    np.testing.assert_array_equal(
        pair_regularizers.paper(terms), pair_regularizers.paper(free)
    )
    all_independent = terms._replace(independent=tf.ones([5, 3]))
    np.testing.assert_allclose(
        pair_regularizers.pair_elbo(all_independent) - terms.divergence / 2,
        pair_regularizers.paper(all_independent),
        rtol=1e-5,
    )


@pytest.mark.parametrize("kind", [LabelSelection, ArgmaxSelection])
def test_aggregation_shares_all_but_the_independent_latents(kind):
    model = make_model(kind(NUM_LATENT))
    batch = make_batch()
    own_1, own_2 = encoded(model, batch)
    selection = model.selection.select(
        own_1, own_2, batch["labels"], tf.constant(0), tf.constant([0, 0]), True
    )
    view_1, view_2, shared = model.aggregate(own_1, own_2, selection)
    independent = selection.independent.numpy().astype(bool)
    for own, view in ((own_1, view_1), (own_2, view_2)):
        for mine, mixed, average in zip(own, view, shared, strict=True):
            np.testing.assert_allclose(
                mixed, np.where(independent, mine, average), rtol=1e-6
            )
    if kind is LabelSelection:
        np.testing.assert_array_equal(independent.argmax(1), batch["labels"])
        np.testing.assert_array_equal(independent.sum(1), 1)


def test_argmax_selection_is_a_threshold_midway():
    divergences = np.array([[0.0, 1.0, 4.0, 10.0], [3.0, 0.0, 1.0, 2.0], [2.0] * 4])
    mean = tf.constant(np.sqrt(2 * divergences), tf.float32)
    standard = Gaussian(tf.zeros([3, 4]), tf.zeros([3, 4]))
    selection = ArgmaxSelection(4).select(
        Gaussian(mean, tf.zeros([3, 4])), standard, None, None, None, True
    )
    np.testing.assert_array_equal(
        selection.independent, [[0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 0]]
    )


def test_label_beyond_the_latents_or_none_shares_everything():
    posterior = Gaussian(tf.zeros([2, 3]), tf.zeros([2, 3]))
    selection = LabelSelection(3).select(
        posterior, posterior, tf.constant([-1, 5]), None, None, True
    )
    np.testing.assert_array_equal(selection.independent, np.zeros((2, 3)))


@pytest.mark.slow
def test_training_lowers_the_loss_and_repeats_exactly():
    def train():
        model = make_model()
        step = tf.function(model.train_step)
        return [float(step(make_batch())["loss"]) for _ in range(120)], model

    (losses, model), (again, _) = train(), train()
    assert losses == again
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.3
    assert int(model.optimizer.iterations) == 120


@pytest.mark.slow
def test_a_saved_model_is_the_same_model(tmp_path):
    model = make_model(
        HypergeometricSelection(
            NUM_LATENT,
            temperature=ExponentialAnnealing(3.0, 0.5, 10),
            gradient_estimator="gumbel_softmax",
            initial_log_odds=-1.0,
            learn_prior=False,
            log_divergences=False,
            divergence_weight=3.0,
        ),
        average=gaussian.average_precisions,
        regularizer=pair_regularizers.pair_elbo,
        beta=ExponentialAnnealing(4.0, 1.0, 10),
        seed=5,
    )
    model.train_step(make_batch())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    loaded.compile(keras.optimizers.Adam(), reconstruction_loss)
    for step in (0, 7):
        expected = model.losses_of(make_batch(seed=1), step, training=True)
        found = loaded.losses_of(make_batch(seed=1), step, training=True)
        for name in model.log_names:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


@pytest.mark.slow
def test_keras_fit_trains_it():
    model = make_model()
    dataset = tf.data.Dataset.from_tensor_slices(make_batch(64)).batch(8)
    history = model.fit(dataset, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
