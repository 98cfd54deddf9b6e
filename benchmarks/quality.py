"""Dev scores of fine-tuned runs over several seeds; goes on where it was stopped.

    python benchmarks/quality.py --encoder FOLDER --data GLUE_FOLDER --tasks rte,cola --seeds 3

Settings are those of the PyTorch reference in docs/results.md: length 128, batch 32, peak rate
5e-5, warm-up 0.1, decay 0.01, 3 epochs, rows grouped by length, bfloat16. Every run is an ordinary
run folder under ``--output``; finished ones are read, not repeated.
"""

import argparse
import csv
import json
import statistics
from pathlib import Path

from tfglue import tasks
from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

# The reference trained SST on 8,000 rows.
EXAMPLES = {"sst": 8000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tasks", default="rte,mrpc,cola,stsb,sst")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--output", type=Path, default=Path("saved_models/quality"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/quality.json"))
    flags = parser.parse_args()
    quiet_tensorflow()
    for name in flags.tasks.split(","):
        for seed in range(1, flags.seeds + 1):
            row = one_run(name, seed, flags)
            known = json.loads(flags.results.read_text()) if flags.results.exists() else []
            key = ("task", "seed", "precision")
            known = [other for other in known if any(other[k] != row[k] for k in key)]
            rows = sorted([*known, row], key=lambda r: [r[k] for k in key])
            write_json(flags.results, rows)
            print_table([r for r in rows if r["task"] == name])


def one_run(name: str, seed: int, flags) -> dict:
    """Trains (or reads) a run and returns its scores."""
    from tfglue.run import Run

    folder = flags.output / f"{name}-{flags.precision}-{seed}"
    settings = dict(
        task=name, data=flags.data, encoder=flags.encoder, max_length=128, batch_size=32,
        learning_rate=5e-5, epochs=3, precision=flags.precision, seed=seed, output=str(folder),
        resume=folder.exists(),
    )
    if name in EXAMPLES:
        settings["train_examples"] = EXAMPLES[name]
    run = Run.train(settings)
    task = tasks.get(name)
    with open(folder / "history.csv", newline="") as stream:
        last = [row for row in csv.DictReader(stream) if row[f"{name}.dev.loss"]][-1]
    splits = [split for split in run.metrics[name]]
    return {
        "task": name, "seed": seed, "precision": flags.precision,
        "last": {s: {m: float(last[f"{name}.{s}.{m}"]) for m in task.metrics} for s in splits},
        "best": run.metrics[name],
        "seconds": json.loads((folder / "timing.json").read_text())["seconds"],
    }


def print_table(rows: list[dict]) -> None:
    """Mean and standard deviation over seeds, of the last and the best epoch."""
    task = tasks.get(rows[0]["task"])
    for metric in task.metrics:
        for which in ("last", "best"):
            scores = [row[which]["dev"][metric] for row in rows]
            deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
            print(f"{task.name} {metric} {which}: {statistics.mean(scores):.4f} "
                  f"+- {deviation:.4f} ({len(scores)} seeds)", flush=True)


if __name__ == "__main__":
    main()
