"""What a finished run says of itself: predictions, metrics, history, curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.curves import plot_curves
from tfglue.kept_predictions import KeptPredictions
from tfglue.predictions.predictions import Predictions
from tfglue.run_folder import RunFolder
from tfglue.tasks.task import Task


def write_results(
    folder: RunFolder,
    task: Task,
    answers: Mapping[str, Predictions],
    history: Sequence[Mapping[str, Any]],
    best_update: int | None,
) -> dict[str, Any]:
    """Writes predictions, ``metrics.json``, ``history.csv`` and ``curves.png``.

    Args:
        folder: the run's folder.
        task: what was trained.
        answers: split -> predictions of the kept weights.
        history: rows of the training loop.
        best_update: marked in the plot where there is one.

    Returns:
        Content of ``metrics.json``.
    """
    metrics: dict[str, dict[str, dict[str, float]]] = {task.name: {}}
    kept = KeptPredictions(folder.path)
    for split, predictions in answers.items():
        kept.write(split, predictions)
        metrics[task.name][split] = predictions.score()
    main = {task.name: task.main_metric}
    folder.write_metrics(metrics, main)
    folder.write_history(history)
    plot_curves(history, main, folder.curves, title=task.name, best_update=best_update)
    return {**metrics, "main": main}
