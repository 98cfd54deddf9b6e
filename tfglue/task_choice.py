"""Which tasks a run trains on, and where their rows come from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfglue import tasks
from tfglue.config import PAIRED_LINES, TrainConfig
from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.sources import FileSource, Source, open_source
from tfglue.data.text_source import open_text
from tfglue.errors import UserError, suggestion
from tfglue.setting_values import text_fields
from tfglue.tasks.files import task_from_files
from tfglue.tasks.squad import QUESTION_METRICS
from tfglue.tasks.tags import read_tag_file
from tfglue.tasks.task import Task

Say = Callable[[str], None]

_FILE_SETTINGS = {"train": "train_file", "dev": "dev_file", "test": "test_file"}


def choose_tasks(given: Mapping[str, Any], say: Say) -> list[tuple[Task, Source]]:
    """The tasks and the sources of their rows, from the settings the user gave.

    Raises:
        UserError: no task is named, or one twice, or one cannot be trained, or data are not there.
    """
    if given.get("text"):
        task, source = open_text(
            given["text"], bool(given.get("next_sentence")),
            given.get("dev_fraction", TrainConfig.dev_fraction),
        )
        say(f"data: {source.description}")
        return [(task, source)]
    name = given.get("task") or ""
    if given.get("train_file"):
        task, source = _task_of_files(name, given, say)
        return [(task, _scored_on(source, given, say))]
    if not name:
        raise UserError(f"--task is needed; one of: {', '.join(tasks.names())}")
    chosen = tasks.expand(task_names(name))
    if given.get("labels") and sum(task.kind == "tag" for task in chosen) > 1:
        raise UserError("--labels lists the tags of one task; there are several")
    found = []
    for task in chosen:
        if task.predicted_by:
            raise UserError(
                f"--task {task.name} has no training data; train {task.predicted_by} and "
                f"run python -m tfglue.predict --task {task.name} on it"
            )
        if given.get("labels") and task.kind == "tag":
            task = replace(task, labels=read_tag_file(given["labels"]))
        task = _as_asked(task, given)
        source = open_source(task, given.get("data"))
        whose = "data" if len(chosen) == 1 else f"data of {task.name}"
        say(f"{whose}: {source.description}")
        # The source knows the tags that were found, where the task declares none.
        found.append((source.task, _scored_on(source, given, say)))
    return found


def _scored_on(source: Source, given: Mapping[str, Any], say: Say) -> Source:
    """The source, its dev splits replaced by a share of the training rows where that is asked."""
    share = given.get("tune_split")
    if not share:
        return source
    say(f"scored on {100 * share:g} % of the training rows, held out; no dev split is read")
    return HeldOutSource(source, share)


def _as_asked(task: Task, given: Mapping[str, Any]) -> Task:
    """The task, its questions with or without an answer and its groups as the user says."""
    if task.name == PAIRED_LINES and given.get("qnli_version") == "1":
        return replace(task, paired_lines=True)
    if task.kind in QUESTION_METRICS and given.get("negatives") in ("true", "false"):
        return replace(task, negatives=given["negatives"] == "true")
    return task


def task_names(text: str) -> str:
    """The comma list with groups and aliases as names of tasks.

    Raises:
        UserError: a name is unknown, or given twice.
    """
    single = [tasks.find(part).name for part in text.split(",") if tasks.find(part)]
    for name in single:
        if single.count(name) > 1:
            raise UserError(f"--task {text}: {name} is named twice; name every task once")
    return ",".join(task.name for task in tasks.expand(text))


def _task_of_files(name: str, given: Mapping[str, Any], say: Say) -> tuple[Task, Source]:
    if "," in name:
        raise UserError(f"--task {name}: files of your own are of one task; give it one name")
    base = tasks.find(name)
    if base is None and name:
        say(f"new task '{name}'{suggestion(name, tasks.names())}")
    own = name or re.sub(r"[^\w-]+", "-", Path(given["train_file"]).stem).strip("-") or "task"
    if not name and (taken := tasks.find(own)):
        raise UserError(
            f"--train_file {given['train_file']}: named like the built-in task {taken.name}; add "
            f"--task {taken.name} if these are rows of it, or --task NAME for a task of your own"
        )
    paths = {split: given[key] for split, key in _FILE_SETTINGS.items() if given.get(key)}
    fields = text_fields(given.get("text_fields"))
    task, lines = task_from_files(
        name=own,
        text_fields=fields,
        label_field=given.get("label_field"),
        kind=given.get("kind"),
        base=base,
        labels=given.get("labels"),
        **{_FILE_SETTINGS[split]: path for split, path in paths.items()},
    )
    for line in lines:
        say(line)
    task = _as_asked(task, given)
    return task, FileSource(task, paths, fields, given.get("label_field"))
