"""The training rows of a task, as embeddings and estimators read them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.answering import source_for
from tfglue.config import TrainConfig
from tfglue.data.encode import encode
from tfglue.data.examples import Examples, TextExamples
from tfglue.data.features import Features
from tfglue.data.subset import nested_order, subset_size
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.kinds import KINDS
from tfglue.preparation import chosen_rows
from tfglue.resolution import resolve
from tfglue.run import Run
from tfglue.task_choice import Say, choose_tasks
from tfglue.tasks.language_model import KIND as LANGUAGE_MODEL
from tfglue.tasks.task import Task


@dataclass(frozen=True)
class TaskRows:
    """Examples of a task, and what a tokenizer makes of them.

    Args:
        task: what they are of; None for text alone.
        config: settings that decide on rows.
        examples: the chosen ones.
        features: rows for the model.
    """

    task: Task | None
    config: TrainConfig
    examples: Examples
    features: Features

    def facts(self) -> dict[str, Any]:
        """What a manifest says of the data."""
        return {
            "origin": self.examples.origin,
            "digest": self.examples.digest(),
            "examples": len(self.examples),
            "rows": len(self.features),
            "tokens": int(self.features.lengths.sum()),
        }

    def encoded_by(self, tokenizer: BertTokenizer) -> "TaskRows":
        """The same examples, for an encoder with this tokenizer, as they are trained on."""
        kind = KINDS.get(self.task.kind)
        features = kind.encode(self.task, self.examples, tokenizer, self.config, training=True)
        return replace(self, features=features)


def rows_for_encoder(
    given: Mapping[str, Any], tokenizer: BertTokenizer, positions: int, say: Say,
    training: bool = False,
) -> TaskRows:
    """The training rows of the one task that settings name.

    Args:
        given: settings by the names of `TrainConfig`.
        tokenizer: of the encoder.
        positions: tokens a row at most that the encoder takes.
        say: takes a line on the data.
        training: leave out rows that teach nothing, as training does.

    Raises:
        UserError: there are several tasks or none, or the data are not there.
    """
    chosen = choose_tasks(given, say)
    if len(chosen) > 1:
        raise UserError(f"--task {given['task']}: embed one task at a time")
    (task, source), = chosen
    config = resolve(given, task)
    check_length(config.max_length, positions)
    examples = source.read("train")
    if config.train_examples is not None or config.train_fraction is not None:
        size = subset_size(len(examples), config.train_examples, config.train_fraction)
        examples = examples.take(np.sort(nested_order(examples.strata)[:size]))
    features = KINDS.get(task.kind).encode(task, examples, tokenizer, config, training)
    return TaskRows(task, config, examples, features)


def rows_of_run(run: Run, task: Task, data: str | None) -> TaskRows:
    """The rows that a run was trained on, in the order of its data.

    Raises:
        UserError: its data are no longer there, or are others, where `data` names none.
    """
    if task.kind == LANGUAGE_MODEL:
        raise UserError(f"{task.name}: a language model is no task to embed; embed a task's run")
    config = run.configs[task.name]
    everything = source_for(run, task, data, None).read("train")
    if not everything.labelled:
        raise UserError(f"{everything.origin}: has no labels, which TaskEmb needs")
    rows, _ = chosen_rows(task, everything, config)
    examples = everything if rows is None else everything.take(np.sort(rows))
    features = KINDS.get(task.kind).encode(task, examples, run.tokenizer, config, training=True)
    return TaskRows(task, config, examples, features)


def rows_of_text(
    file: Path, texts: list[list[str]], tokenizer: BertTokenizer, max_length: int, positions: int
) -> TaskRows:
    """Rows of texts or pairs without labels, one a line of a file."""
    check_length(max_length, positions)
    ids = [str(number) for number in range(len(texts))]
    columns = tuple(map(list, zip(*texts, strict=True)))
    examples = TextExamples(ids=ids, origin=str(file), texts=columns, labels=None)
    features = encode(examples, tokenizer, max_length)
    return TaskRows(None, TrainConfig(max_length=max_length), examples, features)


def check_length(max_length: int, positions: int) -> None:
    """Raises UserError if rows may be longer than the encoder takes them."""
    if max_length > positions:
        raise UserError(f"--max_length: the encoder has {positions} positions, not more")
