"""The picture of learning curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.figure import new_figure, save_figure
from tfglue.low_data.curve_points import share_text

_MARKERS = "osD^vP*X"
_FLOOR = "nothing learned"
_ASIDE = 1.05
_SPREAD = ", mean of {} seeds ± 1 std"
"""Of two starts at one size, how far one stands right of the other, as a ratio."""


def plot_learning_curve(
    points: Sequence[Mapping[str, Any]], title: str, seeds: int, path: Path
) -> None:
    """Draws the score against the number of training rows, a line a start.

    It is the figure of Liu et al. (2019, section 4.5), with the spread over seeds: bars reach one
    standard deviation up and down. Starts stand a little beside each other, so that none is hidden
    behind another. Rows stand on a logarithmic axis, their share below. The dotted
    line is what a model scores that has learned nothing.

    Args:
        points: as `curve_points` makes them.
        title: shown above.
        seeds: of every start at every size.
        path: where the picture goes.
    """
    figure = new_figure(7.2, 4.6)
    panel = figure.subplots()
    starts = list(dict.fromkeys(point["start"] for point in points))
    for number, start in enumerate(starts):
        aside = _ASIDE ** (number - (len(starts) - 1) / 2)
        own = [point for point in points if point["start"] == start]
        panel.errorbar(
            [point["examples"] * aside for point in own], [point["mean"] for point in own],
            yerr=[point["std"] or 0.0 for point in own], label=start, color=f"C{number % 10}",
            marker=_MARKERS[number % len(_MARKERS)], markersize=5, linewidth=1.6, capsize=3,
        )
    for floor in sorted({point["floor"] for point in points} - {None}):
        panel.axhline(floor, color="#444444", linestyle=":", linewidth=1.2, label=_FLOOR)
    panel.set_xscale("log")
    ticks = sorted({(point["examples"], point["share"]) for point in points})
    panel.set_xticks(
        [examples for examples, _ in ticks],
        [f"{examples:,}\n{share_text(share)}" for examples, share in ticks], fontsize="small",
    )
    panel.set_xticks([], minor=True)
    panel.set(xlabel="training rows, and their share of all", 
              ylabel=points[0]["metric"] + (_SPREAD.format(seeds) if seeds > 1 else ""))
    panel.set_title(title, fontsize="medium", loc="left", parse_math=False)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    handles, labels = panel.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    if _FLOOR in named:
        named[_FLOOR] = named.pop(_FLOOR)  # Behind the starts.
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4,
                  fontsize="small", frameon=False)
    save_figure(figure, path)
