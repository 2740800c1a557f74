"""Whether XLA compiles the graph that is being made."""

from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util


def in_xla() -> bool:
    """True where the fastest way is another under XLA than without it."""
    return control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph())
