"""Graphs of Python functions."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def traced(function: Callable, signature: Sequence[Any] | None) -> Callable:
    """The function as a graph.

    Args:
        function: branches on no tensor, so AutoGraph, which makes tracing a third slower, is left
            out.
        signature: what it takes; None for a graph for every new shape.
    """
    graph = tf.function(function, input_signature=signature, autograph=False)
    # Called through the graph itself, the function of an eighth task is not taken by TensorFlow
    # for one function that is traced again and again, which it would warn of.
    return graph if signature is None else graph.get_concrete_function()
