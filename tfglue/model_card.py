"""The README of a run folder: what it is, how it was made, how good it is, how to use it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.budget import Budget
from tfglue.config import trainer_of


def model_card(manifest: Mapping[str, Any], metrics: Mapping[str, Any], path: str) -> str:
    """Markdown of a finished run.

    Args:
        manifest: content of ``run.yaml``.
        metrics: content of ``metrics.json``.
        path: the run folder as the user named it, for the commands.
    """
    added = manifest.get("added", {})
    tasks = ", ".join(name for name in manifest["tasks"] if name not in added)
    encoder = manifest["encoder"]
    lines = [
        f"# {', '.join(manifest['tasks'])}: a tfglue run",
        "",
        f"BERT encoder `{encoder['name']}` ({encoder['report']}) {_trained(manifest, tasks)}.",
        "",
        "## Results",
        "",
        "| task | split | rows | metric | value |",
        "|---|---|---|---|---|",
    ]
    for task, splits in metrics.items():
        if task == "main":
            continue
        for split, values in splits.items():
            rows = manifest["data"][task].get(split, {}).get("rows", "")
            for name, value in values.items():
                shown = f"**{name}**" if name == metrics["main"][task] else name
                lines.append(f"| {task} | {split} | {rows} | {shown} | {value:.4f} |")
    lines += [
        "",
        f"Weights: {manifest['result']['kept']}. Metrics are over {_scored(manifest)}.",
        "",
        # A task that another run trained has no curves here.
        *(["![training curves](curves.png)", ""] if "updates" in manifest["result"] else []),
        "## Data",
        "",
    ]
    for task, splits in manifest["data"].items():
        for split, facts in splits.items():
            lines.append(
                f"- {task} {split}: {facts['rows']} rows from {facts['origin']}, "
                f"{facts['truncated']} truncated, digest `{facts['digest'][:16]}`"
            )
    for task, declared in manifest["tasks"].items():
        if declared.get("labels"):
            lines.append(f"- labels of {task}, by id: {', '.join(declared['labels'])}")
    lines += ["", "## Settings", "", "| setting | value |", "|---|---|"]
    lines += [
        f"| {name} | {value} |" for name, value in manifest["config"].items() if value is not None
    ]
    lines += [
        f"| {name} of {task} | {value} |"
        for task, own in manifest.get("task_settings", {}).items() for name, value in own.items()
        if value != manifest["config"].get(name)
    ]
    lines += [
        "",
        *_budget(manifest, path),
        *_added(added),
        *_chain(manifest["parents"], tasks),
        "Made with " + ", ".join(f"{k} {v}" for k, v in manifest["versions"].items()) + ".",
        "",
        "## Use",
        "",
        "```sh",
        manifest["command"],
        f"python -m tfglue.evaluate --run {shlex.quote(path)}",
        _use(manifest, shlex.quote(path)),
        "```",
        "",
    ]
    return "\n".join(lines)


def _trained(manifest: Mapping[str, Any], tasks: str) -> str:
    if trainer_of(manifest["config"]) == "tfglue.pretrain":
        return "trained further as a masked language model"
    beside = manifest["config"].get("mlm_weight")
    also = " with masked language modelling on its texts beside it" if beside else ""
    return f"fine-tuned on {tasks}{also}"


def _use(manifest: Mapping[str, Any], path: str) -> str:
    if trainer_of(manifest["config"]) == "tfglue.pretrain":
        return f"python -m tfglue.train --task sst --data GLUE --init {path}"
    return f"python -m tfglue.predict --run {path} --input -"


def _budget(manifest: Mapping[str, Any], path: str) -> list[str]:
    budget = Budget.stored(manifest, Path(path) / "run.yaml")
    return [
        "## Parameters", "", *budget.table(), "",
        f"Trained: {budget.trained / budget.total:.2%}; {budget.comparison}.", "",
    ]


def _added(added: Mapping[str, Any]) -> list[str]:
    """Tasks that came to the finished run."""
    if not added:
        return []
    return [
        "## Added later, on the same encoder", "",
        *(f"- {task}: from `{facts['source']}`" for task, facts in added.items()), "",
    ]


def _chain(parents: Sequence[Mapping[str, Any]], tasks: str) -> list[str]:
    """How the encoder came here, run by run."""
    if not parents:
        return []
    lines = ["## Trained through", ""]
    for number, parent in enumerate(parents, start=1):
        epoch = "" if parent["epoch"] is None else f", weights after epoch {parent['epoch']}"
        epoch += f", weights best on {parent['best_of']}" if "best_of" in parent else ""
        scores = "; ".join(
            f"{task} dev {metric} {value:.4f}"
            for task, named in parent["scores"].items()
            for metric, value in named.items()
        )
        facts = [f"`{parent['run']}`{epoch}", *([scores] if scores else [])]
        lines.append(f"{number}. {', '.join(parent['tasks'])}: {'; '.join(facts)}")
    return [*lines, f"{len(parents) + 1}. {tasks}: this run", ""]


def _scored(manifest: Mapping[str, Any]) -> str:
    """What the dev scores are of."""
    count = manifest["config"].get("dev_examples")
    return "whole splits" if count is None else f"at most {count} rows of each split"
