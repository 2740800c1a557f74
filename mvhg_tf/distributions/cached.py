"""Eager calls through cached `tf.function`s: loops run as graphs, traced once."""

import functools
from collections.abc import Callable

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util

# Graphs kept of each function. Few kinds of urns differ in more than their sizes, which
# are tensors; the bound is for a program that goes through all of them.
_MOST_VARIANTS = 64
# Functions of one and of two groups are others than those of more.
_SHORT_EVENT = 2


def cached(function: Callable) -> Callable:
    """Runs `function` as a graph when called eagerly, and inline in a graph.

    One graph serves all batch shapes of a rank and all sizes of urns. What it may rely
    on is the ranks, whether there are one, two or more groups, and Python values.
    """

    @functools.lru_cache(maxsize=_MOST_VARIANTS)
    def variant(key: tuple) -> Callable:
        return tf.function(function, autograph=False, reduce_retracing=True)

    @functools.wraps(function)
    def call(*args):
        leaves = tf.nest.flatten(args)
        if not tf.executing_eagerly() or _has_tangent(leaves):
            return function(*args)
        return variant(tuple(map(_outline, leaves)))(*args)

    return call


def _has_tangent(leaves) -> bool:
    """Whether a `tf.autodiff.ForwardAccumulator` follows one of the tensors.

    TensorFlow can't push tangents through a graph's loops from outside of it.
    """
    tensors = [leaf for leaf in leaves if tf.is_tensor(leaf)]
    return bool(forwardprop_util.pack_tangents(tensors).tangents)


def _outline(leaf) -> tuple:
    """What of an argument must stay known: of a tensor the rank, and a short event."""
    if not tf.is_tensor(leaf):
        return (leaf,)
    event = tuple(size for size in leaf.shape[-1:] if size <= _SHORT_EVENT)
    return tf.Tensor, leaf.dtype, leaf.shape.rank, event
