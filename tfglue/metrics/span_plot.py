"""The picture of when to answer: precision and recall, and the no-answer scores of both kinds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfglue.comma_separated import csv_text
from tfglue.figure import new_figure, save_figure
from tfglue.files import write_text
from tfglue.metrics.answering_curve import AnsweringCurve
from tfglue.metrics.question_scores import QuestionScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {"exact": "exact match", "f1": "F1", "oracle": "oracle (every answer right)"}
_BINS = 40


def plot_answering(
    scores: QuestionScores,
    no_answer_scores: np.ndarray,
    path: Path,
    *,
    title: str,
    threshold: float | None = None,
) -> None:
    """Draws the curves and histograms of SQuAD 2.0's script to one PNG, their numbers to a CSV.

    Left precision over recall as the threshold on the no-answer score rises, right the share of
    questions at every score, of those with and those without an answer. The CSV lies beside the
    picture, a row for every distinct score: `threshold`, how many questions up to it have and have
    not an answer, and precision and recall of the three curves.

    Args:
        scores: of the predicted texts, before any threshold.
        no_answer_scores: higher = rather no answer; finite, (questions,).
        path: where the picture goes; the CSV has the same name with the suffix ``.csv``.
        title: shown above both panels.
        threshold: marked where given.

    Raises:
        UserError: no question has an answer.
        CannotWrite: the file system refuses.
    """
    path, no_answer_scores = Path(path), np.asarray(no_answer_scores, float)
    curves = scores.curves(no_answer_scores)
    kinds = {
        "has_answer": no_answer_scores[scores.has_answer],
        "no_answer": no_answer_scores[~scores.has_answer],
    }
    figure = new_figure(10, 4)
    figure.suptitle(title, parse_math=False)
    left, right = figure.subplots(1, 2)
    _draw_curves(left, curves, threshold)
    _draw_histograms(right, kinds, threshold)
    for panel in (left, right):
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    write_text(path.with_suffix(".csv"), _to_csv(curves, kinds))
    save_figure(figure, path, dpi=120)


def _draw_curves(
    panel: "Axes", curves: Mapping[str, AnsweringCurve], threshold: float | None
) -> None:
    for name, curve in curves.items():
        line = panel.plot(
            curve.recall, curve.precision, drawstyle="steps-post",
            label=f"{_LABELS[name]}, AP {100 * curve.average_precision:.1f}",
            linewidth=1, **({"linestyle": "--", "color": "grey"} if name == "oracle" else {}),
        )[0]
        if threshold is not None:
            point = np.searchsorted(curve.threshold, threshold, side="right") - 1
            panel.plot(
                curve.recall[point], curve.precision[point], "o", markersize=4,
                color=line.get_color(),
            )
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))


def _draw_histograms(
    panel: "Axes", kinds: Mapping[str, np.ndarray], threshold: float | None
) -> None:
    edges = np.histogram_bin_edges(np.concatenate(list(kinds.values())), _BINS)
    for (name, values), colour in zip(kinds.items(), ("C2", "C3"), strict=True):
        if len(values):
            panel.hist(
                values, edges, weights=np.full(len(values), 1 / len(values)), alpha=0.5,
                color=colour, label=f"{name.replace('_', ' ')} ({len(values)})",
            )
    if threshold is not None:
        panel.axvline(threshold, color="grey", linestyle=":", linewidth=1, label="threshold")
    panel.set(xlabel="no-answer score", ylabel="share of questions of the kind")


def _to_csv(curves: Mapping[str, AnsweringCurve], kinds: Mapping[str, np.ndarray]) -> str:
    # The first point answers nothing: no score is its threshold.
    thresholds = curves["exact"].threshold[1:]
    columns: dict[str, list] = {"threshold": thresholds.tolist()}
    for name, values in kinds.items():
        columns[name] = np.searchsorted(np.sort(values), thresholds, side="right").tolist()
    for name, curve in curves.items():
        columns[f"precision_{name}"] = [f"{value:.9g}" for value in curve.precision[1:]]
        columns[f"recall_{name}"] = [f"{value:.9g}" for value in curve.recall[1:]]
    return csv_text(columns, zip(*columns.values(), strict=True))
