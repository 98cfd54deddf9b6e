"""The distribution of scores over restarts, experiment by experiment."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfglue.comparison import Comparison
from tfglue.figure import new_figure, save_figure
from tfglue.scored_experiment import ScoredExperiment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOUR = "#1f6fb2"


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Draws a panel for every task to a PNG, after the figures of Phang et al. (2018).

    Every run is a point, from the first seed (top) to the last of its experiment; those that
    learned nothing are hollow, and left of the dashed line. With three runs or more a box spans the
    middle half, with a line at the median and whiskers to the extremes. The paper stands its
    distributions upright; ours lie, so that long names can be read.

    Args:
        comparison: what is drawn, from top to bottom as given.
        path: where the picture goes.
    """
    groups = comparison.groups
    heights = [0.9 + 0.45 * len(members) for members in groups.values()]
    figure = new_figure(8, sum(heights) + 0.4)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, ((task, metric), members) in zip(panels, groups.items(), strict=True):
        panel.set_title(f"{task}: {metric} on dev", fontsize="medium", loc="left", parse_math=False)
        for position, experiment in enumerate(members):
            _draw(panel, position, experiment)
        _draw_floors(panel, members)
        names = [textwrap.fill(f"{e.name}\N{NO-BREAK SPACE}({len(e.rows)})", 30) for e in members]
        panel.set_yticks(range(len(members)), names, fontsize="small", parse_math=False)
        panel.set_ylim(len(members) - 0.5, -0.5)  # The first on top.
        panel.tick_params(axis="x", labelsize="small")
        panel.margins(x=0.06)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    legend: dict[str, Any] = {}
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        legend |= dict(zip(labels, handles, strict=True))
    figure.legend(
        legend.values(), legend.keys(), loc="outside lower right", ncols=4, fontsize="small",
        frameon=False,
    )
    save_figure(figure, path, dpi=150)


def _draw(panel: "Axes", position: int, experiment: ScoredExperiment) -> None:
    scores = np.asarray(experiment.scores)
    if len(scores) >= 3:
        low, first, median, third, high = np.quantile(scores, [0, 0.25, 0.5, 0.75, 1])
        panel.hlines(position, low, high, color=_COLOUR, linewidth=1, zorder=1)
        panel.barh(position, third - first, 0.56, first, color="#dbe9f6", edgecolor=_COLOUR)
        panel.vlines(median, position - 0.28, position + 0.28, color=_COLOUR, linewidth=2)
    # Apart by their order, not by chance: equal scores stay visible, and the picture is the same.
    offsets = np.linspace(-0.2, 0.2, len(scores)) if len(scores) > 1 else np.zeros(1)
    hollow = np.array([bool(row["degenerate"]) for row in experiment.rows])
    for chosen, face, label in ((~hollow, _COLOUR, "run"), (hollow, "white", "degenerate run")):
        if chosen.any():
            panel.scatter(
                scores[chosen], position + offsets[chosen], s=22, facecolor=face, label=label,
                edgecolor=_COLOUR, linewidth=1, zorder=3,
            )
    if len(scores) > 1:
        panel.scatter(
            scores.mean(), position + 0.37, marker="^", s=26, color="#d9791e", label="mean"
        )


def _draw_floors(panel: "Axes", members: Sequence[ScoredExperiment]) -> None:
    floors = {row["floor"] for experiment in members for row in experiment.rows} - {None}
    for floor in sorted(floors):
        panel.axvline(
            floor, color="#444444", linestyle="--", linewidth=1, label="nothing learned", zorder=2
        )
