"""Scores of an ensemble beside its members', and whose right answers it has."""

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfglue.ensemble_members import ENSEMBLE
from tfglue.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tfglue.ensemble_report import EnsembleReport

_MEMBER, _ENSEMBLE, _WRONG = "#1f6fb2", "#d9791e", "#dddddd"


def plot_ensemble(report: "EnsembleReport", path: Path) -> None:
    """Draws one PNG: the main metric of all, and by whom examples are got right.

    The second panel parts the examples by the members that get them right (all, several, each
    alone, none), and every bar by whether the ensemble does. Scores that are neither right nor
    wrong have the first panel alone.

    Args:
        report: of labelled examples.
        path: where the picture goes; its numbers are in ``ensemble.csv`` and ``metrics.json``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 2 if report.right else 1
    height = 1.6 + 0.45 * (len(report.members) + 3)
    figure = Figure(figsize=(6 * panels, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{report.task.name} {report.split}: {len(report.examples):,} examples, mode {report.mode}",
        parse_math=False,
    )
    drawn = figure.subplots(1, panels, squeeze=False)[0]
    _draw_scores(drawn[0], report)
    if report.right:
        _draw_right(drawn[1], report)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _draw_scores(panel: "Axes", report: "EnsembleReport") -> None:
    main = report.task.main_metric
    values = [scores[main] for scores in report.scores.values()]
    colours = [_MEMBER] * len(report.members) + [_ENSEMBLE]
    bars = panel.barh(range(len(values)), values, 0.6, color=colours)
    panel.axvline(max(values[:-1]), color="#444444", linestyle="--", linewidth=1)
    panel.bar_label(
        bars, [f"{value:.4f}" for value in values], padding=4, fontsize="small",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    _label(panel, [*_short(list(report.members)).values(), ENSEMBLE])
    panel.set_xlabel(f"{main} (dashed: the best member)")
    panel.margins(x=0.15)


def _draw_right(panel: "Axes", report: "EnsembleReport") -> None:
    members = np.array([report.right[name] for name in report.members])
    ensemble, counts = report.right[ENSEMBLE], members.sum(axis=0)
    groups = [("all members right", counts == len(members))]
    if len(members) > 2:
        groups.append(("several right", (counts > 1) & (counts < len(members))))
    shown = _short(list(report.members))
    groups += [(f"only {shown[name]}", chosen) for name, chosen in report.alone.items()]
    groups.append(("no member right", counts == 0))
    totals = np.array([group.sum() for _, group in groups])
    right = np.array([(group & ensemble).sum() for _, group in groups])
    rows = range(len(groups))
    panel.barh(rows, right, 0.6, color=_ENSEMBLE, label="ensemble right")
    bars = panel.barh(rows, totals - right, 0.6, right, color=_WRONG, label="ensemble wrong")
    shares = [f"{own} of {total}" for own, total in zip(right, totals, strict=True)]
    panel.bar_label(bars, shares, padding=3, fontsize="small")
    _label(panel, [label for label, _ in groups])
    panel.set_xlabel("examples, and how many the ensemble gets right")
    panel.set_xlim(0, 1.2 * totals.max())
    panel.legend(fontsize="small", frameon=False, loc="best")


def _label(panel: "Axes", names: list[str]) -> None:
    shown = [textwrap.fill(name, 28) for name in names]
    panel.set_yticks(range(len(names)), shown, fontsize="small", parse_math=False)
    panel.set_ylim(len(names) - 0.5, -0.5)  # The first on top.
    panel.tick_params(axis="x", labelsize="small")
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _short(names: list[str], most: int = 50) -> dict[str, str]:
    """Names -> what tells them apart: folders that they share are left out, but for the last."""
    try:
        common = os.path.dirname(os.path.commonpath([os.path.dirname(name) for name in names]))
    except ValueError:  # Absolute and relative ones have nothing in common.
        common = ""
    short = {name: os.path.relpath(name, common) if common else name for name in names}
    return {n: own if len(own) <= most else f"...{own[3 - most:]}" for n, own in short.items()}
