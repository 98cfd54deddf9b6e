"""What refinement, SAN, smoothing and distillation bring on small tasks.

    python benchmarks/mtdnn.py --encoder FOLDER --data GLUE_FOLDER [--seeds 3] [--tasks rte,mrpc]

All arms train on the same 2,000 rows of a task, three epochs of 125 updates, last weights, scored
on dev:

``direct``     a linear head, the encoder as it came
``longer``     the same for seven epochs, 875 updates: about as many as ``refined`` has in all
``refined``    the same from a run of eight tasks, 1,000 rows of each, one epoch of 504 updates
``san``        SAN in the linear head's place; of rte and mrpc, since stsb has no classes
``smoothing``  with adversarial smoothing, of rte and mrpc
``student``    the first two layers of the direct run, seven epochs at 3e-4, labels alone
``distilled``  the same, learning from the direct run beside the labels
``alternate``, ``alternate_distilled``  the same two of layers three and six, with the settings of
               the other arms

Compare ``refined`` with ``longer``, the distilled with their students, the others with ``direct``.
Students begin with the weights that ``direct`` left in ``--output``, so they come after it.
Finished runs are noted in ``--results``, with their encoder and data, and not
repeated; ``--plot_only`` draws those of this encoder and data. Processes side by side
(``--first_seed``) take results of their own, whose lists are joined afterwards.
"""

import argparse
import json
import statistics
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

TASKS = "rte,mrpc,stsb"
REFINED_ON = "mnli,qnli,qqp,sst,cola,rte,mrpc,stsb"
STUDENTS = {
    "student": {"keep_layers": "bottom:2", "learning_rate": 3e-4, "epochs": 7},
    "alternate": {"keep_layers": "alternate:2", "epochs": 3},
}
TAUGHT = {"distilled": "student", "alternate_distilled": "alternate"}
ARMS = ("direct", "longer", "refined", "san", "smoothing", *STUDENTS, *TAUGHT)
OF_CLASSES = ("san", "smoothing")
EPOCHS, LONGER = 3, 7
REFINEMENT = dict(task=REFINED_ON, train_examples=1000, dev_examples=1000, epochs=1)
SETTINGS = dict(train_examples=2000, max_length=96, batch_size=16, learning_rate=5e-5, save="last",
                precision="mixed_bfloat16", evaluate_every="1000000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tasks", default=TASKS)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("saved_models/mtdnn"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/mtdnn.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/mtdnn.png"))
    parser.add_argument("--plot_only", action="store_true")
    flags = parser.parse_args()
    quiet_tensorflow()
    shared = {"encoder": Path(flags.encoder).name, "data": Path(flags.data).name}
    for seed in range(flags.first_seed, flags.first_seed + flags.seeds):
        for task in () if flags.plot_only else flags.tasks.split(","):
            for arm in flags.arms.split(","):
                if arm in OF_CLASSES and task == "stsb":
                    continue
                key = {"task": task, "arm": arm, "seed": seed} | shared
                if not any(row.items() >= key.items() for row in known(flags.results)):
                    row = key | one(task, arm, seed, flags)
                    write_json(flags.results, [*known(flags.results), row])
                    print(f"{task} {arm} seed {seed}: {row['score']:.4f}", flush=True)
    rows = [row for row in known(flags.results) if row.items() >= shared.items()]
    if not rows:
        parser.error(f"--results {flags.results}: has no runs of this encoder and data")
    print(table(rows))
    plot(rows, flags.plot)


def known(results: Path) -> list[dict]:
    return json.loads(results.read_text()) if results.exists() else []


def one(task: str, arm: str, seed: int, flags) -> dict:
    """Trains one arm of one task."""
    direct = str(flags.output / f"{task}-direct-{seed}")
    own = {"encoder": flags.encoder, "epochs": EPOCHS}
    if arm == "longer":
        own["epochs"] = LONGER
    elif arm == "refined":
        refined = trained(flags, "refinement", seed, encoder=flags.encoder, **REFINEMENT)
        own = {"init": str(refined.folder.path), "epochs": EPOCHS}
    elif arm == "san":
        own["head"] = "san"
    elif arm == "smoothing":
        own["smart"] = "inf"
    elif arm != "direct":
        own = {"init": direct, **STUDENTS[TAUGHT.get(arm, arm)]}
        if arm in TAUGHT:
            own |= {"teachers": direct, "temperature": 2.0}
    run = trained(flags, f"{task}-{arm}", seed, task=task, **own)
    return {
        "score": run.metrics[task]["dev"][run.metrics["main"][task]],
        "metric": run.metrics["main"][task],
        "seconds": run.folder.timing()["seconds"],
        "parameters": run.folder.manifest()["parameters"]["total"],
        "updates": run.folder.manifest()["result"]["updates"],
    }


def trained(flags, name: str, seed: int, **settings):
    """The finished run."""
    from tfglue.run import Run

    folder = flags.output / f"{name}-{seed}"
    return Run.train(
        SETTINGS | settings, data=flags.data, seed=seed, output=str(folder),
        resume=(folder / "run.yaml").exists(),
    )


def summary(rows: list[dict]) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Arm -> task -> mean, standard deviation and count over the seeds."""
    found: dict[str, dict[str, tuple[float, float, int]]] = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for task in dict.fromkeys(row["task"] for row in rows):
            scores = [row["score"] for row in rows if (row["arm"], row["task"]) == (arm, task)]
            if scores:
                spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
                found.setdefault(arm, {})[task] = statistics.mean(scores), spread, len(scores)
    return found


def table(rows: list[dict]) -> str:
    """The summary as Markdown."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = ["| arm | " + " | ".join(tasks) + " | parameters | seconds, mean of a run |",
             "|---" * (len(tasks) + 3) + "|"]
    for arm, scores in summary(rows).items():
        own = [row for row in rows if row["arm"] == arm]
        cells = [
            "{:.3f} ± {:.3f} ({})".format(*scores[task]) if task in scores else "-"
            for task in tasks
        ]
        cells += [f"{own[0]['parameters'] / 1e6:.1f} M",
                  f"{statistics.mean(row['seconds'] for row in own):.0f}"]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: list[dict], file: Path) -> None:
    """Scores of the arms, a panel for each task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure, axes = pyplot.subplots(
        1, len(tasks), figsize=(3.6 * len(tasks), 3.6), layout="constrained", squeeze=False
    )
    found = summary(rows)
    for axis, task in zip(axes[0], tasks, strict=True):
        arms = [arm for arm in found if task in found[arm]]
        for place, arm in enumerate(arms):
            own = [row["score"] for row in rows if (row["arm"], row["task"]) == (arm, task)]
            axis.plot(own, [place] * len(own), "o", alpha=0.5, color="tab:blue")
            axis.plot(found[arm][task][0], place, "|", markersize=18, color="black")
        axis.set_yticks(range(len(arms)), arms)
        axis.invert_yaxis()
        metric = next(row["metric"] for row in rows if row["task"] == task)
        axis.set_xlabel(f"{task}, {metric.replace('_', ' ')}")
        axis.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
