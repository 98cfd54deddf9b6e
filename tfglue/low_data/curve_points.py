"""The points of learning curves: means over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.scored_experiment import summary

SCORES = (
    "start", "size", "examples", "share", "seed", "metric", "score", "floor", "updates", "seconds",
    "run",
)
"""Columns of ``scores.csv``."""


def curve_points(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One point a start and size: what the picture shows, and its CSV holds.

    Args:
        rows: of finished trainings, as `CurveTraining.rows` makes them.

    Returns:
        In the order of the rows, start by start; ``std`` is the sample standard deviation, None
        for one run. Rows without a score do not count, and make no point alone.
    """
    starts = list(dict.fromkeys(row["start"] for row in rows))
    sizes = sorted({(row["examples"], row["size"]) for row in rows})
    points = []
    for start in starts:
        for examples, size in sizes:
            own = [
                row for row in rows
                if (row["start"], row["size"]) == (start, size) and row["score"] is not None
            ]
            if own:
                found = summary(own)
                points.append({
                    "start": start, "size": size, "examples": examples, "share": own[0]["share"],
                    "metric": own[0]["metric"], "runs": found["count"], "mean": found["mean"],
                    "std": found["std"], "best": found["best"], "worst": found["worst"],
                    "degenerate_share": found["degenerate_share"], "floor": own[0]["floor"],
                    "updates": own[0]["updates"],
                })
    return points


def shown_table(points: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Cells for people, the header's first: sizes down, starts across, what nothing scores last."""
    starts = list(dict.fromkeys(point["start"] for point in points))
    sizes = dict.fromkeys((point["examples"], point["size"]) for point in points)
    by_place = {(point["start"], point["size"]): point for point in points}
    rows = [["rows", "share", *starts, "nothing learned"]]
    for examples, size in sorted(sizes):
        own = [by_place.get((start, size)) for start in starts]
        known = next(point for point in own if point)
        floor = "-" if known["floor"] is None else f"{known['floor']:.4f}"
        rows.append(
            [f"{examples:,}", share_text(known["share"]), *map(_cell, own), floor]
        )
    return rows


def share_text(share: float) -> str:
    """A share in percent, with two digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def _cell(point: Mapping[str, Any] | None) -> str:
    if point is None:
        return "-"
    spread = "" if point["std"] is None else f" ± {point['std']:.4f}"
    return f"{point['mean']:.4f}{spread}"
