"""A run of LoRA adapters as a plain one: a task's updates become part of the encoder."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.adapters.lora import Lora
from tfglue.budget import ENCODER_PARTS, Budget
from tfglue.errors import UserError
from tfglue.files import atomic_folder, write_text
from tfglue.model_card import model_card
from tfglue.models.transfer_model import TransferModel
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.task_part import OF_RESULT, named_task, part_lineage
from tfglue.tasks.serialization import task_to_dict

# How the weights came about is what it was.
_KEPT_FILES = ("history.csv", "curves.png", "timing.json")


def merge_run(folder: RunFolder, name: str | None, output: Path) -> RunFolder:
    """Writes a run of one task whose encoder holds that task's LoRA updates.

    It answers as before but for rounding: x W + (x A B) s becomes x (W + A B s) (Hu et al. 2022,
    4.1). The other tasks of the run are not in it, since their updates are made for the encoder
    as it was.

    Args:
        folder: a finished run.
        name: the task; may be left out where there is one alone.
        output: a folder that does not exist yet.

    Raises:
        UserError: the adapters are not LoRA, there is no such task, or `output` is taken.
    """
    manifest = folder.finished_manifest()
    name = named_task(folder, manifest, name)
    adapter = manifest["config"].get("adapter") or "none"
    if adapter.partition(":")[0] != "lora":
        raise UserError(
            f"{folder.path}: its adapter is {adapter}; only lora can become part of an encoder's "
            "own matrices"
        )
    place = RunFolder(output)
    if place.exists:
        raise UserError(f"--output: {output} exists; name a folder that does not")
    run = Run.open(folder.path)
    lora = run.model.adapters[name]
    assert isinstance(lora, Lora)
    lora.merge(run.encoder.named_weights())
    model = TransferModel(run.encoder, {name: run.model.heads[name]})

    metrics = folder.metrics()
    kept = {name: metrics[name], "main": {name: metrics["main"][name]}}
    own = manifest["task_settings"].get(name, {})
    parents = part_lineage(folder, manifest, name)
    added = name in manifest.get("added", {})
    if added:
        manifest = _without_training(manifest) | {
            "command": f"python -m tfglue.parts merge --run {shlex.quote(str(folder.path))} "
            f"--task {name} --output {shlex.quote(str(output))}"
        }
    result = {
        key: {task: found for task, found in value.items() if task == name}
        if key in OF_RESULT else value
        for key, value in manifest["result"].items()
    }
    budget = Budget.stored(manifest, folder.path / "run.yaml")
    merged = manifest | {
        "tasks": {name: task_to_dict(run.tasks[name])},
        "config": manifest["config"] | own | {"task": name, "adapter": "none"},
        "task_settings": {name: own},
        "data": {name: manifest["data"].get(name, {})},
        "parents": parents,
        "parameters": Budget(Budget.of(model).parts, _trained(budget, name)).to_dict(),
        "result": result | {"kept": f"those of {folder.path}, its {adapter} merged"},
        "added": {},
        "merged": {"run": str(folder.path), "adapter": adapter},
    }
    with atomic_folder(output) as temporary:
        written = RunFolder(temporary)
        written.save_weights(model)
        run.tokenizer.save(written.tokenizer)
        for file in () if added else _KEPT_FILES:
            if (folder.path / file).is_file():
                shutil.copy(folder.path / file, temporary / file)
        written.write_metrics({name: metrics[name]}, kept["main"])
        write_text(written.card, model_card(merged, kept, str(output)))
        written.write_manifest(merged)
    return place


def _without_training(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """``run.yaml`` without what it says of the run's training, which an added task had no part in.
    """
    result = {
        name: value for name, value in manifest["result"].items()
        if name not in ("updates", "best_update")
    }
    kept = {name: value for name, value in manifest.items() if name != "total_updates"}
    return kept | {"result": result}


def _trained(budget: Budget, name: str) -> dict[str, int]:
    """What was trained, of the parts that are left."""
    return {
        part: count for part, count in budget.trained_parts.items()
        if part in ENCODER_PARTS or part == f"heads.{name}"
    }
