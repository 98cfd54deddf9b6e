"""What a run learns from its teachers: their answers, and a teacher's hidden states, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfglue.errors import UserError
from tfglue.files import atomic_folder, digest_tensors, read_tensors, write_tensors
from tfglue.preparation import Prepared, PreparedTask
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tfglue.teachers import Teacher, find_teachers
from tfglue.training.distillation import SOFT_TARGETS
from tfglue.training.hidden_matching import TEACHER_STATES, matched_layers

FOLDER = "teaching"
"""Folder of a run with a file for every task that has teachers."""


def with_teachers(
    prepared: Prepared, resumed: RunFolder | None, say: Say, keeps: bool = True
) -> Prepared:
    """What was prepared, the training rows with what their teachers make of them.

    Teachers answer one after the other and are gone when training begins. A resumed run reads what
    it wrote down itself, so that it goes on with the same numbers, teachers or no.

    Args:
        prepared: with ``teachers`` among its settings, or it is returned as it is.
        resumed: the run that is gone on with, or None.
        say: takes each line of what is going on.
        keeps: whether answers may be kept beside the teachers' runs.

    Raises:
        UserError: for teachers that do not fit, and predictions that lack rows or classes.
    """
    if prepared.config.teachers is None:
        return prepared
    targets = {} if resumed is None else _read(resumed, prepared)
    if not targets:
        targets = _asked(prepared, say, keeps)
    for name, own in targets.items():
        rows = len(prepared.tasks[name].features["train"])
        if any(len(values) != rows for values in own.values()):
            raise UserError(f"--resume: what teachers said of {name} is not of its {rows:,} rows")
        say(_line(prepared, name, own))
    tasks = {
        name: _with_targets(one, targets[name]) if name in targets else one
        for name, one in prepared.tasks.items()
    }
    digests = {name: _digest(own) for name, own in targets.items()}
    return replace(prepared, tasks=tasks, teaching=digests)


def write_teaching(prepared: Prepared, folder: RunFolder) -> None:
    """Writes what teachers said into the run's folder, of all tasks or none, for `--resume`."""
    if not prepared.teaching:
        return
    with atomic_folder(folder.path / FOLDER) as temporary:
        for name in prepared.teaching:
            targets = prepared.tasks[name].features["train"].targets
            write_tensors(temporary / _file(folder, name).name, targets)


def drop_states(prepared: Prepared, folder: RunFolder) -> None:
    """Leaves the teachers' answers alone in the folder of a finished run."""
    for name in prepared.teaching:
        targets = prepared.tasks[name].features["train"].targets
        if TEACHER_STATES in targets:
            write_tensors(_file(folder, name), {SOFT_TARGETS: targets[SOFT_TARGETS]})


def _file(folder: RunFolder, task: str) -> Path:
    return folder.path / FOLDER / f"{task}.safetensors"


def _read(folder: RunFolder, prepared: Prepared) -> dict[str, dict[str, np.ndarray]]:
    files = {name: _file(folder, name) for name in prepared.tasks}
    return {name: read_tensors(path)[0] for name, path in files.items() if path.is_file()}


def _digest(targets: Mapping[str, np.ndarray]) -> str:
    return digest_tensors((name, targets[name]) for name in sorted(targets))


def _with_targets(one: PreparedTask, targets: Mapping[str, np.ndarray]) -> PreparedTask:
    train = replace(one.features["train"], targets=targets)
    return replace(one, features={**one.features, "train": train})


def _asked(prepared: Prepared, say: Say, keeps: bool) -> dict[str, dict[str, np.ndarray]]:
    declared = [one.task for one in prepared.tasks.values()]
    teachers = find_teachers(prepared.config.teachers, declared)
    if prepared.config.match_hidden:
        _check_widths(teachers, prepared)
    found = {}
    for name, one in prepared.tasks.items():
        own = [teacher for teacher in teachers if name in teacher.tasks]
        if not own:
            say(f"{name}: no teacher answers it, so it is learned from its labels alone")
            continue
        examples = one.examples["train"]
        keeps_own = keeps and len(examples) == len(one.whole_train)
        answers = [
            teacher.answers(one.task, examples, one.undivided_train, say, keeps_own)
            for teacher in own
        ]
        found[name] = {SOFT_TARGETS: np.mean(answers, axis=0).astype(np.float32)}
        if prepared.config.match_hidden:
            found[name][TEACHER_STATES] = _states(prepared, one, own, say)
    return found


def _states(
    prepared: Prepared, one: PreparedTask, teachers: Sequence[Teacher], say: Say
) -> np.ndarray:
    teacher = next(teacher for teacher in teachers if teacher.run is not None)
    layers = matched_layers(prepared.loaded.encoder.num_layers, teacher.num_layers)
    shown = ", ".join(map(str, layers))
    say(f"teacher {teacher.name}: {one.task.name}, hidden states of layers {shown} are matched")
    return teacher.states(one.task, one.examples["train"], layers)


def _check_widths(teachers: Sequence[Teacher], prepared: Prepared) -> None:
    width = prepared.loaded.encoder.hidden_dim
    for name in {name for teacher in teachers for name in teacher.tasks}:
        runs = [t for t in teachers if name in t.tasks and t.run is not None]
        if not runs:
            raise UserError("--match_hidden: a table has no hidden states; name the teacher's run")
        if runs[0].width != width:
            raise UserError(
                f"--match_hidden: states of {runs[0].name} have {runs[0].width} units, the "
                f"student's {width}; begin with the teacher, --init {runs[0].name} --keep_layers "
                "alternate:N"
            )


def _line(prepared: Prepared, name: str, targets: Mapping[str, np.ndarray]) -> str:
    config, labels = prepared.config, prepared.tasks[name].features["train"].labels
    soft = targets[SOFT_TARGETS]
    line = f"distillation: {name}, weight {config.distill_weight:g}"
    if np.issubdtype(labels.dtype, np.integer):
        right = float(np.mean(soft.argmax(axis=1) == labels))
        line += f", temperature {config.temperature:g}; teachers are right on {right:.1%} of"
    else:
        error = float(np.mean((soft[:, 0] - labels) ** 2))
        line += f"; teachers' mean squared error is {error:.4f} on"
    line += " the training rows"
    if TEACHER_STATES in targets:
        size = targets[TEACHER_STATES].nbytes / 1e6
        line += f"; hidden states, weight {config.match_hidden:g}, {size:.0f} MB"
    return line
