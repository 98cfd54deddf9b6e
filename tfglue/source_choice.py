"""``--intermediate auto``: the intermediate task, as the embeddings of a library recommend it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfglue import tasks
from tfglue.config import AUTO, LIBRARY_SETTINGS, OF_EXPERIMENTS, OF_ONE_COMMAND
from tfglue.data.sources import open_source
from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.form import check_form
from tfglue.models.checkpoints import load_encoder
from tfglue.models.loaded_encoder import LoadedEncoder
from tfglue.preparation import LOWER_CASE
from tfglue.restarts import RESTARTS
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.setting_values import task_list
from tfglue.task_choice import Say
from tfglue.trainer import train_run
from tfglue.transfer.embedder import (
    EncoderFacts,
    TaskSettings,
    embed_task,
    embed_text,
    encoder_facts,
)
from tfglue.transfer.embedding import TaskEmbedding
from tfglue.transfer.library import Library
from tfglue.transfer.recommendation import FORMAT, Recommendation, recommend
from tfglue.transfer.task_class import check_embeddable
from tfglue.transfer.task_rows import rows_for_encoder, rows_of_run
from tfglue.transfer.text_embedding import PER

RECORD = "recommendation.json"
"""Beside the runs of the experiment: what was predicted, and what was taken."""

TARGET = "target"
"""Where the target's own embeddings lie, and the run that TaskEmb needs."""


def choose_source(
    given: Mapping[str, Any],
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    say: Say,
) -> str:
    """Embeds the target as the library's tasks were, and picks the source that is ranked first.

    Sources that are no tasks here, or that have no data, are passed over. For TaskEmb the target is
    fine-tuned first, as it would be without an intermediate task. The choice is written down beside
    the runs, so that a resumed experiment goes on with it.

    Args:
        given: settings of the experiment, ``intermediate`` being auto.
        folder: of the experiment.
        callbacks: Keras callbacks.
        say: takes each line of what is going on.

    Returns:
        The name of the task to train first.

    Raises:
        UserError: the library is empty, mixed or of another encoder, or no source of it can be
            trained.
    """
    record = folder.path / RECORD
    if record.is_file():
        content = read_json(record)
        check_form(content, {"format": str, "chosen": str}, str(record))
        say(f"intermediate: {content['chosen']}, chosen before ({record})")
        return content["chosen"]
    library = Library.read(given["library"])
    target = tasks.get(given["task"])
    loaded = load_encoder(given.get("encoder", "tiny"), given.get("seed", 0))
    facts = encoder_facts(given.get("encoder", "tiny"), loaded.encoder)
    for method in library.methods:
        # Before anything is trained, which TaskEmb needs.
        _check_member(next(iter(library.members(method).values())), facts)
        if method == "task":
            check_embeddable(target)
    for method in library.methods:
        member = next(iter(library.members(method).values()))
        if method == "text":
            embedding = _embed_text(target.name, member, loaded, facts, given, folder, say)
        else:
            embedding = _embed_task(target.name, member, given, folder, callbacks, say)
        library = library.with_embedding(embedding)
    found = recommend(library, target.name, center=bool(given.get("center")))
    for line in found.lines():
        say(line)
    chosen = _first_that_can_be_trained(found, given, say)
    say(f"intermediate: {chosen}, recommended by {' + '.join(found.fused_methods)}")
    content = found.to_dict() | {"chosen": chosen, "library": str(given["library"])}
    write_json(record, {**content, "format": FORMAT})
    return chosen


def check_auto(given: Mapping[str, Any]) -> None:
    """Raises UserError for settings that do not go with ``--intermediate auto``."""
    auto = given.get("intermediate") == AUTO
    for name in LIBRARY_SETTINGS:
        if given.get(name) and not auto:
            raise UserError(f"--{name} goes with --intermediate auto")
    if not auto:
        return
    if not given.get("library"):
        raise UserError(
            "--intermediate auto needs --library, a folder of embeddings of the tasks to choose "
            "from; make them with python -m tfglue.embed"
        )
    if given.get("train_file"):
        raise UserError("--intermediate auto: the target must be a task with --data, not files")
    if len(task_list(given.get("task"))) > 1:
        raise UserError(f"--intermediate auto: one target at a time, not {given['task']}")
    if given.get("init"):
        raise UserError("--intermediate auto goes with --encoder, that of the library, not --init")
    Library.read(given["library"])


def _embed_text(
    target: str, member: TaskEmbedding, loaded: LoadedEncoder, facts: EncoderFacts,
    given: Mapping[str, Any], folder: RunFolder, say: Say,
) -> TaskEmbedding:
    tokenizer = loaded.tokenizer(LOWER_CASE[given.get("lower_case", "auto")])
    rows = rows_for_encoder(
        _of_target(given), tokenizer, loaded.encoder.max_sequence_length, lambda line: None
    )
    per = _settings(member)["per"]
    say(f"embedding {target} by text: {len(rows.features)} rows")
    place = folder.path / TARGET / "text"
    return embed_text(loaded.encoder, facts, rows, target, place, per)


def _embed_task(
    target: str, member: TaskEmbedding, given: Mapping[str, Any], folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback], say: Say,
) -> TaskEmbedding:
    settings = TaskSettings(**_settings(member))
    place = RunFolder(folder.path / TARGET / "run")
    say(f"TaskEmb needs a run of {target} itself")
    own = _of_target(given) | {"output": str(place.path), "resume": place.is_run()}
    run: Run = train_run(own, callbacks=callbacks, say=say)
    task = run.task(target)
    rows = rows_of_run(run, task, given.get("data"))
    say(f"embedding {target} by task: {len(rows.features)} rows")
    return embed_task(run, task, rows, folder.path / TARGET / "task", settings)


def _check_member(member: TaskEmbedding, facts: EncoderFacts) -> None:
    """Raises UserError for an embedding that the target's cannot be held against."""
    if member.manifest is None:
        raise UserError(
            f"{member.where}: has no manifest.json, so the target cannot be embedded alike; rank "
            "with python -m tfglue.recommend and name the task with --intermediate"
        )
    known = member.manifest["encoder"]
    if known["digest"] != facts.digest:
        # Weights that are drawn have one name whatever the seed.
        mend = (
            "train with that one" if known["name"] != facts.name
            else "train with the --seed of the library, if its weights are random"
        )
        raise UserError(
            f"--encoder {facts.name}: not the encoder that {member.where} is of "
            f"({known['name']}); {mend}, or embed the library anew"
        )
    _settings(member)


def _settings(member: TaskEmbedding) -> dict[str, Any]:
    """How an embedding was made, but for the length. Raises UserError where that is not known."""
    found = {n: value for n, value in member.manifest["settings"].items() if n != "max_length"}
    try:
        if member.manifest["method"] == "task":
            TaskSettings(**found)
        elif found.get("per") not in PER or len(found) > 1:
            raise TypeError
    except (TypeError, UserError) as error:
        reason = f" ({error})" if isinstance(error, UserError) else ""
        raise UserError(
            f"{member.where}: manifest.json: settings: nothing can be embedded alike{reason}; "
            "embed the library's tasks again"
        ) from None
    return found


def _of_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the target as it is trained alone."""
    others = (*OF_EXPERIMENTS, *OF_ONE_COMMAND)
    return {name: value for name, value in given.items() if name not in others}


def _first_that_can_be_trained(found: Recommendation, given: Mapping[str, Any], say: Say) -> str:
    for name, _ in found.fused:
        task = tasks.find(name)
        if task is None or task.predicted_by or task.name == found.target:
            say(f"passed over: {name} is no task that can be trained here")
            continue
        try:
            source = open_source(task, given.get("data"))
            if "train" not in source.splits():
                raise UserError(f"{source.description}: no train split")
        except UserError as error:
            say(f"passed over: {name} ({error})")
            continue
        return task.name
    raise UserError(
        f"--library {given['library']}: none of its tasks can be trained with --data "
        f"{given.get('data')}; bring their data, or name a task with --intermediate"
    )


def record_result(folder: RunFolder, run: Run) -> None:
    """Adds to the record what the chain came to, and the target alone where it was trained.

    Args:
        folder: of the experiment.
        run: the chain's last one, or one of its restarts; then their mean is recorded, since the
            best of several would not be comparable with one run alone.
    """
    record = folder.path / RECORD
    (metric, score), = _score(run.folder).items()
    result: dict[str, Any] = {"chain": {metric: score}}
    restarts = folder.path / RESTARTS
    if restarts.is_file():
        report = read_json(restarts)
        result["chain"] = {metric: report["summary"].get("mean")}
        result["chain_by_seed"] = {str(row["seed"]): row["score"] for row in report["seeds"]}
    alone = RunFolder(folder.path / TARGET / "run")
    if alone.is_run():
        result["alone"] = _score(alone)
    write_json(record, {**read_json(record), "result": result})


def _score(folder: RunFolder) -> dict[str, float | None]:
    metrics = folder.metrics()
    (task, metric), *_ = metrics["main"].items()
    return {metric: metrics[task].get("dev", {}).get(metric)}
