"""All that decides how training goes on, in memory and in a checkpoint."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np

from tfglue.errors import UserError
from tfglue.training.averaged_weights import AveragedWeights
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.selection import Selection


class TrainingState:
    """Weights, optimizer, and where training stands.

    Args:
        weights: name -> weight that training changes.
        optimizer: built on those that have gradients.
        patience: see `Selection`.
        average_decay: of the moving average of the weights; None for none.

    Attributes:
        update: optimizer updates done.
        history: a row every so many updates.
        selection: the best evaluation so far.
        best_weights: values of the weights at that evaluation.
        average: the moving average of the weights, or None.
        losses: task -> sum of its losses since the last row of the history, and how many these are.
        term_losses: the same for terms of the loss, by their names; they are part of `losses`.
    """

    def __init__(
        self,
        weights: Mapping[str, keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        patience: int | None,
        average_decay: float | None = None,
    ):
        self.weights = weights
        self.update = 0
        self.history: list[dict[str, Any]] = []
        self.selection = Selection(patience)
        self.best_weights: dict[str, np.ndarray] = {}
        self.average = None
        if average_decay is not None:
            self.average = AveragedWeights(weights, average_decay)
        self.losses: dict[str, tuple[float, int]] = {}
        self.term_losses: dict[str, tuple[float, int]] = {}
        self._slots = {f"{i:05d}": variable for i, variable in enumerate(optimizer.variables)}
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of this session and, in a resumed run, of those before up to what they saved."""
        return self._seconds_before + time.monotonic() - self._started

    @contextmanager
    def scored(self) -> Iterator[None]:
        """Inside, the weights are those that are scored and kept: their average where there is one.
        """
        with nullcontext() if self.average is None else self.average.in_place():
            yield

    def keep_best(self) -> None:
        """Takes a copy of the weights as the best so far."""
        self.best_weights = {name: weight.numpy() for name, weight in self.weights.items()}

    def save(self, checkpoints: CheckpointFolder) -> None:
        """Writes a checkpoint."""
        content = {
            "update": self.update,
            "history": self.history,
            "selection": self.selection.state(),
            "losses": self.losses,
            "term_losses": self.term_losses,
            "seconds": self.seconds,
        }
        groups = {
            "weights": {name: weight.numpy() for name, weight in self.weights.items()},
            "optimizer": {name: np.asarray(slot) for name, slot in self._slots.items()},
            "best": self.best_weights,
        }
        if self.average is not None:
            groups["average"] = self.average.values()
        checkpoints.save(self.update, content, groups)

    def restore(self, checkpoints: CheckpointFolder) -> bool:
        """Takes the latest checkpoint's state; returns False if there is none.

        Raises:
            UserError: if its tensors are not exactly those of this model and optimizer.
        """
        loaded = checkpoints.load()
        if loaded is None:
            return False
        content, groups = loaded
        restored = {"weights": self.weights, "optimizer": self._slots}
        if self.average is not None:
            restored["average"] = self.average.averages
        for group, variables in restored.items():
            found = {name: value.shape for name, value in groups.get(group, {}).items()}
            expected = {name: tuple(variable.shape) for name, variable in variables.items()}
            if found != expected:
                differing = sorted(found.items() ^ expected.items())[0][0]
                raise UserError(
                    f"{checkpoints.folder}: {group} of the checkpoint do not fit this run "
                    f"(first difference: {differing})"
                )
            for name, variable in variables.items():
                variable.assign(groups[group][name])
        self.best_weights = groups.get("best", {})
        if self.best_weights.keys() not in (set(), self.weights.keys()):
            raise UserError(f"{checkpoints.folder}: best weights do not fit this run")
        self.update = content["update"]
        self.history = content["history"]
        self.selection = Selection(**content["selection"])
        if "losses" not in content:
            raise UserError(f"{checkpoints.folder}: a checkpoint of another version of tfglue")
        self.losses = {task: tuple(sums) for task, sums in content["losses"].items()}
        parts = content.get("term_losses", {})
        self.term_losses = {name: tuple(sums) for name, sums in parts.items()}
        self._seconds_before = content["seconds"]
        return True
