import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from mvhg_tf.clustering.scores import accuracy
from mvhg_tf.clustering.start import em

RNG = np.random.default_rng


def _overlapping(num_samples=900, seed=0):
    """Three round clusters of equal size, two of them near each other."""
    rng = RNG(seed)
    labels = np.arange(num_samples) % 3
    centres = np.array([[0.0, 0.0], [4.5, 0.0], [20.0, 0.0]])
    scales = np.array([[1.0, 1.0], [1.0, 1.0], [4.0, 4.0]])
    noise = rng.standard_normal([num_samples, 2])
    return centres[labels] + scales[labels] * noise, labels


def test_components_and_densities_are_those_of_numpy_and_scipy():
    rng = RNG(0)
    z, q = rng.normal(size=[50, 3]), rng.dirichlet(np.ones(2), 50)
    found = em.components(z, q, 0.1)
    densities = em.log_densities(z, found)
    for k in range(2):
        covariance = np.cov(z.T, aweights=q[:, k], ddof=0) + 0.1 * np.eye(3)
        np.testing.assert_allclose(found.covariances[k], covariance, atol=1e-12)
        mean = np.average(z, axis=0, weights=q[:, k])
        expected = stats.multivariate_normal(mean, covariance).logpdf(z)
        np.testing.assert_allclose(densities[:, k], expected, atol=1e-10)


def test_balanced_responsibilities_are_the_nearest_with_equal_sizes():
    logits = RNG(1).normal(size=[12, 3]) + np.array([4.0, 0.0, 0.0])
    q = em.balanced(logits)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    np.testing.assert_allclose(q.sum(axis=0), 4.0, atol=0.02)
    # The I-projection only adds something to each row and something to each column.
    apart = np.log(q) - logits
    apart -= apart[:, :1]
    np.testing.assert_allclose(apart, apart[:1].repeat(12, 0), atol=1e-10)


def test_a_cluster_that_no_sample_likes_gets_its_share_none_the_less():
    logits = np.zeros([10, 2])
    logits[:, 1] = -2000.0  # exp is 0
    assert np.isfinite(em.balanced(logits)).all()


def test_equal_clusters_are_found_by_balanced_em():
    z, labels = _overlapping()
    q = em.fit_balanced(z, 3, 1e-3, starts=4, seed=0)
    assert accuracy(labels, q.argmax(axis=1)) > 0.97
    np.testing.assert_allclose(q.sum(axis=1), 1.0)


def test_ends_at_the_fixed_point_of_ordinary_em_at_equal_weights():
    z, _ = _overlapping()
    q = em.fit_balanced(z, 3, 1e-3, starts=4, seed=0)
    found = em.components(z, q, 1e-3)
    mixture = GaussianMixture(3)
    mixture.means_, mixture.covariances_ = found.means, found.covariances
    mixture.weights_ = np.full(3, 1 / 3)
    mixture.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(found.covariances))
    np.testing.assert_allclose(mixture.predict_proba(z), q, atol=0.02)


def test_the_start_that_is_likeliest_with_equal_sizes_goes_on(monkeypatch):
    # Of three starts the second ends likeliest with equal sizes, the first without.
    ends = {0: (-3.0, -1.0), 1: (-2.0, -1.5), 2: (-4.0, -9.0)}
    starts = iter(range(3))

    def rounds(z, q, ridge, e_step, num_rounds):
        return ends[int(q)][0 if e_step is em.balanced else 1], q

    monkeypatch.setattr(em, "_kmeans_start", lambda *_: np.array(next(starts)))
    monkeypatch.setattr(em, "_random_start", lambda *_: np.array(next(starts)))
    monkeypatch.setattr(em, "_rounds", rounds)
    assert em.fit_balanced(np.zeros([6, 1]), 2, 1e-3, starts=3, seed=0) == 1


@pytest.mark.parametrize("fit", [em.fit_balanced, em.fit_free])
def test_the_seed_gives_the_clusters(fit):
    z, _ = _overlapping(300)
    runs = [fit(z, 3, 1e-3, starts=2, seed=5) for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_free_em_finds_clusters_of_unequal_size():
    rng = RNG(0)
    labels = np.repeat(np.arange(3), [240, 40, 20])
    z = 8.0 * np.eye(3)[labels] + rng.standard_normal([300, 3])
    q = em.fit_free(z, 3, 1e-3, starts=3, seed=0)
    assert accuracy(labels, q.argmax(axis=1)) > 0.98
    sizes = np.sort(q.sum(axis=0))
    np.testing.assert_allclose(sizes, [20, 40, 240], atol=2)


def test_free_rounds_end_at_scikit_learns_fixed_point_and_likelihood():
    z, _ = _overlapping()
    start = np.eye(3)[RNG(0).permutation(len(z)) % 3]
    likelihood, q = em.free_rounds(z, start, 1e-3, 1000)
    found = em.components(z, q, 1e-3)
    mixture = GaussianMixture(3)
    mixture.means_, mixture.covariances_ = found.means, found.covariances
    mixture.weights_ = q.mean(axis=0)
    mixture.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(found.covariances))
    np.testing.assert_allclose(mixture.predict_proba(z), q, atol=0.02)
    entropy = stats.entropy(q, axis=1).mean()
    assert likelihood == pytest.approx(mixture.score(z) - entropy, abs=1e-3)


def test_a_samples_weight_counts_as_so_many_samples():
    z, _ = _overlapping(60)
    weights = RNG(0).integers(1, 4, size=60)
    start = np.eye(2)[np.arange(60) % 2]
    likelihood, q = em.free_rounds(z, start, 1e-3, 20, weights.astype(float))
    repeated = [np.repeat(rows, weights, axis=0) for rows in (z, start)]
    expected, many = em.free_rounds(*repeated, 1e-3, 20)
    assert likelihood == pytest.approx(expected)
    np.testing.assert_allclose(np.repeat(q, weights, axis=0), many, atol=1e-10)
