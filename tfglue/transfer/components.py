"""What an embedding of a task consists of: components, under their published names."""

import re

AVERAGE, POOLED = "avg_sequence_output", "pooled_output"
"""Components of TextEmb: the mean over texts of mean hidden states, and of the pooled output."""

CLS = "cls_output"
"""The pooled output in TaskEmb, of tasks whose head reads it."""

METHODS = ("text", "task")


def attention_output(layer: int) -> str:
    """What the heads of a layer, counted from 0, say side by side, before their projection."""
    return f"encoder.layer.{layer}.multihead_output"


def layer_output(layer: int) -> str:
    """The output of a layer, counted from 0."""
    return f"encoder.layer.{layer}.layer_output"


def layer_of_output(component: str) -> int | None:
    """The layer whose `layer_output` a component is, or None."""
    found = re.fullmatch(r"encoder\.layer\.(\d+)\.layer_output", component)
    return int(found[1]) if found else None


def is_activation(component: str) -> bool:
    """Whether a component is of something the model computes, not of a weight."""
    return component in (AVERAGE, POOLED, CLS) or component.endswith(
        (".layer_output", ".multihead_output")
    )


def method_of(component: str) -> str:
    """The method that makes files of this name, where no manifest says it."""
    return "text" if component in (AVERAGE, POOLED) else "task"
