"""Pairs of a data set, as encoded and divided by a model."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from mvhg_tf.disentanglement.data.ground_truth import GroundTruthData
from mvhg_tf.disentanglement.sources.dynamics import Dynamics
from mvhg_tf.disentanglement.sources.grid_parts import GridPart
from mvhg_tf.disentanglement.sources.pairs import sample_pairs


class EncodedPairs(NamedTuple):
    """N pairs over F factors and d latents: the truth, and what a model makes of it.

    Attributes:
      factors: int `[2, N, F]`, of both views.
      means: float `[2, N, d]`, the posterior means after aggregation.
      log_variances: float `[2, N, d]`, of the same posteriors.
      shared: bool `[N, d]`, which latents the model takes to be shared.
      k_hat: int `[N]`, how many it takes to be independent.
      codes: float `[N, d]`, the representation of the first view alone.
    """

    factors: np.ndarray
    means: np.ndarray
    log_variances: np.ndarray
    shared: np.ndarray
    k_hat: np.ndarray
    codes: np.ndarray

    @property
    def shared_factors(self) -> np.ndarray:
        """bool `[N, F]`, which factors have the same value in both views."""
        return self.factors[0] == self.factors[1]


class PairRepresentation(Protocol):
    """A `Representation` of a model trained on pairs."""

    def pair(
        self, images_1: np.ndarray, images_2: np.ndarray, labels: np.ndarray | None
    ) -> Any:
        """Means, log variances and the selection, see `Representation.pair`."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The representation `[N, d]` of images, see `Representation`."""


def encode_pairs(
    ground_truth_data: GroundTruthData,
    representation: PairRepresentation,
    random_state: np.random.RandomState,
    num: int,
    batch_size: int,
    dynamics: Dynamics | None,
    part: GridPart | None = None,
) -> EncodedPairs:
    """Draws pairs, `batch_size` at a time, and encodes them.

    Args:
      ground_truth_data: a disentanglement_lib `GroundTruthData`.
      representation: of a model trained on pairs.
      random_state: of the pairs.
      num: N, how many.
      batch_size: pairs encoded at once.
      dynamics: which factors differ.
      part: if given, the part of the grid that all images are of.
    """
    batches = []
    # Full batches, as TensorFlow compiles for each size anew; the rest is cut off.
    for _ in range(0, num, batch_size):
        pairs = sample_pairs(
            ground_truth_data, batch_size, random_state, dynamics, part
        )
        outputs = representation.pair(pairs.images_1, pairs.images_2, pairs.labels)
        batches.append(
            EncodedPairs(
                factors=np.stack([pairs.factors_1, pairs.factors_2]),
                means=np.stack([outputs.mean_1, outputs.mean_2]),
                log_variances=np.stack([outputs.logvar_1, outputs.logvar_2]),
                shared=outputs.shared,
                k_hat=outputs.k_hat,
                codes=representation(pairs.images_1),
            )
        )
    fields = EncodedPairs(*zip(*batches, strict=True))
    return EncodedPairs(
        factors=np.concatenate(fields.factors, axis=1)[:, :num],
        means=np.concatenate(fields.means, axis=1)[:, :num],
        log_variances=np.concatenate(fields.log_variances, axis=1)[:, :num],
        shared=np.concatenate(fields.shared)[:num],
        k_hat=np.concatenate(fields.k_hat)[:num],
        codes=np.concatenate(fields.codes)[:num],
    )
