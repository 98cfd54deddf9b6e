"""New figures without a display, and PNG files of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASS_COLOURS = {"CR": "#17a2b8", "QA": "#e8852b", "SL": "#8059a8", "?": "#777777"}
"""Classification or regression, question answering, sequence labelling, and what is not known."""

CLASS_MARKERS = {"CR": "s", "QA": "o", "SL": "^", "?": "D"}

CLASS_NAMES = {
    "CR": "classification, regression", "QA": "question answering", "SL": "sequence labelling",
    "?": "texts",
}

_CLASS_OF_KIND = {
    "classify": "CR", "regress": "CR", "answerable": "CR", "span": "QA", "tag": "SL",
}


def task_class(kind: str | None) -> str:
    """The class of tasks that Vu et al. (2020) put a kind into; ``?`` where it is not known."""
    return _CLASS_OF_KIND.get(kind or "", "?")


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a PNG, atomically."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=140)
