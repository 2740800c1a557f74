"""Eager calls through cached `tf.function`s: loops run as graphs, traced once."""

import functools
from collections.abc import Callable

import tensorflow as tf


def cached(function: Callable) -> Callable:
    """Runs `function` as a graph when called eagerly, and inline in a graph.

    The trace is kept for each structure of arguments: Python values by value,
    tensors by dtype and shape, shapes that vary as unknown ones.
    """
    compiled = tf.function(function, autograph=False, reduce_retracing=True)

    @functools.wraps(function)
    def call(*args, **kwargs):
        if tf.executing_eagerly():
            return compiled(*args, **kwargs)
        return function(*args, **kwargs)

    return call
