"""Pictures of a matrix of transfer: violins, heat map, agreement of methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.figure import new_figure, save_figure
from tfglue.transfer.matrix_scores import MatrixScores
from tfglue.transfer.task_class import CLASS_COLOURS, CLASS_NAMES

_CLASS_ORDER = ("CR", "QA", "SL", "?")


def violin_rows(
    scores: MatrixScores, choices: Sequence[Mapping[str, Any]], classes: Mapping[str, str],
    method: str,
) -> list[dict[str, Any]]:
    """What the CSV beside the violins holds: a row a target and source."""
    taken = {row["target"]: row["choice"] for row in choices if row["method"] == method}
    rows = []
    for target in _by_class(scores.scores, classes):
        means = scores.means(target)
        best = max(means, key=means.get)
        rows += [
            {
                "target": target, "class": classes[target], "metric": scores.metrics[target],
                "source": source, "source_class": classes[source], "score": mean,
                "alone": scores.alone(target), "best": source == best,
                "predicted": source == taken.get(target),
            }
            for source, mean in means.items()
        ]
    return rows


def plot_violins(rows: Sequence[Mapping[str, Any]], path: Path, method: str) -> None:
    """Draws figure 2 of Vu et al. (2020): a violin a target, a dot a source in its class's colour.

    A black bar is the target without a source, a red star the source that `method` chose; above
    stand the best source and the chosen one.

    Args:
        rows: as `violin_rows` gives them.
        path: where the picture goes.
        method: for the legend.
    """
    targets = list(dict.fromkeys(row["target"] for row in rows))
    figure = new_figure(max(7.0, 1.1 + 0.95 * len(targets)), 5.4)
    panel = figure.subplots()
    used = {}
    for place, target in enumerate(targets):
        own = [row for row in rows if row["target"] == target]
        values = np.array([100 * row["score"] for row in own])
        if len(values) > 1 and np.ptp(values) > 1e-9:
            bodies = panel.violinplot([values], [place], widths=0.8, showextrema=False)["bodies"]
            for body in bodies:
                body.set(facecolor="#dddddd", edgecolor="#bbbbbb", alpha=1)
        for row, value in zip(own, values, strict=True):
            dot = panel.scatter(
                place, value, s=16, color=CLASS_COLOURS[row["source_class"]], zorder=3
            )
            used.setdefault(CLASS_NAMES[row["source_class"]], dot)
            if row["predicted"]:
                used["chosen by " + method] = panel.scatter(
                    place, value, s=110, marker="*", color="#cc1f1f", zorder=4
                )
        if own[0]["alone"] is not None:
            used["no transfer"] = panel.hlines(
                100 * own[0]["alone"], place - 0.28, place + 0.28, color="black", linewidth=2.2,
                zorder=2,
            )
        best = next((row["source"] for row in own if row["best"]), "")
        chosen = next((row["source"] for row in own if row["predicted"]), "-")
        panel.annotate(
            f"{best}\n{chosen}", (place, 1.01), xycoords=("data", "axes fraction"), ha="center",
            va="bottom", fontsize="x-small", parse_math=False,
        )
    metrics = {row["target"]: row["metric"] for row in rows}
    panel.set_xticks(
        range(len(targets)), [f"{name}\n{metrics[name]}" for name in targets],
        fontsize="x-small", rotation=30, ha="right", parse_math=False,
    )
    panel.set_ylabel("score on dev, in hundredths")
    panel.set_title(
        "above: best source, and the one that was chosen", fontsize="small", loc="left", pad=26
    )
    panel.grid(axis="y", alpha=0.3)
    figure.legend(used.values(), used.keys(), loc="outside lower right", ncols=4,
                  fontsize="small", frameon=False)
    save_figure(figure, path)


def plot_heat_map(
    scores: MatrixScores, classes: Mapping[str, str], path: Path
) -> list[dict[str, Any]]:
    """Draws what every source changed, in points, targets down and sources across.

    Each row has its own colours, from its worst to its best: targets differ in what can be gained.

    Returns:
        What the CSV beside it holds.
    """
    targets, sources = _by_class(scores.scores, classes), _by_class(scores.sources, classes)
    change = np.full((len(targets), len(sources)), np.nan)
    rows = []
    for i, target in enumerate(targets):
        alone = scores.alone(target)
        for j, source in enumerate(sources):
            if source in scores.means(target):
                mean = scores.means(target)[source]
                change[i, j] = mean - (alone if alone is not None else 0)
                rows.append({
                    "target": target, "source": source, "score": mean, "alone": alone,
                    "change": change[i, j], "gain": scores.gains(target).get(source),
                })
    largest = np.nanmax(np.abs(change), axis=1, keepdims=True)
    shown = change / np.where(largest > 0, largest, 1)
    figure = new_figure(max(5.8, 2.6 + 0.8 * len(sources)), 1.8 + 0.5 * len(targets))
    panel = figure.subplots()
    panel.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(change):
        if np.isfinite(value):
            dark = abs(shown[i, j]) > 0.6
            panel.text(j, i, f"{100 * value:+.1f}", ha="center", va="center", fontsize="x-small",
                       color="white" if dark else "black")
    panel.set_xticks(range(len(sources)), sources, rotation=45, ha="right", fontsize="small",
                     parse_math=False)
    panel.set_yticks(range(len(targets)), targets, fontsize="small", parse_math=False)
    panel.set(xlabel="source", ylabel="target")
    panel.set_title("score on dev less the one without a source, in hundredths", loc="left",
                    fontsize="medium")
    save_figure(figure, path)
    return rows


def plot_agreement(
    methods: Sequence[str], correlations: np.ndarray, path: Path
) -> list[dict[str, Any]]:
    """Draws how alike methods rank sources: Spearman correlations, means over targets.

    Returns:
        What the CSV beside it holds.
    """
    figure = new_figure(2.6 + 0.62 * len(methods), 2.0 + 0.5 * len(methods))
    panel = figure.subplots()
    image = panel.imshow(correlations, cmap="RdBu_r", vmin=-1, vmax=1)
    for (i, j), value in np.ndenumerate(correlations):
        if np.isfinite(value):
            panel.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize="x-small",
                       color="white" if abs(value) > 0.6 else "black")
    panel.set_xticks(range(len(methods)), methods, rotation=45, ha="right", fontsize="small",
                     parse_math=False)
    panel.set_yticks(range(len(methods)), methods, fontsize="small", parse_math=False)
    panel.set_title("agreement of methods (Spearman)", loc="left", fontsize="medium")
    figure.colorbar(image, ax=panel, shrink=0.7)
    save_figure(figure, path)
    return [
        {"method": one, "other": other,
         "spearman": None if np.isnan(correlations[i, j]) else float(correlations[i, j])}
        for i, one in enumerate(methods) for j, other in enumerate(methods)
    ]


def _by_class(names, classes: Mapping[str, str]) -> list[str]:
    return sorted(names, key=lambda name: _CLASS_ORDER.index(classes.get(name, "?")))
