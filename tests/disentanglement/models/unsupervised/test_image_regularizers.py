"""Regularisers of the unsupervised models, against NumPy, SciPy and closed forms."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian
from mvhg_tf.disentanglement.models.unsupervised import image_regularizers
from mvhg_tf.runs.errors import UserError

RANDOM = np.random.RandomState(0)
MEAN = RANDOM.normal(size=(7, 4)).astype(np.float32)
LOG_VARIANCE = RANDOM.normal(scale=0.5, size=(7, 4)).astype(np.float32)
LATENTS = (MEAN + np.exp(LOG_VARIANCE / 2) * RANDOM.normal(size=(7, 4))).astype("f4")
KL = 12.5


def penalty(regularizer, step=0):
    terms = image_regularizers.ImageTerms(
        posterior=Gaussian(tf.constant(MEAN), tf.constant(LOG_VARIANCE)),
        latents=tf.constant(LATENTS),
        kl_loss=tf.constant(KL),
        step=tf.constant(step),
        seed=tf.constant([0, 0]),
    )
    scalars = regularizer.regularize(terms)
    assert tuple(scalars) == regularizer.log_names
    return float(scalars["regularizer"])


def test_weighted_kl():
    assert penalty(image_regularizers.WeightedKL(4.0)) == 4 * KL


@pytest.mark.parametrize(
    ("step", "capacity"), [(0, 0), (25, 5), (50, 10), (100, 20), (101, 20), (10**6, 20)]
)
def test_capacity_grows_linearly_to_its_maximum(step, capacity):
    regularizer = image_regularizers.AnnealedCapacity(1000, 20, 100)
    np.testing.assert_allclose(regularizer.capacity(step), capacity, rtol=1e-6)
    np.testing.assert_allclose(
        penalty(regularizer, step), 1000 * abs(KL - capacity), rtol=1e-6
    )


@pytest.mark.parametrize("dip_type", ["i", "ii"])
def test_moment_matching_is_the_covariance_s_distance_from_the_identity(dip_type):
    covariance = np.cov(MEAN, rowvar=False, bias=True)
    if dip_type == "ii":
        covariance += np.diag(np.exp(LOG_VARIANCE).mean(0))
    weights = np.full((4, 4), 3.0)
    np.fill_diagonal(weights, 3.0 * 10.0)
    expected = KL + np.sum(weights * (covariance - np.eye(4)) ** 2)
    found = penalty(image_regularizers.MomentMatching(3.0, 10.0, dip_type))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_covariance_of_points():
    points = np.random.RandomState(0).multivariate_normal(
        [0.0, 5.0, -1.0], [[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 4.0]], 200
    )
    np.testing.assert_allclose(
        image_regularizers.covariance_of(tf.constant(points)),
        np.cov(points, rowvar=False, bias=True),
        rtol=1e-9,
        atol=1e-9,
    )


def test_moment_matching_costs_nothing_at_the_identity():
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    np.testing.assert_allclose(
        image_regularizers.covariance_of(tf.constant(corners + 5.0)),
        np.eye(3),
        atol=1e-12,
    )


def total_correlation_by_loops():
    num = len(LATENTS)
    total = 0.0
    for latents in LATENTS:
        log_joint, log_marginals = [], np.zeros((num, 4))
        for image in range(num):
            log_marginals[image] = stats.norm.logpdf(
                latents, MEAN[image], np.exp(LOG_VARIANCE[image] / 2)
            )
            log_joint.append(log_marginals[image].sum())
        total += special.logsumexp(log_joint)
        total -= sum(special.logsumexp(log_marginals[:, j]) for j in range(4))
    return total / num


def test_weighted_total_correlation():
    expected = KL + 5.0 * total_correlation_by_loops()
    found = penalty(image_regularizers.WeightedTotalCorrelation(6.0))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert penalty(image_regularizers.WeightedTotalCorrelation(1.0)) == KL


def test_total_correlation_of_one_latent_and_of_a_useless_encoder():
    draws = tf.random.stateless_normal([50, 10], [0, 1])
    one = Gaussian(draws[:, :1] / 2, draws[:, 1:2])
    np.testing.assert_allclose(
        image_regularizers.total_correlation(draws[:, 2:3], one), 0, atol=1e-5
    )
    # Where all posteriors are alike, nothing but the constant is left.
    useless = Gaussian(tf.zeros([50, 10]), tf.zeros([50, 10]))
    np.testing.assert_allclose(
        image_regularizers.total_correlation(draws, useless),
        -9 * math.log(50),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "regularizer",
    [
        image_regularizers.WeightedKL(4.0),
        image_regularizers.AnnealedCapacity(1000, 20, 100),
        image_regularizers.MomentMatching(1.0, 10.0, "ii"),
        image_regularizers.WeightedTotalCorrelation(6.0),
    ],
)
def test_a_configuration_makes_the_same_regulariser(regularizer):
    serialized = keras.saving.serialize_keras_object(regularizer)
    assert keras.saving.deserialize_keras_object(serialized) == regularizer


def test_wrong_values_are_one_clear_sentence():
    with pytest.raises(UserError, match='dip_type is .iii., but must be "i" or "ii"'):
        image_regularizers.MomentMatching(1.0, 1.0, "iii")
    with pytest.raises(UserError, match="iteration_threshold is 0, but must be posi"):
        image_regularizers.AnnealedCapacity(1.0, 1.0, 0)
