"""Where a training run goes, and what may stand there already."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.files import check_writable
from tfglue.run_folder import RunFolder
from tfglue.training.devices import worker_index

# These may be written differently and mean the same; digests of data and encoder decide.
COMPARED_BY_DIGEST = (
    "data", "encoder", "init", "train_file", "dev_file", "test_file", "teachers", "text",
)
# Decides when a run is saved, not what becomes of it.
_MAY_CHANGE = ("checkpoint_seconds",)

ROOT = Path("saved_models")


def claim_output(given: Mapping[str, Any]) -> tuple[RunFolder | None, dict[str, Any] | None]:
    """The folder an explicit ``--output`` names, and ``run.yaml`` of the run to resume there.

    Returns:
        ``(folder, stored)``; no folder where none is named, nothing stored in a new run. The first
        of several workers answers for the folder of a new run, so the others take it as it is.

    Raises:
        UserError: the folder is taken and neither ``--resume`` nor ``--overwrite`` is given, or is
            no run, or ``--resume`` or several workers come without ``--output``.
    """
    if given.get("resume") and given.get("overwrite"):
        raise UserError("--resume and --overwrite exclude each other; give one")
    output = given.get("output")
    several = given.get("strategy") == "multi_worker"
    if output is None and several:
        raise UserError("--strategy multi_worker needs --output, the same on every worker")
    if output is None:
        for flag in ("resume", "overwrite"):
            if given.get(flag):
                raise UserError(f"--{flag} needs --output, the folder of the run")
        return None, None
    folder = RunFolder(output)
    if several and worker_index() > 0:
        return folder, folder.manifest() if given.get("resume") else None
    try:
        check_writable(folder.path)
        if not folder.exists:
            return folder, None
    except OSError as error:
        raise UserError(f"--output {output}: {error.strerror}") from None
    if not folder.is_run():
        raise UserError(f"--output: {output} exists and is not a run; name another folder")
    if given.get("resume"):
        return folder, folder.manifest()
    if not given.get("overwrite"):
        raise UserError(
            f"--output: {output} holds a run; add --resume to go on with it, --overwrite to "
            "replace it, or name another folder"
        )
    return folder, None


def free_output(task: str) -> RunFolder:
    """Makes and returns ``saved_models/<task>``, or that with -2, -3, ... if taken."""
    for number in itertools.count(1):
        path = ROOT / (task if number == 1 else f"{task}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        return RunFolder(path)


def resumed_settings(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the stored run, those the user repeats included.

    Raises:
        UserError: naming every given setting that differs from the stored run's.
    """
    config = stored["config"]
    changed = [
        f"{name} was {config.get(name)}, now {value}"
        for name, value in given.items()
        if name in TrainConfig().to_dict()
        and name not in (*COMPARED_BY_DIGEST, *_MAY_CHANGE)
        and config.get(name) != value
    ]
    if changed:
        raise UserError(
            f"--resume: settings differ from the run in {given['output']} ({'; '.join(changed)}); "
            "a run goes on as it began: leave them out, or start another run"
        )
    # What the recipe said is in the settings; its file may be gone.
    kept = {n: value for n, value in {**config, **given}.items() if value is not None}
    return {name: value for name, value in kept.items() if name != "recipe"}


def check_same_inputs(now: Mapping[str, Any], stored: Mapping[str, Any], output: str) -> None:
    """Raises UserError if data, encoder or vocabulary are not those the stored run began with."""
    for task, splits in stored["data"].items():
        for split, facts in splits.items():
            found = now["data"].get(task, {}).get(split, {})
            if found.get("digest") != facts["digest"]:
                raise UserError(
                    f"--resume: {task} {split} is not the data that the run in {output} began "
                    f"with ({facts['rows']} rows from {facts['origin']})"
                )
    for part in ("encoder", "tokenizer"):
        if now[part]["digest"] != stored[part]["digest"]:
            raise UserError(
                f"--resume: the {part} is not the one that the run in {output} began with "
                f"({stored['encoder']['name']})"
            )
    if now.get("teaching", {}) != stored.get("teaching", {}):
        raise UserError(
            f"--resume: what the teachers say is not what the run in {output} began with"
        )
    if now.get("language_model") != stored.get("language_model"):
        raise UserError(
            f"--resume: the language model is not the one that the run in {output} began with"
        )
    if now["encoder"]["config"] != stored["encoder"]["config"]:
        raise UserError(
            f"--resume: the encoder has the weights, but not the configuration, of the one that "
            f"the run in {output} began with"
        )
    for name in ("plan", "replicas", "total_updates"):
        if now[name] != stored.get(name, now[name]):
            raise UserError(
                f"--resume: {name} was {stored[name]} in the run in {output}, now {now[name]}"
            )
