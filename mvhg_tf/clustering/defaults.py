"""Defaults that suit the data: likelihood, scaling, networks and epochs."""

from __future__ import annotations

import itertools

import numpy as np

from mvhg_tf.clustering.architectures import UNITS

_LATENT_DIM = 10
_SAMPLES_A_DIMENSION = 8
_SMALL_UNITS = (64, 64)
_NUMBERS_A_WEIGHT = 10
_LEAST_SHARE_AT_ENDS = 0.1
_STEPS, _FEWEST_EPOCHS, _MOST_EPOCHS = 120, 10, 50


def are_intensities(x: np.ndarray) -> bool:
    """Whether features share one bounded scale, like pixels or binary features.

    They do if most features that vary take both the least and the greatest value of x,
    and a tenth of all values are one of these two. In a table whose columns were mapped
    to [0, 1], each column takes both values, but rarely.

    Args:
      x: finite, `[N, D]`.
    """
    low, high = x.min(), x.max()
    varies = x.min(axis=0) < x.max(axis=0)
    if not varies.any():
        return False
    x = x[:, varies]
    is_low, is_high = x == low, x == high
    reach_both = is_low.any(axis=0) & is_high.any(axis=0)
    at_ends = np.mean(is_low | is_high)
    return bool(reach_both.mean() > 0.5 and at_ends >= _LEAST_SHARE_AT_ENDS)


def latent_dim_for(num_samples: int, num_features: int, num_clusters: int) -> int:
    """d: the paper's 10; fewer for few features, or few samples in a cluster.

    The start fits a full covariance to each cluster. It would overfit if a cluster of
    average size had fewer than eight samples for each dimension.
    """
    most = num_samples // (_SAMPLES_A_DIMENSION * num_clusters)
    return max(1, min(_LATENT_DIM, num_features, most))


def units_for(
    num_samples: int, num_features: int, latent_dim: int, is_table: bool
) -> tuple[int, ...]:
    """The units of the encoder's hidden layers.

    Pictures get the paper's. A table gets them only if it holds ten numbers for each
    weight of the networks; otherwise 64-64, by the same rule, or else no hidden layer.
    An autoencoder trained on a few hundred rows learns the rows rather than the
    clusters.

    Args:
      num_samples: N.
      num_features: D.
      latent_dim: d.
      is_table: whether the data are a table rather than pictures.
    """
    if not is_table:
        return UNITS
    for units in (UNITS, _SMALL_UNITS):
        widths = (num_features, *units, latent_dim)
        weights = 2 * sum(a * b for a, b in itertools.pairwise(widths))
        if num_samples * num_features >= _NUMBERS_A_WEIGHT * weights:
            return units
    return ()


def epochs_for(num_samples: int, batch_size: int) -> int:
    """Epochs of VaDE: as many as 120 steps take, but 10 to 50."""
    steps = -(-num_samples // batch_size)
    return min(max(-(-_STEPS // steps), _FEWEST_EPOCHS), _MOST_EPOCHS)
