"""How much each layer counts in heads that learn it."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from tfglue.files import atomic_file, write_text
from tfglue.models.transfer_model import TransferModel

FILES = ("layer_weights.csv", "layer_weights.png")


def write_layer_weights(model: TransferModel, folder: Path) -> None:
    """Writes a table and a plot of the shares of layers, of all heads that learn some.

    Args:
        model: whose heads are looked at; heads that learn none are left out, and where that is all
            of them nothing is written.
        folder: the run's.
    """
    shares = {
        task: head.layer_shares()
        for task, head in model.heads.items()
        if hasattr(head, "layer_shares") and head.layer_shares()
    }
    if not shares:
        return
    table, plot = (folder / name for name in FILES)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["task", "state", "share"])
    writer.writerows([task, *row] for task, own in shares.items() for row in own.items())
    write_text(table, text.getvalue())
    _plot(shares, plot)


def _plot(shares: Mapping[str, Mapping[str, float]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    states = list(next(iter(shares.values())))
    width = 0.8 / len(shares)
    for number, (task, own) in enumerate(shares.items()):
        places = [place + (number - (len(shares) - 1) / 2) * width for place in range(len(states))]
        panel.bar(places, list(own.values()), width, label=task)
    panel.axhline(1 / len(states), color="#444444", linestyle="--", linewidth=1, label="even")
    panel.set_xticks(range(len(states)), states)
    panel.set(xlabel="state (0: embeddings, then layers)", ylabel="share")
    panel.set_title("learned pooling over layers", loc="left", fontsize="medium")
    panel.grid(axis="y", alpha=0.3)
    panel.legend(fontsize="small")
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130)
