"""What a finished run says of itself: predictions, metrics, history, curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfglue.curves import plot_curves
from tfglue.data.examples import Examples
from tfglue.kept_predictions import KeptPredictions
from tfglue.predictions import Predictions
from tfglue.run_folder import RunFolder
from tfglue.tasks.task import Task


def write_results(
    folder: RunFolder,
    task: Task,
    answers: Mapping[str, tuple[Predictions, np.ndarray]],
    examples: Mapping[str, Examples],
    history: Sequence[Mapping[str, Any]],
    best_update: int | None,
) -> dict[str, Any]:
    """Writes predictions, ``metrics.json``, ``history.csv`` and ``curves.png``.

    Args:
        folder: the run's folder.
        task: what was trained.
        answers: split -> predictions of the kept weights, and the labels.
        examples: split -> the rows answered; other splits may be there, too.
        history: rows of the training loop.
        best_update: marked in the plot where there is one.

    Returns:
        Content of ``metrics.json``.
    """
    metrics: dict[str, dict[str, dict[str, float]]] = {task.name: {}}
    kept = KeptPredictions(folder.path)
    for split, (predictions, labels) in answers.items():
        kept.write(task.name, split, predictions.to_tsv(), examples[split])
        metrics[task.name][split] = predictions.score(labels)
    main = {task.name: task.main_metric}
    folder.write_metrics(metrics, main)
    folder.write_history(history)
    plot_curves(history, main, folder.curves, title=task.name, best_update=best_update)
    return {**metrics, "main": main}
