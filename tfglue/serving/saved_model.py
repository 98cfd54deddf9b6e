"""Signatures as a SavedModel on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfglue.serving.signatures import Signature


def write_saved_model(folder: Path, signatures: Sequence[Signature]) -> dict[str, dict[str, Any]]:
    """Writes ``saved_model.pb`` and ``variables/``.

    The archive tracks no model: it finds the variables that signatures use by itself, and a tracked
    model would be stored a second time.

    Returns:
        For each signature by name ``form`` and ``task``, and ``inputs`` and ``outputs``: type and
        shape by name, such as "string (batch)".
    """
    archive = keras.export.ExportArchive()
    found = {}
    for signature in signatures:
        specs = dict(signature.specs)
        function = archive.add_endpoint(signature.name, signature.function, [specs])
        outputs = function.get_concrete_function().structured_outputs
        found[signature.name] = {
            "form": signature.form, "task": signature.task,
            "inputs": {name: _shown(specs[name]) for name in specs},
            "outputs": {name: _shown(outputs[name]) for name in sorted(outputs)},
        }
    archive.write_out(str(folder), verbose=False)
    return found


def _shown(spec: tf.TensorSpec) -> str:
    sizes = ["batch", *("any" if size is None else str(size) for size in spec.shape[1:])]
    return f"{spec.dtype.name} ({', '.join(sizes)})"
