"""Folders of runs with chosen scores, as training leaves them, but for weights."""

from pathlib import Path

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.files import write_json
from tfglue.run_folder import RunFolder
from tfglue.scored_experiment import summary
from tfglue.tasks.serialization import task_to_dict

ENCODER = {
    "vocabulary_size": 841, "num_layers": 2, "num_heads": 2, "hidden_dim": 128,
    "intermediate_dim": 512, "max_sequence_length": 512, "num_segments": 2,
}


def write_run(path: Path, task: str, dev: dict, *, seed=0, floor=0.5, status="complete",
              parents=(), digest="one", rows=100, **splits) -> Path:
    """A run whose dev metrics are `dev`, the main one first; `splits` are further ones."""
    folder = RunFolder(path)
    folder.write_manifest(
        {
            "status": status,
            "config": TrainConfig(task=task, max_length=64, seed=seed).to_dict(),
            "tasks": {task: task_to_dict(tasks.get(task))},
            "encoder": {"name": "tiny", "digest": "0", "config": ENCODER},
            "tokenizer": {"digest": "0", "lower_case": True},
            "data": {task: {"dev": {"origin": "here", "rows": rows, "digest": digest}}},
            "parents": [
                {"run": parent, "epoch": None, "tasks": [parent], "scores": {}}
                for parent in parents
            ],
            "result": {"updates": 30 + seed, "floor": {task: floor}},
        }
    )
    folder.write_metrics({task: {"dev": dev, **splits}}, {task: next(iter(dev))})
    folder.write_timing({"seconds": 10.0 + seed})
    return path


def write_series(path: Path, task: str, scores: dict[int, float], *, metric="accuracy", floor=0.5,
                 report=True, **options) -> Path:
    """Restarts, seed -> score, with ``restarts.json`` where there is to be a `report`."""
    rows = []
    for seed, score in scores.items():
        dev = {metric: score, "loss": 1.0}
        write_run(path / "seeds" / str(seed), task, dev, seed=seed, floor=floor, **options)
        rows.append(
            {
                "seed": seed, "run": f"seeds/{seed}", "score": score, "metrics": {"dev": dev},
                "floor": floor, "degenerate": score <= floor, "seconds": 10.0 + seed,
            }
        )
    if report:
        content = {"format": "tfglue.restarts.v1", "task": task, "metric": metric, "seeds": rows}
        write_json(path / "restarts.json", {**content, "summary": summary(rows)})
    return path
