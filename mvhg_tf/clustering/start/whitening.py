"""Coordinates of the embeddings in which diagonal covariances fit the clusters.

VaDE's mixture has diagonal covariances, but an autoencoder may rotate and stretch its
embeddings arbitrarily. An invertible linear map costs nothing: the last layer of the
encoder absorbs it, and the first layer of the decoder absorbs its inverse.
"""

from __future__ import annotations

import keras
import numpy as np

from mvhg_tf.runs.errors import UserError

_SWEEPS = 20
_LEAST_TURN = 1e-8  # radians


def whitening(covariances: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """A matrix A, `[d, d]`: z A has pooled covariance I, each nearly diagonal.

    Args:
      covariances: of the clusters, `[K, d, d]`, their pooled one positive definite.
      shares: of the samples in each cluster, `[K]`, which sum to 1.
    """
    pooled = np.tensordot(shares, covariances, axes=1)
    variances, axes = np.linalg.eigh(pooled)
    whiten = axes / np.sqrt(variances)
    inside = whiten.T @ covariances @ whiten
    return whiten @ joint_diagonaliser(inside * shares[:, None, None])


def joint_diagonaliser(matrices: np.ndarray) -> np.ndarray:
    """The rotation R that makes all R' C_k R as diagonal as it can.

    Jacobi rotations of least squares of the off-diagonal entries (Cardoso and
    Souloumiac, "Jacobi angles for simultaneous diagonalization", 1996).

    Args:
      matrices: symmetric, `[K, d, d]`; greater ones count for more.

    Returns:
      float64 `[d, d]`, orthogonal.
    """
    matrices = np.array(matrices, np.float64)
    size = matrices.shape[-1]
    rotation = np.eye(size)
    for _ in range(_SWEEPS):
        greatest = 0.0
        for i in range(size - 1):
            for j in range(i + 1, size):
                angle = _best_angle(matrices, i, j)
                turn = np.array(
                    [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
                )
                pair = [i, j]
                matrices[:, :, pair] = matrices[:, :, pair] @ turn
                matrices[:, pair] = turn.T @ matrices[:, pair]
                rotation[:, pair] = rotation[:, pair] @ turn
                greatest = max(greatest, abs(angle))
        if greatest < _LEAST_TURN:
            break
    return rotation


def _best_angle(matrices: np.ndarray, i: int, j: int) -> float:
    apart = matrices[:, i, i] - matrices[:, j, j]
    across = 2.0 * matrices[:, i, j]
    even = apart @ apart - across @ across
    odd = 2.0 * apart @ across
    return 0.5 * np.arctan2(odd, even + np.hypot(even, odd))


class LinearEnds:
    """The layers between which the embeddings lie, if both are plain and linear.

    Args:
      encoder: its first output must come straight from a linear `Dense` with a bias.
      decoder: its input must go to such a layer alone, of any activation.

    Raises:
      UserError: a ValueError, if they don't.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model) -> None:
        mean = encoder.outputs[0]
        last = [layer for layer in encoder.layers if _touches(layer, "output", mean)]
        read = [layer for layer in encoder.layers if _touches(layer, "input", mean)]
        first = [
            layer
            for layer in decoder.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and _touches(layer, "input", decoder.inputs[0])
        ]
        linear = all(
            len(layers) == 1 and isinstance(layers[0], keras.layers.Dense)
            for layers in (last, first)
        )
        if (
            not linear
            or read
            or last[0].activation is not keras.activations.linear
            or last[0].bias is None
            or first[0].bias is None
        ):
            raise UserError(
                "whiten is True, but works only if the encoder's mean comes from a "
                "linear Dense layer with a bias and the decoder begins with a Dense "
                "layer with a bias: pass whiten=False, or such networks."
            )
        self._last, self._first = last[0], first[0]

    def transform(self, matrix: np.ndarray, centre: np.ndarray) -> None:
        """Makes the embeddings (z - centre) A, and leaves reconstructions alone."""
        kernel, bias = (np.float64(w) for w in self._last.get_weights())
        self._last.set_weights([kernel @ matrix, (bias - centre) @ matrix])
        kernel, bias = (np.float64(w) for w in self._first.get_weights())
        self._first.set_weights(
            [np.linalg.solve(matrix, kernel), bias + centre @ kernel]
        )


def _touches(layer: keras.layers.Layer, end: str, tensor: keras.KerasTensor) -> bool:
    try:
        ends = keras.tree.flatten(getattr(layer, end))
    except AttributeError:  # called not at all, or more than once
        return False
    return any(one is tensor for one in ends)
