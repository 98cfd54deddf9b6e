"""Scores of linear probes over the layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.files import atomic_file


def plot_probes(
    rows: Sequence[Mapping[str, Any]], metric: str, path: Path, *, title: str, floor: float
) -> None:
    """Draws a line for every position to a PNG, layers from left to right.

    Args:
        rows: as `tfglue.activations.probing.LayerProbe.scores` gives them.
        metric: which score is drawn.
        path: where the picture goes.
        title: shown above.
        floor: what a model scores that learned nothing; a dashed line.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for position in dict.fromkeys(row["position"] for row in rows):
        own = [row for row in rows if row["position"] == position]
        panel.plot([row["layer"] for row in own], [row[metric] for row in own], marker="o",
                   markersize=4, label=f"token {position}" if position.isdigit() else position)
    panel.axhline(floor, color="#444444", linestyle="--", linewidth=1, label="nothing learned")
    panel.set_title(title, loc="left", fontsize="medium", parse_math=False)
    panel.set(xlabel="layer (0: embeddings)", ylabel=f"{metric} on dev")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(alpha=0.3)
    panel.legend(fontsize="small")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
