"""Predictions as a run keeps them: each file with a note of what was answered, and by what."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.errors import UserError
from tfglue.files import digest_bytes, digest_file, read_json, write_json, write_text
from tfglue.form import check_form
from tfglue.run_folder import RunFolder

if TYPE_CHECKING:
    from tfglue.data.examples import Examples

FORMAT = "tfglue.predictions.v1"

_FORM = {"format": str, "predictions": str, "examples": str, "weights": str}


class KeptPredictions:
    """The files under ``predictions/``, each ``<task>/<split>.tsv`` with its note ``<split>.json``.

    Ids and numbers of rows are alike in every test set of a task, so they cannot tell whether a
    file answers the texts at hand, nor whether the weights were changed since. The note holds
    digests of the examples (ids and texts), of the weights, and of the file that it speaks of.

    Args:
        weights: folder of the weights that answer: a run, or one of its epochs.
    """

    def __init__(self, weights: Path):
        self.folder = RunFolder(weights)

    def path(self, task: str, split: str) -> Path:
        """File of the predictions for a split."""
        return self.folder.predictions(task, split)

    def write(self, task: str, split: str, text: str, examples: "Examples") -> None:
        """Writes predictions, then their note.

        Args:
            task: name of the task answered.
            split: name of the split.
            text: the predictions, as `Predictions.to_tsv` makes them.
            examples: the rows that were answered.

        Raises:
            CannotWrite: the file system refuses.
        """
        path = self.path(task, split)
        # Between the two writes the old note stands beside the new file, and does not fit it.
        write_text(path, text)
        write_json(
            _note(path),
            {
                "format": FORMAT,
                "predictions": digest_file(path),
                "examples": _examples_digest(examples),
                "weights": self._weights_digest,
            },
        )

    def objection(self, task: str, split: str, examples: "Examples") -> str:
        """Why the file is not what these weights say of these examples; empty if it is.

        Raises:
            UserError: weights are missing.
        """
        path = self.path(task, split)
        note = _note(path)
        if not note.exists():
            return f"has no note of what it answers ({note.name})"
        try:
            content = read_json(note)
            check_form(content, _FORM, str(note))
        except UserError:
            return f"has a damaged note ({note.name})"
        if content["predictions"] != digest_file(path):
            return f"is not the file that {note.name} speaks of"
        if content["examples"] != _examples_digest(examples):
            return "answers other texts"
        if content["weights"] != self._weights_digest:
            return "is of other weights"
        return ""

    @cached_property
    def _weights_digest(self) -> str:
        files = [self.folder.path / "encoder.safetensors"]
        files += sorted((self.folder.path / "heads").glob("*.safetensors"))
        return digest_bytes(*(f"{path.name} {digest_file(path)}".encode() for path in files))


def _note(predictions: Path) -> Path:
    return predictions.with_suffix(".json")


def _examples_digest(examples: "Examples") -> str:
    # A split read without its labels gets the same answers.
    return replace(examples, labels=None).digest()
