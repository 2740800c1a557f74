"""Eager calls through cached `tf.function`s: loops run as graphs, traced once."""

import functools
from collections.abc import Callable

import tensorflow as tf

# Graphs kept of each function: a loop over urns of ever other sizes, each of which is
# traced, must not fill the memory.
_MOST_VARIANTS = 128


def cached(function: Callable) -> Callable:
    """Runs `function` as a graph when called eagerly, and inline in a graph.

    A trace serves all batch sizes. Ranks and event sizes stay known in it, and so
    do Python values, such as the sizes of tables.
    """

    @functools.lru_cache(maxsize=_MOST_VARIANTS)
    def variant(key: tuple) -> Callable:
        return tf.function(function, autograph=False, reduce_retracing=True)

    @functools.wraps(function)
    def call(*args):
        if not tf.executing_eagerly():
            return function(*args)
        key = tuple(_outline(leaf) for leaf in tf.nest.flatten(args))
        return variant(key)(*args)

    return call


def _outline(leaf) -> tuple:
    """What of an argument must stay known: of a tensor the rank and event size."""
    if not tf.is_tensor(leaf):
        return (leaf,)
    return tf.Tensor, leaf.dtype, leaf.shape.rank, tuple(leaf.shape[-1:])
