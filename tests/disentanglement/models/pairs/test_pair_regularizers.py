"""What a pair pays for its latents, against the algebra and TFP's divergences."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from mvhg_tf.disentanglement.models.pairs import pair_regularizers
from mvhg_tf.disentanglement.models.pairs.pair_regularizers import PairTerms
from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian

B, D = 6, 4


@pytest.fixture
def posteriors():
    random_state = np.random.RandomState(0)
    return [
        Gaussian(*(tf.constant(random_state.normal(size=[B, D])) for _ in range(2)))
        for _ in range(2)
    ]


def nats(posterior):
    """KL to the prior, by TFP."""
    normal = tfp.distributions.Normal
    law = normal(posterior.mean, tf.exp(posterior.log_variance / 2))
    return tfp.distributions.kl_divergence(law, normal(tf.zeros([], tf.float64), 1.0))


def terms(posteriors, independent, divergence=0.0):
    shared = gaussian.average_moments(*posteriors)
    return PairTerms(
        *map(nats, (*posteriors, shared)),
        independent=tf.constant(independent, tf.float64),
        divergence=tf.fill([B], tf.constant(divergence, tf.float64)),
    )


def test_what_sharing_saves_in_the_papers_objective(posteriors):
    (m1, m2), (v1, v2) = (
        [p.mean.numpy() for p in posteriors],
        [np.exp(p.log_variance) for p in posteriors],
    )
    saving = (m1 - m2) ** 2 / 8 + np.log((v1 + v2) / 2 / np.sqrt(v1 * v2)) / 2
    assert (saving > 0).all()
    for latent in range(D):
        shared = np.ones([B, D])
        shared[:, latent] = 0.0
        found = pair_regularizers.paper(terms(posteriors, np.ones([B, D])))
        found -= pair_regularizers.paper(terms(posteriors, shared))
        np.testing.assert_allclose(found, saving[:, latent])


def test_where_views_agree_sharing_saves_nothing_in_the_papers_objective(posteriors):
    same = [posteriors[0]] * 2
    independent = np.random.RandomState(1).randint(2, size=[B, D])
    expected = tf.reduce_sum(nats(same[0]), axis=-1)
    np.testing.assert_allclose(
        pair_regularizers.paper(terms(same, independent)), expected
    )
    # The pair bound pays for a shared latent once, half of it an image.
    share = tf.constant(1.0 - independent / 1.0)
    saved = tf.reduce_sum(share * nats(same[0]), axis=-1) / 2
    np.testing.assert_allclose(
        pair_regularizers.pair_elbo(terms(same, independent, 3.0)),
        expected - saved + 1.5,
    )
