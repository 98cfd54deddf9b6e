"""What tasks a run has, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.budget import Budget
from tfglue.run_folder import RunFolder

_HEADER = ("task", "kind", "adapter", "head", "share", "dev", "added from")


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
        *_aligned(rows),
        f"{budget.total:,} parameters, {budget.comparison}",
    ]


def _score(metrics: Mapping[str, Any], task: str) -> str:
    metric = metrics["main"].get(task, "")
    value = metrics.get(task, {}).get("dev", {}).get(metric)
    return "" if value is None else f"{metric} {value:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of one width; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= number <= 4 else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
