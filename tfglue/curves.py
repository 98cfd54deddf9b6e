"""The plot of a run: training loss and evaluation over updates."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.figure import new_figure, save_figure


def plot_curves(
    history: Sequence[Mapping[str, Any]],
    main: Mapping[str, str],
    path: Path,
    *,
    title: str,
    best_update: int | None = None,
) -> None:
    """Draws loss (left) and main metrics (right) to a PNG.

    Args:
        history: rows as `history.csv` holds them.
        main: task -> main metric.
        path: where the picture goes.
        title: shown above both panels.
        best_update: marked with a line where given.
    """
    several = len(main) > 1
    figure = new_figure(12, 5) if several else new_figure(10, 4)
    figure.suptitle(title)
    losses, scores = figure.subplots(1, 2)
    if several:
        for number, task in enumerate(main):
            losses.plot(*_column(history, f"train_loss.{task}"), color=f"C{number % 10}",
                        linewidth=1, alpha=0.6)
    else:
        losses.plot(*_column(history, "train_loss"), label="train", linewidth=1)
    colors = {task: f"C{number % 10}" for number, task in enumerate(main)} if several else {}
    for name in _metric_columns(history):
        task, split, metric = name.split(".")
        label = f"{task} {split}"
        # In both panels: of several tasks each has one colour, its further dev splits are dashed;
        # of one task each split has one, C0 being that of the training loss.
        style = {"marker": "o", "markersize": 3}
        style["color"] = colors.setdefault(task if several else label, f"C{len(colors) + 1}")
        style["linestyle"] = "--" if several and split != "dev" else "-"
        points = _column(history, name)
        if metric == "loss":
            losses.plot(*points, label=label, **style)
        elif metric == main[task]:
            scores.plot(*points, label=f"{label} {metric}", **style)
    losses.set(xlabel="updates", ylabel="loss (thin: training)" if several else "loss")
    scores.set(xlabel="updates", ylabel="main metric")
    for panel in (losses, scores):
        if best_update is not None:
            panel.axvline(best_update, color="grey", linestyle=":", linewidth=1, label="best")
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0] and not several:
            panel.legend(fontsize="small")
    if several and scores.get_legend_handles_labels()[0]:
        figure.legend(*scores.get_legend_handles_labels(), fontsize="small",
                      loc="outside right upper")
    save_figure(figure, path, dpi=120)


def _metric_columns(history: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in history for name in row if name.count(".") == 2))


def _column(history: Sequence[Mapping[str, Any]], name: str) -> tuple[list[int], list[float]]:
    rows = [row for row in history if name in row]
    return [row["update"] for row in rows], [row[name] for row in rows]
