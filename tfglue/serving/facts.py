"""What an export says of itself: ``export.json``, which `predict` reads, and people may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.form import check_form
from tfglue.serving.export_folder import FACTS, FORMAT
from tfglue.serving.served_task import ServedTask
from tfglue.serving.served_tasks import served_task
from tfglue.tasks.serialization import task_from_dict, task_to_dict

# The settings that answers depend on; all others are in the run.
_SETTINGS = {
    "max_length": int, "doc_stride": int, "max_query_length": int, "n_best_size": int,
    "max_answer_length": int, "negatives": str, "null_score_diff_threshold": str,
}

_METRICS = {str: {str: {str: float}}}

_FORM = {
    "format": str, "model": str, "version": int, "run": str, "weights": str, "parameters": int,
    "bytes": int, "encoder": {"name": str, "digest": str}, "versions": {str: str},
    "tasks": {
        str: {"task": {str: object}, "settings": _SETTINGS, "calibration": {str: float}},
    },
    "signatures": {str: {"form": str, "task": str, "inputs": {str: str}, "outputs": {str: str}}},
    "metrics": _METRICS, "measured": {str: {"rows": int, "float32": float, "stored": float}},
}


@dataclass(frozen=True)
class ExportFacts:
    """What an export holds and where it came from.

    Args:
        model: the name by which a server knows it.
        version: its number.
        run: the run that was exported, as the user named it.
        weights: how they are stored, one of `tfglue.serving.WEIGHT_TYPES`.
        parameters: how many the run has.
        bytes: what they take.
        encoder: ``name`` and ``digest`` of the run's encoder.
        versions: of what made the export.
        tasks: task name -> how it is answered.
        signatures: name -> ``form``, ``task``, and ``inputs`` and ``outputs`` by name, as text.
        metrics: of the run, where they are those of the exported weights: task, split, metric.
        measured: task name -> ``rows`` of its dev split, and on these its main metric of the run
            in ``float32`` and of the weights as they are ``stored``; empty for float32.
    """

    model: str
    version: int
    run: str
    weights: str
    parameters: int
    bytes: int
    encoder: Mapping[str, str]
    versions: Mapping[str, str]
    tasks: Mapping[str, ServedTask]
    signatures: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Any]
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "ExportFacts":
        """Reads ``export.json`` of one version. Raises UserError for what is none."""
        path = folder / FACTS
        content = read_json(path)
        check_form(content, _FORM, str(path))
        if content["format"] != FORMAT:
            raise UserError(f"{path}: format '{content['format']}' is not {FORMAT}; export again")
        tasks = {
            name: served_task(
                task_from_dict(own["task"]), TrainConfig.from_stored(own["settings"]),
                own["calibration"],
            )
            for name, own in content["tasks"].items()
        }
        del content["format"]
        return cls(**content | {"tasks": tasks})

    def write(self, folder: Path) -> None:
        """Writes ``export.json`` into the folder of one version."""
        tasks = {
            name: {
                "task": task_to_dict(served.task),
                "settings": {key: getattr(served.config, key) for key in _SETTINGS},
                "calibration": served.calibration,
            }
            for name, served in self.tasks.items()
        }
        write_json(folder / FACTS, {"format": FORMAT} | vars(self) | {"tasks": tasks})
