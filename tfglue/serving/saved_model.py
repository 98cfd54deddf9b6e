"""Signatures as a SavedModel on disk."""

from collections.abc import Sequence
from pathlib import Path

import keras

from tfglue.serving.signatures import Signature


def write_saved_model(folder: Path, signatures: Sequence[Signature]) -> None:
    """Writes ``saved_model.pb`` and ``variables/``.

    The archive tracks no model: it finds the variables that signatures use by itself, and a tracked
    model would be stored a second time.
    """
    archive = keras.export.ExportArchive()
    for signature in signatures:
        archive.add_endpoint(signature.name, signature.function, [dict(signature.specs)])
    archive.write_out(str(folder), verbose=False)
