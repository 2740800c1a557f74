import numpy as np
import pytest
from scipy import stats

from mvhg_tf.clustering.scores import accuracy
from mvhg_tf.clustering.start import em, search

RNG = np.random.default_rng


def _blobs(sizes, dimensions=3, distance=8.0, seed=0):
    """Round clusters at corners of a cube whose sides are `distance` long."""
    rng = RNG(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    corners = (np.arange(len(sizes))[:, None] >> np.arange(dimensions)) & 1
    noise = rng.standard_normal([len(labels), dimensions])
    return distance * corners[labels] + noise, labels


def _curves(sizes, seed=0):
    """Bent clusters, far apart."""
    rng = RNG(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    angle = rng.uniform(-0.9, 0.9, len(labels)) + labels
    places = 12.0 * np.stack([labels % 2, labels // 2], axis=1)
    circle = 4.0 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return places + circle + 0.3 * rng.standard_normal([len(labels), 2]), labels


@pytest.mark.parametrize(
    ("z", "labels"),
    [
        _blobs([600, 200, 100, 100]),
        _blobs([60, 120, 240, 480]),
        _blobs([300, 220, 160, 120, 90, 60, 50], distance=6.0),
        _blobs([900, 100], dimensions=2),
        _blobs([800, 40, 40], dimensions=2),
        _curves([500, 350, 200, 100]),
    ],
    ids=["6:2:1:1", "1:2:4:8", "geometric", "9:1", "20:1:1", "curves"],
)
def test_clusters_of_unequal_sizes_are_found_where_balanced_em_fails(z, labels):
    count = labels.max() + 1
    balanced = em.fit_balanced(z, count, 1e-3, 4, 0)
    assert accuracy(labels, balanced.argmax(axis=1)) < 0.9
    q = search.fit_auto(z, count, 1e-3, 4, 0)
    np.testing.assert_allclose(q.sum(axis=1), 1.0)
    assert accuracy(labels, q.argmax(axis=1)) > 0.99


def test_balanced_clusters_stand_where_others_are_hardly_further_apart():
    z, labels = _blobs([200] * 6, distance=2.5)
    q = search.fit_auto(z, 6, 1e-3, 4, 0)
    np.testing.assert_array_equal(q, em.fit_balanced(z, 6, 1e-3, 4, 0))
    assert accuracy(labels, q.argmax(axis=1)) > 0.7


def test_moves_mend_what_no_other_start_finds(monkeypatch):
    z, labels = _blobs([400, 200, 100, 50, 100])
    # Two clusters share the greatest class, and two classes share a cluster.
    stuck = labels.copy()
    stuck[labels == 4] = 3
    stuck[:400][z[:400, 0] > 0.0] = 4
    stuck = np.eye(5)[stuck]
    monkeypatch.setattr(search.em, "fit_balanced", lambda *_: stuck)
    monkeypatch.setattr(search, "_furthest_apart", lambda *_: stuck)
    q = search.fit_auto(z, 5, 1e-3, 4, 0)
    assert accuracy(labels, stuck.argmax(axis=1)) < 0.8
    assert accuracy(labels, q.argmax(axis=1)) > 0.99


def test_one_cluster_is_all_there_is():
    z, _ = _blobs([50])
    np.testing.assert_array_equal(search.fit_auto(z, 1, 1e-3, 2, 0), np.ones([50, 1]))


@pytest.mark.parametrize("count", [2, 5])
def test_few_samples_and_twins_do(count):
    z = np.repeat(RNG(0).normal(size=[count, 4]), 2, axis=0)
    q = search.fit_auto(z, count, 1e-3, 2, 0)
    assert q.shape == (2 * count, count) and np.isfinite(q).all()


def test_the_seed_gives_the_clusters():
    z, _ = _blobs([300, 100, 50])
    runs = [search.fit_auto(z, 3, 1e-3, 2, 5) for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_likelihoods_of_the_clusters_are_that_of_all_up_to_a_constant():
    z, labels = _blobs([60, 30, 10])
    expected = 0.0
    for k in range(3):
        own = z[labels == k]
        at = stats.multivariate_normal(own.mean(axis=0), np.cov(own.T, ddof=0))
        expected += at.logpdf(own).sum() + len(own) * np.log(len(own) / len(z))
    q = np.eye(3)[labels]
    value = sum(search._likelihood_of(z, column, 0.0) for column in q.T)
    constant = 0.5 * z.size * (1 + np.log(2 * np.pi))
    assert value - constant == pytest.approx(expected)


def test_two_means_on_a_line_are_the_best_of_all_cuts():
    rng = RNG(0)
    points, weights = rng.normal(size=30), rng.uniform(0.1, 2.0, 30)

    def within(side):
        means = [
            np.average(points[side == s], weights=weights[side == s]) for s in (0, 1)
        ]
        return np.sum(weights * (points - np.take(means, side)) ** 2)

    cuts = [(points > cut).astype(int) for cut in np.sort(points)[:-1]]
    best = min(cuts, key=within)
    np.testing.assert_array_equal(search._two_means(points, weights), best)
