"""Searches with the four tuners beside the default settings at the same budget.

    python benchmarks/search.py --data GLUE_FOLDER --encoder FOLDER --store rte=STORE \\
        --store mrpc=STORE

Heads (AdapterPooler) are searched on stores of activations: at random and by Bayesian optimisation
with 50 trials of two epochs each; with a grid of 48 points, and with one round of Hyperband, which
train about as many epochs together. No run is ended early, so that these are what was trained. MRPC
is searched with fine-tuning of the whole encoder, too: 12 trials of Bayesian optimisation, each on
a quarter of the rows. Stores hold out the rows that trials are scored on if they are made by

    python -m data_prep.activations --encoder FOLDER --task rte --data GLUE_FOLDER --epochs 1 \\
        --tune_split 0.1 --output STORE

The score that a search reports is that of its luckiest run. So its best setting is trained again
on all rows with --seeds other seeds, and so is the default (`--head adapter_pooler`, or the task's
own settings) for as many epochs; the gain is the difference of their means on dev. Finished
searches and runs are noted in --results and not repeated; a search that was stopped goes on.
"""

import argparse
import statistics
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import read_json, write_json

TRIALS, EPOCHS = 50, 2
FULL_TRIALS, FULL_EPOCHS, FULL_FRACTION = 12, 3, 0.25
SPACE = (
    "learning_rate=log:1e-4:3e-2", "head.size=choice:8,16,32,64,128,256",
    "head_dropout=uniform:0:0.3",
)
# 8 x 3 x 2 points.
GRID_SPACE = (
    "learning_rate=log:1e-4:3e-2", "head.size=choice:8,32,128", "head_dropout=choice:0,0.15",
)
GRID_POINTS = 8
# 22 settings and 102 epochs.
HYPERBAND = {"epochs": 8, "factor": 2}
FULL_SPACE = ("learning_rate=log:1e-5:3e-4", "batch_size=choice:16,32")
SEED_OF_CHECKS = 1000
"""Seeds of the checks begin here, so that none of them is that of a trial."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--encoder", help="for the search of full fine-tuning")
    parser.add_argument("--store", action="append", default=[], help="task=STORE")
    parser.add_argument("--tuners", default="random,bayesian,hyperband,grid")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("saved_models/searches"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/search.json"))
    parser.add_argument("--table_only", action="store_true")
    flags = parser.parse_args()
    quiet_tensorflow()
    for name, arm in {} if flags.table_only else arms(flags).items():
        if name not in known(flags.results):
            write_json(flags.results, known(flags.results) | {name: measured(name, arm, flags)})
            print(table(known(flags.results)), flush=True)
    print(table(known(flags.results)))


def known(results: Path) -> dict:
    return read_json(results) if results.exists() else {}


def arms(flags) -> dict[str, dict]:
    """Name -> settings of a search."""
    found = {}
    for word in flags.store:
        task, _, store = word.partition("=")
        train = {"task": task, "data": flags.data, "activations": store, "epochs": EPOCHS}
        for tuner in flags.tuners.split(","):
            search = {"model": "adapter_pooler", "tuner": tuner, "early_stop": "none"}
            own, space = train, SPACE
            if tuner == "hyperband":
                own = train | {"epochs": HYPERBAND["epochs"]}
                search["factor"] = HYPERBAND["factor"]
            elif tuner == "grid":
                search["grid_points"], space = GRID_POINTS, GRID_SPACE
            else:
                search["trials"] = flags.trials
            found[f"{task} head {tuner}"] = {"search": search, "train": own, "space": space}
    if flags.encoder:
        found["mrpc full bayesian"] = {
            "search": {"model": "bert", "tuner": "bayesian", "trials": FULL_TRIALS},
            "train": {"task": "mrpc", "data": flags.data, "encoder": flags.encoder,
                      "epochs": FULL_EPOCHS, "precision": "mixed_bfloat16",
                      "train_fraction": FULL_FRACTION},
            "space": FULL_SPACE,
        }
    return found


def measured(name: str, arm: dict, flags) -> dict:
    """One search, and its best setting and the default with several seeds."""
    from tuning.session import search

    folder = flags.output / name.replace(" ", "-")
    report = search(
        arm["search"], {**arm["train"], "output": str(folder), "resume": True}, arm["space"],
    )
    metric = report["metric"]
    train = {name: value for name, value in arm["train"].items() if name != "train_fraction"}
    kind = "head" if "activations" in train else "full"
    best = settings_of(report["best"]["run"], train)
    default = train | {"epochs": best["epochs"]} | ({"head": "adapter_pooler"} if kind == "head"
                                                    else {})
    name_of_default = f"{train['task']} {kind} default {best['epochs']:g} epochs"
    return {
        "task": train["task"],
        "kind": kind,
        "tuner": arm["search"]["tuner"],
        **{key: report[key] for key in ("metric", "trials", "by_status", "epochs", "seconds",
                                        "seconds_of_trials", "spread", "importance")},
        "best": report["best"]["values"],
        "tune": report["best"]["tune"]["score"],
        "dev": report["dev"]["dev"][metric]["mean"],
        "best_again": again(flags, f"{name} best", best, metric),
        "default_again": again(flags, name_of_default, default, metric),
    }


def settings_of(run: str, train: dict) -> dict:
    """What to train the best of a search with: its settings, on all rows."""
    from tfglue.run_folder import RunFolder

    config = RunFolder(run).manifest()["config"]
    names = ("learning_rate", "head", "head_dropout", "batch_size", "epochs")
    return train | {name: config[name] for name in names if config[name] is not None}


def again(flags, name: str, settings: dict, metric: str) -> list[float]:
    """Dev scores of a setting that is trained on all rows, the last weights, one for each seed."""
    from tfglue.run import Run

    scores = []
    for seed in range(SEED_OF_CHECKS, SEED_OF_CHECKS + flags.seeds):
        folder = flags.output / "again" / name.replace(" ", "-") / str(seed)
        run = Run.train(
            settings, save="last", seed=seed, output=str(folder),
            resume=(folder / "run.yaml").exists(),
        )
        scores.append(run.metrics[settings["task"]]["dev"][metric])
    return scores


def table(rows: dict) -> str:
    """The results as Markdown."""
    lines = [
        "| task | trained | tuner | trials | epochs | minutes | scores of trials | best found | "
        "its score, held out | and on dev | default, dev | best again, dev | gain |",
        "|---" * 13 + "|",
    ]
    for row in rows.values():
        spread = row["spread"]
        gain = statistics.fmean(row["best_again"]) - statistics.fmean(row["default_again"])
        values = ", ".join(f"{name} {value}" for name, value in row["best"].items())
        lines.append(
            f"| {row['task']} {row['metric']} | {row['kind']} | {row['tuner']} | {row['trials']} | "
            f"{row['epochs']:g} | {row['seconds'] / 60:.1f} | "
            f"{spread['mean']:.3f} ± {spread['std'] or 0:.3f} ({spread['least']:.3f} to "
            f"{spread['most']:.3f}) | {values} | {row['tune']:.3f} | {row['dev']:.3f} | "
            f"{shown(row['default_again'])} | {shown(row['best_again'])} | {gain:+.3f} |"
        )
    return "\n".join(lines)


def shown(scores: list[float]) -> str:
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return f"{statistics.fmean(scores):.3f} ± {spread:.3f} ({len(scores)})"


if __name__ == "__main__":
    main()
