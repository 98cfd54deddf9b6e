"""Which rows meet in a batch while a task is embedded, and training on them meanwhile."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import batches_by_length
from tfglue.data.features import Features
from tfglue.kinds import Kind
from tfglue.models.dropout import Dropout
from tfglue.models.transfer_model import TransferModel
from tfglue.training.freezing import freeze
from tfglue.training.optimizer import build_optimizer
from tfglue.training.schedule import build_schedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.step import TrainStep

if TYPE_CHECKING:
    from tfglue.transfer.embedder import TaskSettings

FINETUNE = ("none", "head", "all")


class FisherBatches:
    """The order of rows, and what is done with a batch once it is scored.

    Where batches do not count, rows are grouped by length and seen once. Otherwise they come in
    random order, as published, `epochs` times; with ``finetune`` each is then trained on, without
    dropout, by AdamW with a rate that falls to 0.

    Args:
        model: is trained where the settings say so.
        task: one of its tasks.
        kind: of the task.
        features: labelled rows.
        settings: how the task is embedded.
    """

    def __init__(
        self, model: TransferModel, task: str, kind: Kind, features: Features,
        settings: "TaskSettings",
    ):
        self.task, self.features, self.settings = task, features, settings
        self._plan = None
        if settings.granularity == "batch" or settings.finetune != "none":
            self._plan = BatchPlan(
                features.lengths, settings.batch_size, 1, settings.seed, task, "plain"
            )
        self._step = None
        self._updates = 0
        if settings.finetune != "none":
            self._step = self._build_step(model, kind)

    def rows(self) -> Iterator[np.ndarray]:
        """Row arrays in order."""
        if self._plan is None:
            yield from batches_by_length(self.features, self.settings.batch_size)
            return
        for epoch in range(self.settings.epochs):
            for (rows,) in self._plan.epoch(epoch):
                yield rows

    def train(self, rows: np.ndarray, batch: Mapping[str, tf.Tensor]) -> None:
        """Does one update on a batch, where the settings say so."""
        if self._step is None:
            return
        terms = int(self.features.loss_terms[rows].sum())
        seed = dropout_seed(self.settings.seed, self._updates, 0)
        self._step(self.task, [batch], terms, [seed])
        self._updates += 1

    def _build_step(self, model: TransferModel, kind: Kind) -> TrainStep:
        settings = self.settings
        freeze(model.encoder, "encoder" if settings.finetune == "head" else "none")
        for layer in model._flatten_layers():
            if isinstance(layer, Dropout):
                layer.rate = 0.0
        total = self._plan.updates_per_epoch * settings.epochs
        schedule = build_schedule("linear", settings.learning_rate, 0, total, total)
        optimizer = build_optimizer(
            "adamw", schedule, model.trained_weights(self.task), weight_decay=0.0, epsilon=1e-8
        )
        return TrainStep(model, optimizer, {self.task: kind}, clip_norm=1.0, precision="float32")
