"""Transfer learning with BERT on GLUE, SQuAD and sequence labelling, in Keras 3 / TensorFlow.

Importing this loads no TensorFlow; public names are loaded when they are first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "BertEncoder": "tfglue.models.encoder",
    "BertTokenizer": "tfglue.data.tokenizer",
    "Run": "tfglue.run",
    "Task": "tfglue.tasks.task",
    "UserError": "tfglue.errors",
}

__all__ = [*_PUBLIC, "tasks", "metrics"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in ("tasks", "metrics"):
        return importlib.import_module(f"tfglue.{name}")
    raise AttributeError(f"module 'tfglue' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
