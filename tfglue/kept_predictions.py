"""Predictions as a run keeps them: the files of a split, and a note of what they answer."""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.files import digest_bytes, digest_file, read_json, write_json, write_text
from tfglue.form import check_form
from tfglue.run_folder import PART_KINDS, RunFolder

if TYPE_CHECKING:
    from tfglue.data.examples import Examples
    from tfglue.predictions.predictions import Predictions

FORMAT = "tfglue.predictions.v1"

_FORM = {"format": str, "predictions": {str: str}, "examples": str, "weights": str}
_JSON_LINES = ".jsonl"


class KeptPredictions:
    """What lies under ``predictions/``: ``<task>/<split>.tsv`` or a folder, and ``<split>.json``.

    Ids and numbers of rows are alike in every test set of a task, so they cannot tell whether a
    file answers the texts at hand, nor whether the weights were changed since. The note holds
    digests of the examples (ids and texts), of the weights, and of the files that it speaks of.
    Scores and plots that lie beside them are of the same answers.

    Args:
        weights: folder of the weights that answer: a run, or one of its epochs.
    """

    def __init__(self, weights: Path):
        self.folder = RunFolder(weights)

    def place(self, task: str, split: str) -> Path:
        """Where the predictions for a split begin, see `RunFolder.predictions`."""
        return self.folder.predictions(task, split)

    def write(
        self, split: str, predictions: "Predictions", json_lines: bool = False
    ) -> list[Path]:
        """Writes the predictions for a split, then their note; files of other ones go before.

        Args:
            split: its name.
            predictions: of the weights.
            json_lines: write ``<split>.jsonl`` instead of the task's own files.

        Returns:
            The files written, but for the note and plots.

        Raises:
            CannotWrite: the file system refuses.
            UserError: weights are missing.
        """
        task, place = predictions.task.name, self.place(predictions.task.name, split)
        note, texts = _note(place), self._texts(split, predictions, json_lines)
        others = self.others(split, predictions, json_lines)
        spoken = not self.objection(task, split, predictions.examples)
        noted = read_json(note)["predictions"] if spoken else {}
        # Without a note, as long as files are changed, they say nothing of what they answer.
        for path in (note, *others):
            path.unlink(missing_ok=True)
        if json_lines:
            write_text(*next(iter(texts.items())))
        else:
            predictions.write(place)
        names = {name for name in noted if Path(f"{place}{name}").is_file()}
        names |= {str(path).removeprefix(str(place)) for path in texts}
        write_json(
            note,
            {
                "format": FORMAT,
                "predictions": {
                    name: digest_file(Path(f"{place}{name}")) for name in sorted(names)
                },
                "examples": predictions.examples.unlabelled().digest(),
                "weights": self.weights_digest(predictions.task.name),
            },
        )
        return list(texts)

    def others(
        self, split: str, predictions: "Predictions", json_lines: bool = False
    ) -> list[Path]:
        """Files of a split that `write` would change or delete: they are of other predictions.

        Raises:
            UserError: weights are missing.
        """
        place = self.place(predictions.task.name, split)
        texts = self._texts(split, predictions, json_lines)
        tables = (Path(f"{place}{suffix}") for suffix in (".tsv", _JSON_LINES))
        standing = [path for path in (*tables, *sorted(place.rglob("*"))) if path.is_file()]
        same = {p for p in standing if p in texts and p.read_bytes() == texts[p].encode()}
        changed = any(path in texts and path not in same for path in standing)
        if not changed and not self.objection(predictions.task.name, split, predictions.examples):
            return []  # What else stands there, such as scores, is of these very answers.
        return [path for path in standing if path not in same]

    def _texts(
        self, split: str, predictions: "Predictions", json_lines: bool
    ) -> dict[Path, str]:
        place = self.place(predictions.task.name, split)
        files = {_JSON_LINES: predictions.json_lines()} if json_lines else predictions.files()
        return {Path(f"{place}{name}"): text for name, text in files.items()}

    def objection(self, task: str, split: str, examples: "Examples") -> str:
        """Why the files are not what these weights say of these examples; empty if they are.

        Raises:
            UserError: weights are missing.
        """
        place = self.place(task, split)
        note = _note(place)
        if not note.exists():
            return f"has no note of what it answers ({note.name})"
        try:
            content = read_json(note)
            check_form(content, _FORM, str(note))
        except UserError:
            return f"has a damaged note ({note.name})"
        for name, digest in content["predictions"].items():
            path = Path(f"{place}{name}")
            if not path.is_file() or digest_file(path) != digest:
                return f"is not the file that {note.name} speaks of"
        if content["examples"] != examples.unlabelled().digest():
            return "answers other texts"
        if content["weights"] != self.weights_digest(task):
            return "is of other weights"
        return ""

    def weights_digest(self, task: str) -> str:
        """Of the encoder and of what answers the task: others come and go, see `parts`.

        Raises:
            UserError: weights are missing.
        """
        own = [
            path for path in map(partial(self.folder.part_file, task=task), PART_KINDS)
            if path.exists()
        ]
        declared = tasks.find(task)
        if not own and declared and declared.predicted_by:
            return self.weights_digest(declared.predicted_by)
        return digest_bytes(self._encoder_digest, *(digest_file(path).encode() for path in own))

    @cached_property
    def _encoder_digest(self) -> bytes:
        return digest_file(self.folder.encoder).encode()


def split_of_kept(table: Path) -> str | None:
    """Which split a table answers that a run keeps; None for another table."""
    try:
        content = read_json(_note(table.with_suffix("")))
        check_form(content, _FORM, str(table))
    except UserError:
        return None
    return table.stem if content["predictions"].get(table.suffix) == digest_file(table) else None


def _note(place: Path) -> Path:
    return Path(f"{place}.json")
