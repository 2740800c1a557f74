"""Divergences against numerical integrals, averages against their definitions."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from mvhg_tf.disentanglement.models.shared import gaussian
from mvhg_tf.disentanglement.models.shared.gaussian import Gaussian

P = Gaussian(tf.constant([[0.3, -1.2]]), tf.constant([[0.4, -2.0]]))
Q = Gaussian(tf.constant([[1.0, -1.0]]), tf.constant([[-0.5, 1.0]]))


def integral_kl(p, q):
    """KL(p || q) of two scipy distributions by quadrature."""

    def integrand(x):
        return p.pdf(x) * (p.logpdf(x) - q.logpdf(x))

    return integrate.quad(integrand, p.mean() - 12 * p.std(), p.mean() + 12 * p.std())[
        0
    ]


def normals(posterior):
    mean, log_variance = (x.numpy().ravel() for x in posterior)
    return [
        stats.norm(m, np.exp(v / 2)) for m, v in zip(mean, log_variance, strict=True)
    ]


def test_divergences_are_the_integrals():
    p, q = normals(P), normals(Q)
    forward = [integral_kl(a, b) for a, b in zip(p, q, strict=True)]
    backward = [integral_kl(b, a) for a, b in zip(p, q, strict=True)]
    standard = [integral_kl(a, stats.norm()) for a in p]
    np.testing.assert_allclose(gaussian.kl(P, Q)[0], forward, rtol=1e-5)
    np.testing.assert_allclose(
        gaussian.symmetric_kl(P, Q)[0], np.mean([forward, backward], 0), rtol=1e-5
    )
    np.testing.assert_allclose(
        gaussian.kl_to_standard_normal(P)[0], standard, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("mean", "log_variance", "nats"), [(0, 0, 0), (1, 0, 5), (1, 1, 5 * (np.e - 1))]
)
def test_kl_to_the_prior_in_the_library_s_cases(mean, log_variance, nats):
    """Ten latents: 10 (m^2 + v - log v - 1) / 2 nats."""
    posterior = Gaussian(*(tf.fill([4, 10], float(x)) for x in (mean, log_variance)))
    kl = tf.reduce_sum(gaussian.kl_to_standard_normal(posterior), axis=1)
    np.testing.assert_allclose(kl, np.full(4, nats), rtol=1e-6)


def test_average_of_moments():
    mean, log_variance = gaussian.average_moments(P, Q)
    np.testing.assert_allclose(mean, (P.mean + Q.mean) / 2)
    variance = (np.exp(P.log_variance) + np.exp(Q.log_variance)) / 2
    np.testing.assert_allclose(np.exp(log_variance), variance, rtol=1e-6)


def test_average_of_precisions():
    mean, log_variance = gaussian.average_precisions(P, Q)
    precision_p, precision_q = np.exp(-P.log_variance), np.exp(-Q.log_variance)
    total = precision_p + precision_q
    weighted = (P.mean * precision_p + Q.mean * precision_q) / total
    np.testing.assert_allclose(mean, weighted, rtol=1e-5)
    np.testing.assert_allclose(np.exp(log_variance), 2 / total, rtol=1e-6)


@pytest.mark.parametrize(
    "average", [gaussian.average_moments, gaussian.average_precisions]
)
def test_averages_of_equals_and_of_extremes(average):
    for mine, same in zip(P, average(P, P), strict=True):
        np.testing.assert_allclose(mine, same, rtol=1e-6)
    extreme = average(
        Gaussian(tf.zeros([1, 1]), tf.constant([[-300.0]])),
        Gaussian(tf.ones([1, 1]), tf.constant([[300.0]])),
    )
    assert all(np.isfinite(x).all() for x in extreme)


def test_draws_have_the_posteriors_moments():
    wide = Gaussian(*(tf.tile(x, [100_000, 1]) for x in Q))
    draws = gaussian.sample(wide, tf.constant([0, 1])).numpy()
    # Five standard errors: a false alarm once in 1e6.
    std = np.exp(Q.log_variance.numpy()[0] / 2)
    assert (abs(draws.mean(0) - Q.mean.numpy()[0]) < 5 * std / np.sqrt(1e5)).all()
    assert (abs(draws.std(0) / std - 1) < 5 / np.sqrt(2e5)).all()
