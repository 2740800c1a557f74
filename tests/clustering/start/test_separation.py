import numpy as np
import pytest
from sklearn.neighbors import kneighbors_graph

from mvhg_tf.clustering.start import separation
from mvhg_tf.clustering.start.separation import NeighbourGraph

RNG = np.random.default_rng


def _edges(z):
    """The graph as a matrix, `[N, N]`, of scikit-learn."""
    return kneighbors_graph(z, 10).toarray()


def _conductance(edges, first, second):
    between = edges[np.ix_(first, second)].sum() + edges[np.ix_(second, first)].sum()
    ends = [2 * edges[np.ix_(own, own)].sum() + between for own in (first, second)]
    return between / min(ends)


def test_conductance_counts_the_edges_of_two_sets():
    z = RNG(0).normal(size=[80, 3])
    clusters = RNG(1).integers(3, size=80)
    edges, graph = _edges(z), NeighbourGraph(z, 0)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        first, second = clusters == i, clusters == j
        expected = _conductance(edges, first, second)
        assert graph.conductance(first, second) == pytest.approx(expected)
    # Against all the others, each cluster's edges count, whichever side is smaller.
    each = [
        edges[np.ix_(own, ~own)].sum() + edges[np.ix_(~own, own)].sum()
        for own in (clusters == k for k in range(3))
    ]
    ends = [
        edges[clusters == k].sum() + edges[:, clusters == k].sum() for k in range(3)
    ]
    expected = np.mean(np.divide(each, ends))
    assert graph.mean_conductance(clusters, 3) == pytest.approx(expected)


def test_a_gap_has_no_conductance_and_chance_has_a_half():
    z = RNG(0).normal(size=[400, 2])
    z[:100] += 50.0
    graph = NeighbourGraph(z, 0)
    far = np.arange(400) < 100
    assert graph.conductance(far, ~far) == 0.0
    # Halves by a coin: an edge crosses with the probability 1/2. There are 4000 edges,
    # though dependent ones; 0.05 is six standard deviations of independent ones.
    coin = RNG(1).permutation(400) % 2 == 0
    assert graph.conductance(coin, ~coin) == pytest.approx(0.5, abs=0.05)


def test_empty_sets_and_clusters_count_as_wholly_overlapping():
    z = RNG(0).normal(size=[30, 2])
    graph, everything = NeighbourGraph(z, 0), np.ones(30, bool)
    assert graph.conductance(everything, ~everything) == 1.0
    assert graph.mean_conductance(np.zeros(30, int), 2) == pytest.approx(0.5)


def test_a_sample_is_no_neighbour_of_itself_even_among_twins():
    z = np.zeros([40, 2])
    z[20:] += 1.0
    tails, heads = NeighbourGraph(z, 0)._edges
    assert np.all(tails != heads)
    np.testing.assert_array_equal(np.bincount(tails), np.full(40, 10))
    assert NeighbourGraph(z, 0).mean_conductance(np.arange(40) // 20, 2) == 0.0


def test_two_samples_have_a_graph():
    assert NeighbourGraph(np.eye(2), 0).mean_conductance(np.arange(2), 2) == 1.0


def test_of_many_samples_some_stand_for_all(monkeypatch):
    z = RNG(0).normal(size=[2000, 2])
    left = z[:, 0] < 0
    whole = NeighbourGraph(z, 0).conductance(left, ~left)
    monkeypatch.setattr(separation, "_MOST_SAMPLES", 500)
    some = NeighbourGraph(z, 0)
    assert len(np.unique(some._edges[0])) == 500
    assert some.conductance(left, ~left) == pytest.approx(whole, rel=0.4)
