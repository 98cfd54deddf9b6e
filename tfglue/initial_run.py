"""A run that another run begins from: the `--init` setting."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import undrawn
from tfglue.models.loaded_encoder import LoadedEncoder, LoadReport
from tfglue.models.pretrained_run import language_model_of_run
from tfglue.models.transfer_model import TransferModel
from tfglue.run_folder import RunFolder, load_tensors
from tfglue.tasks.task import Task


class InitialRun:
    """Weights of a finished run, or of one epoch of it, for a run of another task (or the same).

    Args:
        name: ``RUN``, ``RUN@<epoch>`` or ``RUN@<task>``.

    Raises:
        UserError: there is no such run, or no such weights in it, or the run is not finished.
    """

    def __init__(self, name: str):
        self.name = name
        self.folder, self.which = RunFolder.named(name)
        self.manifest = self.folder.finished_manifest()
        self.weights = self.folder.weights(self.which)

    @property
    def encoder_name(self) -> str:
        """What the run's own `--encoder` was, at the root of the chain."""
        return self.manifest["encoder"]["name"]

    def load_encoder(self, parts: str, tasks: Sequence[Task]) -> LoadedEncoder:
        """The run's encoder; every tensor of it is there, or it is an error.

        Args:
            parts: ``encoder``, or ``all`` where `load_head` takes a head over, too.
            tasks: what is trained from it; their heads alone can be taken over.
        """
        with undrawn():
            encoder = BertEncoder(**self.manifest["encoder"]["config"])
        weights = encoder.named_weights()
        load_tensors(self.weights / "encoder.safetensors", weights)
        dropped = tuple(f"heads.{name}" for name in self.dropped_heads(parts, tasks))
        report = LoadReport(loaded=tuple(weights), unused=dropped)
        vocabulary = self.folder.tokenizer / "vocab.txt"
        read = partial(BertTokenizer.from_file, vocabulary)
        found = language_model_of_run(self.weights, self.manifest)
        return LoadedEncoder(encoder, report, f"run {self.name}", read, found)

    def load_parts(self, parts: str, tasks: Mapping[str, Task], model: TransferModel) -> None:
        """Fills adapters and heads as the `--init_parts` setting says.

        Raises:
            UserError: the run has no adapter or head for a task, or others than `model`.
        """
        kept = self.manifest["config"].get("adapter") or "none"
        if parts != "encoder" and kept != "none" and not model.adapters:
            raise UserError(
                f"--init_parts {parts}: tasks of {self.name} have adapters; add --adapter {kept}"
            )
        for name, task in tasks.items():
            if parts == "all":
                self.load_head(task, model.heads[name])
            if parts != "encoder" and name in model.adapters:
                self._load_adapter(name, model.adapters[name])

    def _load_adapter(self, task: str, adapter: keras.layers.Layer) -> None:
        path = self.weights / "adapters" / f"{task}.safetensors"
        own, kept = str(adapter.config), self.manifest["config"].get("adapter")
        if not path.is_file() or own != kept:
            raise UserError(
                f"--init_parts: {self.name} has no adapter {own} for {task} (its adapter: {kept}); "
                "use --init_parts encoder"
            )
        load_tensors(path, adapter.named_weights())

    def load_head(self, task: Task, head: keras.layers.Layer) -> None:
        """Fills the head of a task that the run has too.

        Raises:
            UserError: the run has no head for the task, or one for other labels.
        """
        known = self.manifest["tasks"]
        if task.name not in known:
            raise UserError(
                f"--init_parts all: {self.name} has heads for {', '.join(known)}, none for "
                f"{task.name}; use --init_parts encoder"
            )
        labels = tuple(known[task.name].get("labels", ()))
        if labels != task.labels:
            raise UserError(
                f"--init_parts all: {self.name} answers {task.name} with {', '.join(labels)}, "
                f"this task has {', '.join(task.labels)}; use --init_parts encoder"
            )
        load_tensors(self.weights / "heads" / f"{task.name}.safetensors", head.named_weights())

    def lineage(self) -> list[dict[str, Any]]:
        """The runs that led here, first to last, this one included; for ``run.yaml``."""
        return self.folder.lineage(self.which)

    def dropped_heads(self, parts: str, tasks: Sequence[Task]) -> list[str]:
        """Tasks whose heads a run of `tasks` leaves behind when it takes these parts."""
        kept = {task.name for task in tasks} if parts == "all" else set()
        return sorted(set(self.manifest["tasks"]) - kept)


def init_line(initial: InitialRun, parts: str, tasks: Sequence[Task]) -> str:
    """One line on what a run takes over, what is new and what is left behind."""
    chain = " -> ".join("+".join(step["tasks"]) for step in initial.lineage())
    names = ", ".join(task.name for task in tasks)
    loaded, new = "encoder", f"; new: head of {names}"
    if parts == "all":
        loaded, new = "encoder and head", ""
    left = initial.dropped_heads(parts, tasks)
    dropped = f"; dropped: heads of {', '.join(left)}" if left else ""
    return f"init: {loaded} of {initial.name} ({chain}){new}{dropped}"

