"""How well clusters are separated: which edges between neighbours cross them."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

_NEIGHBOURS = 10
_MOST_SAMPLES = 5000  # whose edges are looked at; the neighbours are among all


class NeighbourGraph:
    """Edges from samples to their 10 nearest neighbours.

    The conductance of two sets of samples is the number of edges between them, over
    that of the edges' ends in the smaller one. It is near 0 where a gap lies between
    them, whatever their shapes and sizes, and about 1/2 where two equal sets overlap
    wholly.

    Args:
      z: samples, `[N, d]`, N at least 2.
      seed: of the choice of 5000 samples, where there are more.
    """

    def __init__(self, z: np.ndarray, seed: int) -> None:
        rows = np.arange(len(z))
        if len(z) > _MOST_SAMPLES:
            rows = np.random.default_rng(seed).choice(rows, _MOST_SAMPLES, False)
        count = min(_NEIGHBOURS, len(z) - 1)
        search = NearestNeighbors(n_neighbors=count + 1).fit(z)
        found = search.kneighbors(z[rows], return_distance=False)
        # A sample is its own neighbour, but not always the first where it has twins.
        found[np.all(found != rows[:, None], axis=1), -1] = -1
        found[found == rows[:, None]] = -1
        tails, places = np.nonzero(found >= 0)
        self._edges = np.stack([rows[tails], found[tails, places]])

    def conductance(self, first: np.ndarray, second: np.ndarray) -> float:
        """Of two disjoint sets, among their own edges.

        Args:
          first: which samples are in the one, bool `[N]`.
          second: which are in the other, bool `[N]`.

        Returns:
          0 to 1; 1 if one of them has no edges.
        """
        side = first.astype(np.int8) - second
        tails, heads = side[self._edges]
        inside = (tails != 0) & (heads != 0)
        crossing = np.sum(inside & (tails != heads))
        ends = [
            np.sum(inside & (ends == s)) for ends in (tails, heads) for s in (1, -1)
        ]
        volume = min(ends[0] + ends[2], ends[1] + ends[3])
        return float(crossing / volume) if volume else 1.0

    def mean_conductance(self, clusters: np.ndarray, num_clusters: int) -> float:
        """The mean over the clusters, each against all the others.

        Args:
          clusters: of the samples, `[N]`, in 0..K - 1.
          num_clusters: K; a cluster without edges counts as 1.
        """
        tails, heads = clusters[self._edges]
        crossing = tails != heads

        def count(ends: np.ndarray) -> np.ndarray:
            return np.bincount(ends, minlength=num_clusters)

        volumes = count(tails) + count(heads)
        cut = count(tails[crossing]) + count(heads[crossing])
        return float(np.where(volumes > 0, cut / np.maximum(volumes, 1), 1.0).mean())
