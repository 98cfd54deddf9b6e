"""From settings to what training needs: task, rows, tokenizer, encoder and packed features."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfglue import tasks
from tfglue.config import TrainConfig, resolve, text_fields
from tfglue.data.encode import encode
from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.data.sources import FileSource, Source, open_source
from tfglue.data.subset import nested_order, subset_size
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError, suggestion
from tfglue.initial_run import InitialRun, init_line
from tfglue.models.checkpoints import LoadedEncoder, load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.tasks.files import task_from_files
from tfglue.tasks.task import Task
from tfglue.training.freezing import freeze

_LOWER_CASE = {"auto": None, "true": True, "false": False}
_FILE_SETTINGS = {"train": "train_file", "dev": "dev_file", "test": "test_file"}

_DEMONSTRATION = (
    "This is the built-in demonstration: a tiny encoder with random weights on built-in "
    "sentences. The real thing: "
    "python -m tfglue.train --task {task} --encoder bert_base_en_uncased --data tfds"
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before its model is made.

    Args:
        given: settings as the user gave them.
        config: complete settings.
        task: what is trained.
        examples: split name -> rows; ``train`` and the dev splits.
        features: the same, tokenized and packed.
        tokenizer: of the encoder.
        loaded: the encoder with its report.
        encoder_digest: of its weights before training.
        encoder_config: arguments that make an encoder of this shape, with the dropout rates it came
            with, whatever the run's own are.
        train_rows: which rows of the source the run trains on, in order; None for all of them.
        initial: the run that this one begins from, or None.
    """

    given: Mapping[str, Any]
    config: TrainConfig
    task: Task
    examples: Mapping[str, Examples]
    features: Mapping[str, Features]
    tokenizer: BertTokenizer
    loaded: LoadedEncoder
    encoder_digest: str
    encoder_config: Mapping[str, Any]
    train_rows: np.ndarray | None
    initial: InitialRun | None

    def data_facts(self) -> dict[str, dict[str, Any]]:
        """What ``run.yaml`` records of the data of each split."""
        return {
            split: {
                "origin": rows.origin,
                "rows": len(rows),
                "skipped": rows.skipped,
                "truncated": self.features[split].truncated,
                "digest": rows.digest(),
            }
            for split, rows in self.examples.items()
        }


def choose_task(given: Mapping[str, Any], say: Say) -> tuple[Task, Source]:
    """The task and the source of its rows, from the settings the user gave.

    Raises:
        UserError: no task is named, or it cannot be trained, or its data are not there.
    """
    name = given.get("task") or ""
    if given.get("train_file"):
        return _task_of_files(name, given, say)
    if not name:
        raise UserError(f"--task is needed; one of: {', '.join(tasks.names())}")
    chosen = tasks.expand(name)
    if len(chosen) != 1:
        raise UserError(f"--task: expected one task, not {len(chosen)} ({name})")
    task = chosen[0]
    if task.predicted_by:
        raise UserError(
            f"--task {task.name} has no training data; train {task.predicted_by} and "
            f"run python -m tfglue.predict --task {task.name} on it"
        )
    source = open_source(task, given.get("data"))
    say(f"data: {source.description}")
    return task, source


def _task_of_files(name: str, given: Mapping[str, Any], say: Say) -> tuple[Task, Source]:
    base = tasks.find(name)
    if base is None and name:
        say(f"new task '{name}'{suggestion(name, tasks.names())}")
    paths = {split: given[key] for split, key in _FILE_SETTINGS.items() if given.get(key)}
    fields = text_fields(given.get("text_fields"))
    task, lines = task_from_files(
        name=name or re.sub(r"[^\w-]+", "-", Path(given["train_file"]).stem).strip("-") or "task",
        text_fields=fields,
        label_field=given.get("label_field"),
        kind=given.get("kind"),
        base=base,
        **{_FILE_SETTINGS[split]: path for split, path in paths.items()},
    )
    for line in lines:
        say(line)
    return task, FileSource(task, paths, fields, given.get("label_field"))


def prepare(given: Mapping[str, Any], say: Say) -> Prepared:
    """Reads, tokenizes and packs all that a training run needs, saying what it found.

    Raises:
        UserError: for any mistake in settings, data or encoder.
    """
    task, source = choose_task(given, say)
    initial = InitialRun(given["init"]) if given.get("init") else None
    # A run that begins from another keeps the name of the encoder at the root of the chain.
    config = resolve({**given, "encoder": initial.encoder_name} if initial else given, task)
    if config.encoder == "tiny" and source.kind == "sample":
        say(_DEMONSTRATION.format(task=task.name))
    say(f"settings: {_settings_line(config)}")
    if initial:
        say(init_line(initial, config.init_parts, task))
    loaded = (
        initial.load_encoder(config.init_parts, task)
        if initial
        else load_encoder(config.encoder, config.seed)
    )
    shape = encoder_config(loaded.encoder)
    limit = loaded.encoder.max_sequence_length
    if config.max_length > limit:
        raise UserError(f"--max_length: {config.encoder} has {limit} positions, not more")
    if config.dropout is not None:
        loaded.encoder.set_dropout(config.dropout)
    freeze(loaded.encoder, config.freeze)
    say(f"encoder: {loaded.source}; {loaded.report}")
    tokenizer = loaded.tokenizer(_LOWER_CASE[config.lower_case])
    examples = {"train": source.read("train")}
    if source.kind != "files":
        # Published tasks are always evaluated; reading a dev file that is absent says so.
        examples["dev"] = source.read("dev")
    for split in source.splits():
        if split.startswith("dev") and split not in examples:
            examples[split] = source.read(split)
    rows = _chosen_rows(examples["train"], config)
    if rows is not None:
        examples["train"] = examples["train"].take(rows)
    features = {s: encode(rows_, tokenizer, config.max_length) for s, rows_ in examples.items()}
    for split, split_examples in examples.items():
        say(_split_line(split, split_examples, features[split], config.max_length))
    return Prepared(
        given, config, task, examples, features, tokenizer, loaded, loaded.digest(), shape, rows,
        initial,
    )


def encoder_config(encoder: BertEncoder) -> dict[str, Any]:
    """Arguments that make an encoder of the same shape."""
    config = encoder.get_config()
    return {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}


def _settings_line(config: TrainConfig) -> str:
    return ", ".join(f"{k} {v}" for k, v in config.to_dict().items() if v is not None)


def _chosen_rows(train: Examples, config: TrainConfig) -> np.ndarray | None:
    if config.train_examples is None and config.train_fraction is None:
        return None
    size = subset_size(len(train), config.train_examples, config.train_fraction)
    return nested_order(train.labels)[:size]


def _split_line(split: str, examples: Examples, features: Features, max_length: int) -> str:
    lengths = features.lengths
    line = (
        f"{split}: {len(examples)} rows from {examples.origin}, {lengths.mean():.1f} tokens on "
        f"average, {lengths.max()} at most"
    )
    if features.truncated:
        line += f", {features.truncated} cut to {max_length}"
    if examples.skipped:
        line += f", {examples.skipped} left out"
    return f"{line}, digest {examples.digest()[:12]}"
