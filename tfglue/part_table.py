"""What tasks a run has, as a table."""

from collections.abc import Mapping
from typing import Any

from tfglue.aligned_table import aligned_table
from tfglue.budget import Budget
from tfglue.run_folder import RunFolder

_HEADER = ("task", "kind", "adapter", "head", "share", "dev", "added from")
_TEXT = (0, 1, 5, 6)


def part_table(folder: RunFolder) -> list[str]:
    """Lines that show every task of a finished run with its parameters and its main score.

    Raises:
        UserError: it is no finished run, or it is damaged.
    """
    manifest, metrics = folder.finished_manifest(), folder.metrics()
    budget = Budget.stored(manifest, folder.path / "run.yaml")
    rows = [_HEADER]
    for name, task in manifest["tasks"].items():
        adapter = budget.parts.get(f"adapters.{name}")
        rows.append(
            (
                name,
                task["kind"],
                "none" if adapter is None else f"{adapter:,}",
                f"{budget.parts.get(f'heads.{name}', 0):,}",
                f"{budget.of_task(name) / budget.total:.2%}",
                _score(metrics, name),
                manifest.get("added", {}).get(name, {}).get("source", ""),
            )
        )
    return [
        f"{folder.path}: encoder {manifest['encoder']['name']}, adapter "
        f"{manifest['config'].get('adapter') or 'none'}",
        *aligned_table(rows, _TEXT),
        f"{budget.total:,} parameters, {budget.comparison}",
    ]


def _score(metrics: Mapping[str, Any], task: str) -> str:
    metric = metrics["main"].get(task, "")
    value = metrics.get(task, {}).get("dev", {}).get(metric)
    return "" if value is None else f"{metric} {value:.4f}"
