"""Exact draws: an order of the elements, cut into groups of the drawn sizes.

The order is that of a race (Plackett-Luce): element i arrives at an exponential time of
the rate exp(score_i). Its log is minus the key score_i + Gumbel noise, so that sorting
the keys in descending order is the race.
"""

from typing import NamedTuple

import tensorflow as tf
from tensorflow_probability.python.internal import prefer_static as ps

from mvhg_tf.distributions.inversion import uniform
from mvhg_tf.distributions.urn import Size


class Race(NamedTuple):
    """The outcome of races.

    Attributes:
      keys: minus the logs of the arrival times, float64 `[S, B..., n]`.
      order: the elements in the order of their arrival, int32 `[S, B..., n]`.
      places: of each element its place, from 0, int32 `[S, B..., n]`.
    """

    keys: tf.Tensor
    order: tf.Tensor
    places: tf.Tensor


def run(scores: tf.Tensor, num_draws: Size, seed: tf.Tensor) -> Race:
    """Runs races.

    Args:
      scores: logs of the rates, float64 `[B..., n]`, finite.
      num_draws: S, int or int32 scalar.
      seed: stateless seed, int32 `[2]`.

    Returns:
      The races.
    """
    shape = ps.concat([[num_draws], ps.shape(scores)], axis=0)
    keys = scores - tf.math.log(-tf.math.log(uniform(shape, seed)))
    order = tf.argsort(keys, axis=-1, direction="DESCENDING", stable=True)
    return Race(keys, order, tf.argsort(order, axis=-1, stable=True))


def fill(places: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """The groups that elements at places fall into.

    Args:
      places: int32 `[..., n]`.
      sizes: of the groups, whole numbers `[..., K]` that sum to n.

    Returns:
      int32 `[..., n]`, 0..K-1.
    """
    ends = tf.cast(tf.cumsum(sizes, axis=-1), tf.int32)[..., tf.newaxis, :-1]
    beyond = tf.cast(places[..., tf.newaxis] >= ends, tf.int32)
    return tf.reduce_sum(beyond, axis=-1)
