"""What one `train` command asks for: a run, a chain of them, restarts of them, or both.

A chain trains intermediate tasks first (Phang et al. 2018, STILTs); restarts train the last task
again with other seeds, from the same intermediate run.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tfglue import tasks
from tfglue.activations.store import with_store
from tfglue.adapters import read_adapter
from tfglue.chain import intermediate_tasks, step_settings, train_steps
from tfglue.config import AUTO, OF_EXPERIMENTS, OF_ONE_COMMAND, TrainConfig
from tfglue.data.sources import Source, open_source
from tfglue.errors import UserError
from tfglue.experiment_plan import ExperimentPlan
from tfglue.flags import checked
from tfglue.folder_lock import locked
from tfglue.kinds import KINDS
from tfglue.models.head_config import read_head
from tfglue.output import claim_output, free_output
from tfglue.preparation import prepare, written_smart
from tfglue.resolution import resolve, task_config
from tfglue.restarts import train_restarts
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.setting_values import task_list
from tfglue.source_choice import check_auto, choose_source, record_result
from tfglue.task_choice import Say, choose_tasks, task_names
from tfglue.tasks.task import Task
from tfglue.teachers import find_teachers
from tfglue.trainer import train_run
from tfglue.training.loop import Interrupted


def train(
    given: Mapping[str, Any],
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    say: Say = print,
) -> Run:
    """Does what the settings ask for and returns the finished run, of restarts the best.

    Args:
        given: settings by the names of `TrainConfig`; what is not given is filled from recipes.
        callbacks: Keras callbacks, for every run.
        say: takes each line of what is going on.

    Raises:
        UserError: for any mistake in settings, data or encoder; nothing is overwritten.
        Interrupted: after SIGINT or SIGTERM; the message says how to go on.
    """
    given = _resumed(written_out(given))
    if not any(given.get(name) for name in OF_EXPERIMENTS):
        return train_run(given, callbacks=callbacks, say=say)
    folder, _ = claim_output(given)
    _check_target(given)
    folder = folder or free_output(given.get("task") or "task")
    try:
        with locked(folder.path, ".experiment.lock"):
            return _train(given, _begun(folder, given), callbacks, say)
    except KeyboardInterrupt as interrupt:
        done = str(interrupt).rpartition("; go on with ")[0] or "stopped"
        go_on = f"python -m tfglue.train --output {shlex.quote(str(folder.path))} --resume"
        raise Interrupted(f"{done}; go on with {go_on}") from None


def written_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in their right types and full names, with what some imply of others.

    Raises:
        UserError: one is unknown or out of place, or they contradict each other.
    """
    given = checked(given, TrainConfig, where="settings")
    given = {name: value for name, value in given.items() if value is not None}
    if "adapter" in given:
        # Written out, so that a run does not depend on a file or on defaults of another version.
        given["adapter"] = str(read_adapter(given["adapter"]) or "none")
    if "head" in given:
        given["head"] = str(read_head(given["head"]))
    if "smart" in given:
        given["smart"] = written_smart(given["smart"])
    if given.get("activations"):
        given = with_store(given)
    if not given.get("train_file") and given.get("task"):
        given["task"] = task_names(given["task"])
    elif declared := tasks.find(given.get("task", "")):
        given["task"] = declared.name
    _check(given)
    return given


def _train(
    given: Mapping[str, Any],
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    say: Say,
) -> Run:
    own = {n: v for n, v in _of_target(given).items() if n not in OF_ONE_COMMAND}
    chosen_here = given.get("intermediate") == AUTO
    if chosen_here:
        given = {**given, "intermediate": choose_source(given, folder, callbacks, say)}
        for _, source in choose_tasks(_of_target(given), lambda line: None):
            _check_steps(given, source)
    if given.get("intermediate"):
        own["init"] = train_steps(given, folder, callbacks, say)
        own.pop("encoder", None)  # The chain's first step began with it.
    if given.get("seeds"):
        run = train_restarts(own, given["seeds"], folder, callbacks, say)
    else:
        own |= {"output": str(folder.path), "resume": folder.is_run()}
        run = train_run(own, callbacks=callbacks, say=say)
    if chosen_here:
        record_result(folder, run)
    return run


def _resumed(given: dict[str, Any]) -> dict[str, Any]:
    """The settings, those of the experiment that is resumed included."""
    plan = ExperimentPlan(given.get("output") or "")
    if not given.get("output") or not plan.exists:
        return given
    if given.get("overwrite"):
        return given
    if not given.get("resume"):
        raise UserError(
            f"--output: {given['output']} holds a chain or restarts; add --resume to go on with "
            "them, --overwrite to replace them, or name another folder"
        )
    stored = plan.read()
    for name, value in given.items():
        if name not in ("output", "resume", "checkpoint_seconds") and stored.get(name) != value:
            raise UserError(
                f"--resume: {name} was {stored.get(name)}, now {value} in {given['output']}; leave "
                "it out, or start another one"
            )
    _check(stored)
    return stored | given


def _check(given: Mapping[str, Any]) -> None:
    """Raises UserError for what contradicts itself, before any data is read."""
    if given.get("init") and given.get("encoder"):
        raise UserError("--init and --encoder exclude each other: a run has its encoder; give one")
    if given.get("init_parts") and not given.get("init"):
        raise UserError("--init_parts goes with --init")
    if given.get("intermediate_recipe") and not given.get("intermediate"):
        raise UserError("--intermediate_recipe goes with --intermediate")
    if not any(name in given for name in OF_EXPERIMENTS):
        return
    if given.get("strategy") == "multi_worker":
        raise UserError(
            "--strategy multi_worker trains one run at a time; give the steps as commands of "
            "their own, with --init"
        )
    if not given.get("task") and not given.get("train_file"):
        raise UserError(f"--task is needed; one of: {', '.join(tasks.names())}")
    check_auto(given)
    if "intermediate" not in given:
        return
    steps = intermediate_tasks(given)
    if not steps and given["intermediate"] != AUTO:
        raise UserError("--intermediate: names no task")
    if given.get("init_parts") == "all":
        raise UserError("--init_parts all: the head of an intermediate task is none of the target")
    if given.get("freeze") == "encoder":
        raise UserError("--freeze encoder: what an intermediate task trains would be thrown away")
    for step in steps:
        if step.name in task_list(given.get("task")):
            raise UserError(f"--intermediate {step.name}: that is the target itself")
        if step.predicted_by:
            raise UserError(f"--intermediate {step.name}: it has no training data")


def _check_target(given: Mapping[str, Any]) -> None:
    """Finds mistakes about the target before intermediate tasks are trained or runs replaced."""
    settings = _of_target(given)
    chosen = choose_tasks(settings, lambda line: None)
    # Runs of the target that have begun keep what their teachers said.
    if settings.get("teachers") and not _target_has_begun(given):
        find_teachers(settings["teachers"], [task for task, _ in chosen])
    if given.get("overwrite"):
        prepare(settings, lambda line: None)  # Also its encoder and all its rows can be read.
    else:
        _check_heads(settings, [task for task, _ in chosen])
    for step in intermediate_tasks(given):
        _check_heads(step_settings(given, step), [step])
    for _, source in chosen:
        _check_steps(given, source)


def _target_has_begun(given: Mapping[str, Any]) -> bool:
    """Whether a run of the target, or one of its restarts, is gone on with."""
    if not given.get("resume"):
        return False
    output = Path(given["output"])
    return any(RunFolder(path).is_run() for path in (output, *output.glob("seeds/*")))


def _check_heads(settings: Mapping[str, Any], trained: Sequence[Task]) -> None:
    """Finds settings that contradict each other, and heads that cannot answer a task."""
    config = resolve(settings, *trained)
    for task in trained:
        head = task_config(config, settings, task, len(trained)).head
        KINDS.get(task.kind).check_head(task, read_head(head))


def _check_steps(given: Mapping[str, Any], target: Source) -> None:
    """Finds intermediate tasks without data, and those that sentences made up would stand in for.

    Where nobody names data, each task has its own default, so the sample could come before real
    data of the target.
    """
    for step in intermediate_tasks(given):
        source = open_source(step, given.get("data"))
        if given.get("data") is None and source.kind == "sample" != target.kind:
            raise UserError(
                f"--intermediate {step.name}: its data are not named, and the built-in sample is "
                f"none to go before {target.description}; name them with --data (tfds, a folder, "
                "or sample all the same), or set $GLUE_DIR for tasks of GLUE"
            )


def _of_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the last run alone."""
    settings = {name: value for name, value in given.items() if name not in OF_EXPERIMENTS}
    if given.get("intermediate") and given.get("train_file"):
        settings.pop("data", None)  # It is of the intermediate tasks.
    return settings


def _begun(folder: RunFolder, given: Mapping[str, Any]) -> RunFolder:
    """The folder with what was asked for written down, empty unless it is resumed."""
    plan = ExperimentPlan(folder.path)
    if given.get("resume") and folder.is_run() and not plan.exists:
        raise UserError(f"--resume: {given['output']} holds one run, no chain and no restarts")
    if given.get("overwrite"):
        folder.clear()
    plan.write(given)
    return folder
