"""Runs eager calls through cached `tf.function`s."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import forwardprop_util
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util, gradients_util

P = ParamSpec("P")
R = TypeVar("R")

# Graphs kept for each function. Urns rarely differ in more than their sizes, which are
# tensors; the bound is for a program that goes through many kinds of urns.
_MOST_VARIANTS = 64
# One and two groups have functions of their own.
_SHORT_EVENT = 2


def cached(function: Callable[P, R], keep_events: bool = False) -> Callable[P, R]:
    """Runs `function` as a graph when called eagerly, and inline in a graph.

    Eager calls are also inline if they are differentiated twice, or in forward mode.

    Args:
      function: of tensors, structures of them and Python values.
      keep_events: Whether the last axis of every tensor must stay known, at the cost of
        a graph for each size.

    One graph serves all batch shapes of a rank and all sizes of urns. It may rely on
    the ranks, on whether there are one, two or more groups, and on Python values.
    """

    @functools.lru_cache(maxsize=_MOST_VARIANTS)
    def variant(key: tuple[object, ...]) -> Callable[..., Any]:
        return tf.function(function, autograph=False, reduce_retracing=True)

    # AutoGraph has nothing to convert, and would take most of the tracing time.
    @tf.autograph.experimental.do_not_convert
    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        leaves = tf.nest.flatten((args, kwargs))
        if not tf.executing_eagerly() or _needs_operations(leaves):
            return function(*args, **kwargs)
        longest = np.inf if keep_events else _SHORT_EVENT
        run = variant(tuple(_outline(leaf, longest) for leaf in leaves))
        return run(*args, **kwargs)

    return call


def _needs_operations(leaves: Sequence[object]) -> bool:
    """Whether the call needs derivatives that graphs compute slowly or not at all.

    A second derivative makes TensorFlow trace a graph's backward pass anew at every
    call, for seconds; and a `tf.autodiff.ForwardAccumulator` can't push tangents
    through the loops of a graph from outside of it.
    """
    tensors = [leaf for leaf in leaves if tf.is_tensor(leaf)]
    kind = gradients_util.PossibleTapeGradientTypes(tensors)
    if kind == gradients_util.POSSIBLE_GRADIENT_TYPES_HIGHER_ORDER:
        return True
    return bool(forwardprop_util.pack_tangents(tensors).tangents)


def _outline(leaf: Any, longest: float) -> tuple[object, ...]:
    """What must stay known of an argument: a tensor's rank, and a short event."""
    if not tf.is_tensor(leaf):
        return (leaf,)
    event = tuple(size for size in leaf.shape[-1:] if size <= longest)
    return tf.Tensor, leaf.dtype, leaf.shape.rank, event


def in_xla() -> bool:
    """Whether the code runs under XLA, where other ways are the fastest."""
    return bool(control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()))
