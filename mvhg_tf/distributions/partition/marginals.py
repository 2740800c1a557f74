"""The mean of the assignment: P(element i is in group k), by quadrature.

Element i, which arrives at t, is in one of the first b groups if fewer than C_b of the
others arrived before t:

    P = int s_i e^(-s_i t) sum_j P(C_b > j) P(j others by t) dt

The number of others is a sum of independent Bernoulli variables. Its generating
function on the unit circle is that of all elements without the factor of i.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.partition.sizes import boundary_tails
from mvhg_tf.distributions.urn import CORE_DTYPE

# The nodes reach from exp(-_EARLY) means of the fastest to exp(_LATE) of the slowest.
_EARLY, _LATE = 33.0, 3.7
# A step in log t is at most 1 / sqrt(n + _OFFSET), if scores differ by up to _SPREAD.
_OFFSET, _SPREAD = 13, 20.0
# Numbers held at a time: nodes times elements times angles.
_CHUNK = 2**18
_MOST_LOG = 6.5  # exp(-exp of it) is 0


def mean(log_weights: tf.Tensor, scores: tf.Tensor, num_elements: int) -> tf.Tensor:
    """E[assignment].

    Args:
      log_weights: float64 `[B..., K]`.
      scores: float64 `[B..., n]`, of the same batch shape.
      num_elements: n.

    Returns:
      float64 `[B..., n, K]`, differentiable.
    """
    num_angles = num_elements + 1 - num_elements % 2  # odd: none is pi
    angles = 2.0 * np.pi / num_angles * np.arange(num_angles // 2 + 1)
    real, imaginary = _others_in_time(scores, num_elements, angles)
    # The other angles are their conjugates.
    weights = np.where(angles == 0.0, 1.0, 2.0) / num_angles
    phases = np.arange(num_elements)[:, np.newaxis] * angles
    tails = boundary_tails(log_weights, num_elements)
    tails_re = tf.matmul(tails, tf.constant(np.cos(phases) * weights, CORE_DTYPE))
    tails_im = tf.matmul(tails, tf.constant(np.sin(phases) * weights, CORE_DTYPE))
    inside = tf.matmul(real, tails_re, transpose_b=True)
    inside += tf.matmul(imaginary, tails_im, transpose_b=True)
    # The last is the integral of the density, 1 but for the error of the quadrature.
    inside /= inside[..., -1:]
    first = tf.zeros_like(inside[..., :1])
    return inside - tf.concat([first, inside[..., :-1]], axis=-1)


def _others_in_time(
    scores: tf.Tensor, num_elements: int, angles: NDArray[np.floating[Any]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The generating function of the others' number, averaged over the arrival.

    Returns:
      Its real and imaginary parts at the angles, `[B..., n, A]` each.
    """
    num_nodes = int(
        np.ceil((_EARLY + _LATE + _SPREAD) * np.sqrt(num_elements + _OFFSET))
    )
    low = tf.stop_gradient(-tf.reduce_max(scores, axis=-1)) - _EARLY
    high = tf.stop_gradient(-tf.reduce_min(scores, axis=-1)) + _LATE
    step = ((high - low) / num_nodes)[..., tf.newaxis]
    size = max(1, min(num_nodes, _CHUNK // (num_elements * len(angles))))

    def add_nodes(
        i: tf.Tensor, real: tf.Tensor, imaginary: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        # Beyond the last node nobody is left to arrive: further ones add nothing.
        nodes = tf.cast(i * size + tf.range(size), CORE_DTYPE) + 0.5
        log_times = low[..., tf.newaxis] + step * nodes
        log_arrivals = scores[..., tf.newaxis] + log_times[..., tf.newaxis, :]
        more_real, more_imaginary = _others_at(log_arrivals, angles)
        return i + 1, real + more_real, imaginary + more_imaginary

    num_chunks = -(-num_nodes // size)
    zeros = tf.zeros(ps.concat([ps.shape(scores), [len(angles)]], axis=0), CORE_DTYPE)
    _, real, imaginary = tf.while_loop(
        lambda i, *_: i < num_chunks,
        add_nodes,
        (tf.constant(0), zeros, zeros),
        maximum_iterations=num_chunks,
    )
    return real * step[..., tf.newaxis], imaginary * step[..., tf.newaxis]


def _others_at(
    log_arrivals: tf.Tensor, angles: NDArray[np.floating[Any]]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Of each element, its density times the others' generating function, summed.

    Args:
      log_arrivals: log of the rates times the nodes' times, `[B..., n, Q]`.
      angles: `[A]`.

    Returns:
      Real and imaginary parts, `[B..., n, A]` each.
    """
    x = tf.exp(tf.minimum(log_arrivals, _MOST_LOG))
    density = (x * tf.exp(-x))[..., tf.newaxis]
    arrived = -tf.math.expm1(-x)[..., tf.newaxis]
    variance = arrived * tf.exp(-x)[..., tf.newaxis]
    square = tf.constant(2.0 * np.sin(angles / 2.0) ** 2, CORE_DTYPE)
    log_size = 0.5 * tf.math.log1p(-2.0 * variance * square)
    turn = tf.atan2(
        arrived * tf.constant(np.sin(angles), CORE_DTYPE), 1.0 - arrived * square
    )
    log_size = tf.reduce_sum(log_size, axis=-3, keepdims=True) - log_size
    turn = tf.reduce_sum(turn, axis=-3, keepdims=True) - turn
    size = density * tf.exp(log_size)
    return (
        tf.reduce_sum(size * tf.cos(turn), axis=-2),
        tf.reduce_sum(size * tf.sin(turn), axis=-2),
    )
