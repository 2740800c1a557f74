"""Eager calls through cached `tf.function`s: loops run as graphs, traced once."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import forwardprop_util
from tensorflow.python.ops import gradients_util

# Graphs kept of each function. Few kinds of urns differ in more than their sizes, which
# are tensors; the bound is for a program that goes through all of them.
_MOST_VARIANTS = 64
# Functions of one and of two groups are others than those of more.
_SHORT_EVENT = 2


def cached(function: Callable, keep_events: bool = False) -> Callable:
    """Runs `function` as a graph when called eagerly, and inline in a graph.

    Eager calls that are to be differentiated twice, or forwards, are inline too.

    Args:
      function: of tensors, structures of them and Python values.
      keep_events: Whether the last axis of every tensor must stay known, at the cost of
        a graph for each size.

    One graph serves all batch shapes of a rank and all sizes of urns. What it may rely
    on is the ranks, whether there are one, two or more groups, and Python values.
    """

    @functools.lru_cache(maxsize=_MOST_VARIANTS)
    def variant(key: tuple) -> Callable:
        return tf.function(function, autograph=False, reduce_retracing=True)

    @functools.wraps(function)
    def call(*args):
        leaves = tf.nest.flatten(args)
        if not tf.executing_eagerly() or _needs_operations(leaves):
            return function(*args)
        longest = np.inf if keep_events else _SHORT_EVENT
        return variant(tuple(_outline(leaf, longest) for leaf in leaves))(*args)

    return call


def _needs_operations(leaves) -> bool:
    """Whether derivatives are asked for that graphs are slow at, or can't have.

    A second derivative makes TensorFlow trace a graph's backward pass anew at every
    call, for seconds; and a `tf.autodiff.ForwardAccumulator` can't push tangents
    through the loops of a graph from outside of it.
    """
    tensors = [leaf for leaf in leaves if tf.is_tensor(leaf)]
    kind = gradients_util.PossibleTapeGradientTypes(tensors)
    if kind == gradients_util.POSSIBLE_GRADIENT_TYPES_HIGHER_ORDER:
        return True
    return bool(forwardprop_util.pack_tangents(tensors).tangents)


def _outline(leaf, longest: float) -> tuple:
    """What of an argument must stay known: of a tensor the rank, and a short event."""
    if not tf.is_tensor(leaf):
        return (leaf,)
    event = tuple(size for size in leaf.shape[-1:] if size <= longest)
    return tf.Tensor, leaf.dtype, leaf.shape.rank, event
