"""One session of a search: from flags to the report, in whatever part this process plays."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import tensorflow as tf

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.folder_lock import locked
from tfglue.task_choice import Say
from tfglue.training.loop import Interrupted
from tfglue.training.stop_signal import stopped_as_interrupted
from tuning.config import MAY_CHANGE, SearchConfig
from tuning.hypermodel import RunHyperModel
from tuning.local_worker import GRACE
from tuning.oracles import Resumable, build_oracle
from tuning.plan import WHERE_DATA_LIE, SearchPlan, make_plan
from tuning.preflight import Inputs, preflight
from tuning.progress import SearchProgress
from tuning.report import write_report
from tuning.role import Role
from tuning.search_folder import SearchFolder
from tuning.service import Workers, chief_errors, client, serve
from tuning.worker import work

_OUTPUT = ("output", "resume", "overwrite")
_PATIENCE = 2 * GRACE
"""Seconds that a search waits for workers of its last session."""


def search(
    settings: Mapping[str, Any],
    train: Mapping[str, Any],
    space: Sequence[str] = (),
    *,
    say: Say = print,
) -> dict[str, Any]:
    """Searches, or goes on with a search, and returns what ``report.json`` holds.

    Args:
        settings: of the search, by the names of `SearchConfig`.
        train: settings by the names of `TrainConfig`; ``output``, ``resume`` and ``overwrite`` are
            of the search's folder.
        space: what ``--space`` takes: names of spaces, files, ``name=dimension``.
        say: takes each line of what is going on.

    Raises:
        UserError: for any mistake; nothing has been trained then, unless it shows in a trial alone.
        Interrupted: by a signal; the message says how to go on.
    """
    tf.get_logger().setLevel("ERROR")  # Every trial is traced anew, which TensorFlow warns of.
    role = Role.of_environment()
    where = {name: train[name] for name in _OUTPUT if name in train}
    asked = {
        "search": dict(settings),
        "train": {name: value for name, value in train.items() if name not in where},
        "space": list(space),
    }
    if role.worker:
        if not where.get("output"):
            raise UserError("--output is needed: the folder of the search, the same everywhere")
        say(f"{role.name}: asks the chief at {role.address}")
        try:
            run_worker(SearchFolder(where["output"]), role.name, asked)
        except KeyboardInterrupt:
            raise Interrupted("a worker that is started again goes on with its trial") from None
        return {}
    folder, asked = _claimed(where, asked)
    plan = _plan(asked)
    for line in plan.notes:
        say(line)
    inputs = preflight(plan, say)
    if folder is None:
        folder = SearchFolder.free(plan.task)
    try:
        with locked(folder.path, ".search.lock"):
            # Workers elsewhere outlive a chief, and go on with the next one, in the same search.
            if role.alone or where.get("overwrite"):
                folder.wait_for_workers(_PATIENCE, say)
            _begin(folder, asked, plan, inputs, bool(where.get("overwrite")))
            return _run(folder, plan, inputs, role, say)
    except KeyboardInterrupt:
        over = len(folder.records())
        raise Interrupted(f"{over} trials are over; go on with {folder.go_on}") from None


def run_worker(folder: SearchFolder, name: str, asked: Mapping[str, Any] | None = None) -> None:
    """Trains trials that the chief chooses, until there are no more.

    Args:
        folder: of the search, which the chief has begun.
        name: of this worker.
        asked: what the worker itself was asked for, to be compared; None for nothing.

    Raises:
        UserError: there is no chief, or it searches something else.
    """
    tf.get_logger().setLevel("ERROR")
    oracle = client()
    if not folder.exists:
        raise UserError(f"--output {folder.path}: no search; name the folder of the chief's")
    if asked is not None:
        _, asked = _claimed({"output": str(folder.path), "resume": True}, asked)
    stored = folder.read()
    plan = _plan(asked or stored["asked"])
    inputs = Inputs(**stored["inputs"])
    if asked is not None:  # On another machine, perhaps.
        _check_same(folder, plan, preflight(plan, lambda line: None))
    with chief_errors():
        work(oracle, name, RunHyperModel(plan, folder, inputs.whole_epochs))


def _claimed(
    where: Mapping[str, Any], asked: Mapping[str, Any]
) -> tuple[SearchFolder | None, Mapping[str, Any]]:
    """The folder, None for a free one, and what is asked for with what it was before.

    Raises:
        UserError: the folder is none of a search, or of another one.
    """
    folder = SearchFolder.claim(where)
    if folder is None or not folder.exists or where.get("overwrite"):
        return folder, asked
    stored = folder.read()["asked"]
    for part, config in (("search", SearchConfig), ("train", TrainConfig)):
        before = asdict(config()) | stored[part]
        for name, value in asked[part].items():
            if name not in (*MAY_CHANGE, *WHERE_DATA_LIE) and before[name] != value:
                raise UserError(
                    f"--resume: {name} was {before[name]}, now {value} in {folder.path}; leave it "
                    "out, or name another folder"
                )
    return folder, {
        "search": {**stored["search"], **asked["search"]},
        "train": {**stored["train"], **asked["train"]},
        "space": asked["space"] or stored["space"],
    }


def _begin(
    folder: SearchFolder, asked: Mapping[str, Any], plan: SearchPlan, inputs: Inputs,
    overwrite: bool,
) -> None:
    """Writes down what is asked for; a search that goes on must have been the same one."""
    if overwrite:
        folder.clear()
    if folder.exists:
        _check_same(folder, plan, inputs)
    folder.write(asked, plan, asdict(inputs))


def _check_same(folder: SearchFolder, plan: SearchPlan, inputs: Inputs) -> None:
    """Raises UserError unless the search in the folder is this very one."""
    stored = folder.read()
    for name, value in plan.identity().items():
        before = stored["identity"].get(name)
        if name == "space" and before != value:
            raise UserError(
                f"--resume: the space of {folder.path} was {_words(before)}, now {_words(value)}; "
                "leave --space out, or name another folder"
            )
        if before != value:
            raise UserError(
                f"--resume: what {folder.path} searches was made by another version or another "
                f"file of its space ({name} differs); name another folder"
            )
    if stored["inputs"] != asdict(inputs):
        raise UserError(
            f"--resume: data or encoder are not those that the search in {folder.path} began "
            "with; restore them, or name another folder"
        )


def _words(space: Mapping[str, str]) -> str:
    return " ".join(f"{name}={text}" for name, text in space.items())


def _plan(asked: Mapping[str, Any]) -> SearchPlan:
    return make_plan(asked["search"], asked["train"], asked["space"])


def _run(
    folder: SearchFolder, plan: SearchPlan, inputs: Inputs, role: Role, say: Say
) -> dict[str, Any]:
    max_epochs = inputs.whole_epochs
    progress = SearchProgress(plan, folder, say)
    oracle = build_oracle(plan, folder, max_epochs, progress.ended)
    with progress.running(oracle), stopped_as_interrupted():
        _train_all(oracle, folder, plan, max_epochs, role)
    return write_report(plan, folder, oracle.elapsed, say)


def _train_all(
    oracle: Resumable, folder: SearchFolder, plan: SearchPlan, max_epochs: int, role: Role
) -> None:
    if not role.alone:
        serve(oracle, role.address)
    elif plan.config.workers == 1:
        work(oracle, "worker0", RunHyperModel(plan, folder, max_epochs))
    else:
        command = [sys.executable, "-m", "tuning.local_worker", str(folder.path)]
        workers = Workers(command, folder.path / "workers", folder.go_on)
        try:
            serve(
                oracle, "127.0.0.1:0", workers.done,
                lambda port: workers.start(plan.config.workers, port),
            )
        finally:
            workers.stop()
