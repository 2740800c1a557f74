"""Pairs of a data set of any kind, even if no factors are known."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.data.listed_pairs import ListedPairs
from mvhg_tf.disentanglement.sources.pairs import dynamics_of, sample_pairs


class AnyPairs(NamedTuple):
    """N pairs of images, with what is known of them.

    Attributes:
      images_1: float32 `[N, H, W, C]` in [0, 1].
      images_2: float32 `[N, H, W, C]` in [0, 1].
      labels: int32 `[N]`, one factor that differs, -1 if none does or none is known.
      k: int `[N]`, how many factors differ; None if that is not known.
      differing: bool `[N, F]`, which factors differ; None if that is not known.
    """

    images_1: np.ndarray
    images_2: np.ndarray
    labels: np.ndarray
    k: np.ndarray | None = None
    differing: np.ndarray | None = None


def any_pairs(
    ground_truth_data: GroundTruthData,
    num: int,
    random_state: np.random.RandomState,
    batch_size: int,
) -> Iterator[AnyPairs]:
    """Draws pairs in batches; listed pairs at most once each.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      num: how many in all; of listed pairs there may be fewer.
      random_state: the draw depends on it alone.
      batch_size: how many at a time.

    Raises:
      UserError: if there are no pairs as gin's `dynamics` asks for.
    """
    if isinstance(ground_truth_data, ListedPairs):
        chosen = random_state.permutation(len(ground_truth_data.pairs))[:num]
        for start in range(0, len(chosen), batch_size):
            places = chosen[start : start + batch_size]
            yield _listed(ground_truth_data, places, random_state)
        return
    dynamics = dynamics_of(ground_truth_data)
    for start in range(0, num, batch_size):
        size = min(batch_size, num - start)
        pairs = sample_pairs(ground_truth_data, size, random_state, dynamics)
        yield AnyPairs(
            pairs.images_1, pairs.images_2, pairs.labels, pairs.k, ~pairs.shared
        )


def _listed(
    listed: ListedPairs, places: np.ndarray, random_state: np.random.RandomState
) -> AnyPairs:
    """The pairs at these places of the list."""
    rows = listed.pairs[places]
    images_1, images_2 = (listed.observations_of_rows(view) for view in rows.T)
    k = None if listed.k is None else listed.k[places]
    labels, differing = np.full(len(rows), -1, np.int32), None
    if listed.factors is not None:
        first, second = (listed.factors[view] for view in rows.T)
        differing = first != second
        # Any one of those that differ: the one that a random order puts in front.
        noise = np.where(differing, random_state.uniform(size=differing.shape), -1)
        some = differing.any(axis=1)
        labels = np.where(some, noise.argmax(axis=1), -1).astype(np.int32)
    return AnyPairs(images_1, images_2, labels, k, differing)
