"""Pictures: figures that need no display, written whole as PNG."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, whose parts make room for each other.

    It belongs to no window and no global state of matplotlib, so threads and notebooks are safe.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, dpi: int = 130) -> None:
    """Writes the figure as PNG, atomically. Raises CannotWrite if the file system refuses."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
