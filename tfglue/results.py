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
    tasks: Mapping[str, Task],
    answers: Mapping[str, Mapping[str, Predictions]],
    history: Sequence[Mapping[str, Any]],
    best_update: int | None,
) -> dict[str, Any]:
    """Writes predictions, ``metrics.json``, ``history.csv`` and ``curves.png``.

    Args:
        folder: the run's folder.
        tasks: task name -> what was trained.
        answers: task name -> split -> predictions of the kept weights.
        history: rows of the training loop.
        best_update: marked in the plot where there is one.

    Returns:
        Content of ``metrics.json``.
    """
    metrics: dict[str, dict[str, dict[str, float]]] = {name: {} for name in tasks}
    kept = KeptPredictions(folder.path)
    for name, splits in answers.items():
        for split, predictions in splits.items():
            kept.write(split, predictions)
            metrics[name][split] = predictions.score()
    main = {name: task.main_metric for name, task in tasks.items()}
    folder.write_metrics(metrics, main)
    folder.write_history(history)
    plot_curves(history, main, folder.curves, title=", ".join(tasks), best_update=best_update)
    return {**metrics, "main": main}


def best_by_task(
    history: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task]
) -> dict[str, dict[str, float]]:
    """For each task the best main metric on dev, and after which update that was."""
    best: dict[str, dict[str, float]] = {}
    for row in history:
        for name, task in tasks.items():
            score = row.get(f"{name}.dev.{task.main_metric}")
            if score is not None and score > best.get(name, {}).get("score", -float("inf")):
                best[name] = {"score": score, "update": row["update"]}
    return best
