"""Eight tasks in one model with each adapter, beside a model for every task: scores and sizes.

    python benchmarks/multitask_quality.py --encoder FOLDER --data GLUE_FOLDER

Five epochs of 30 updates a task by annealed sampling (Stickland and Murray 2019), nothing frozen,
last weights, scored on 600 dev rows of each split at most. ``single`` trains each task alone, with
the same seed, for as many updates as the sampler gave it in the run with separate heads alone
(``shared``); so both saw as many rows of every task. Finished runs are noted in ``--results`` and
not repeated; ``--plot_only`` draws them.
"""

import argparse
import csv
import json
import statistics
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

TASKS = ("cola", "mrpc", "mnli", "rte", "stsb", "sst", "qqp", "qnli")
ARMS = {"shared": "none", "pal": "pal", "low_rank": "low_rank", "houlsby": "houlsby"}
SINGLE = "single"
EPOCHS, UPDATES_A_TASK = 5, 30
SETTINGS = dict(max_length=64, batch_size=8, learning_rate=1e-4, dev_examples=600, save="last",
                precision="mixed_bfloat16", evaluate_every="1000000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--arms", default=",".join([*ARMS, SINGLE]))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("saved_models/multitask"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/multitask.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/multitask.png"))
    parser.add_argument("--plot_only", action="store_true")
    flags = parser.parse_args()
    quiet_tensorflow()
    for seed in range(1, flags.seeds + 1):
        for arm in () if flags.plot_only else flags.arms.split(","):
            key = {"arm": arm, "seed": seed, "settings": SETTINGS}
            if not any(row.items() >= key.items() for row in known(flags.results)):
                row = key | (together(arm, seed, flags) if arm in ARMS else alone(seed, flags))
                write_json(flags.results, [*known(flags.results), row])
                print(table(known(flags.results)), flush=True)
    print(table(known(flags.results)))
    plot(known(flags.results), flags.plot)


def known(results: Path) -> list[dict]:
    return json.loads(results.read_text()) if results.exists() else []


def together(arm: str, seed: int, flags) -> dict:
    """One run of all tasks."""
    run, seconds = trained(
        flags, f"{arm}-{seed}", seed, task=",".join(TASKS), adapter=ARMS[arm], sampler="annealed",
        epochs=EPOCHS, steps_per_task=UPDATES_A_TASK,
    )
    with open(run.folder.path / "history.csv", newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    updates = {task: int(last[f"updates.{task}"]) for task in TASKS}
    return {
        "scores": main_scores(run), "updates": updates,
        "parameters": parameters_of(run), "seconds": seconds,
    }


def alone(seed: int, flags) -> dict:
    """A run for every task."""
    shared = next(row for row in known(flags.results)
                  if (row["arm"], row["seed"]) == ("shared", seed))
    scores, parameters, total = {}, 0, 0.0
    for task, updates in shared["updates"].items():
        run, seconds = trained(flags, f"{SINGLE}-{task}-{seed}", seed, task=task,
                               max_steps=updates, epochs=1000)
        scores |= main_scores(run)
        parameters += parameters_of(run)
        total += seconds
    return {"scores": scores, "updates": shared["updates"], "parameters": parameters,
            "seconds": total}


def trained(flags, name: str, seed: int, **settings):
    """The finished run and the seconds of its training."""
    from tfglue.run import Run

    folder = flags.output / name
    run = Run.train(
        SETTINGS, data=flags.data, encoder=flags.encoder, seed=seed, output=str(folder),
        resume=(folder / "run.yaml").exists(), **settings,
    )
    return run, run.folder.timing()["seconds"]


def parameters_of(run) -> int:
    return run.folder.manifest()["parameters"]["total"]


def main_scores(run) -> dict[str, float]:
    metrics = run.metrics
    return {task: metrics[task]["dev"][metric] for task, metric in metrics["main"].items()}


def summary(rows: list[dict]) -> dict[str, dict]:
    """Arm -> means and standard deviations over the seeds."""
    found = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        means = [statistics.mean(row["scores"].values()) for row in own]
        found[arm] = {
            "seeds": len(own),
            "tasks": {t: spread([row["scores"][t] for row in own]) for t in TASKS},
            "mean": spread(means),
            "parameters": own[0]["parameters"],
            "seconds": statistics.mean(row["seconds"] for row in own),
        }
    return found


def spread(values: list[float]) -> tuple[float, float]:
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def table(rows: list[dict]) -> str:
    """The summary as Markdown."""
    lines = ["| model | " + " | ".join(TASKS) + " | mean | parameters | seconds |",
             "|---" * (len(TASKS) + 4) + "|"]
    for arm, found in summary(rows).items():
        scores = (*found["tasks"].values(), found["mean"])
        cells = [f"{mean:.3f} ± {std:.3f}" for mean, std in scores]
        lines.append(f"| {arm} ({found['seeds']}) | " + " | ".join(cells)
                     + f" | {found['parameters'] / 1e6:.2f} M | {found['seconds']:.0f} |")
    return "\n".join(lines)


def plot(rows: list[dict], file: Path) -> None:
    """Mean score against parameters."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    for arm, found in summary(rows).items():
        own = [statistics.mean(row["scores"].values()) for row in rows if row["arm"] == arm]
        millions = found["parameters"] / 1e6
        (line,) = axes.plot([millions] * len(own), own, "o", markersize=4, alpha=0.5)
        mean, std = found["mean"]
        axes.errorbar(millions, mean, yerr=std, fmt="_", markersize=16, capsize=4,
                      color=line.get_color(), label=f"{arm}, {millions:.1f} M")
    axes.set_xscale("log")
    axes.set_xticks([20, 30, 50, 100, 200], ["20", "30", "50", "100", "200"])
    axes.minorticks_off()
    axes.legend(fontsize="small")
    axes.set_xlabel("parameters for all eight tasks (millions)")
    axes.set_ylabel("mean of main dev scores")
    axes.margins(x=0.15)
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
