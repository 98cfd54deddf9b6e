"""BERTVision on real tasks: heads on stored states of a one-epoch encoder, beside tuning all of it.

    python benchmarks/bertvision.py --encoder FOLDER --data DATA [--tasks rte,mrpc] [--seeds 3]

``encoder`` is tuned for one epoch and its states are stored; heads are trained on the store for two
more. ``full`` tunes encoder and linear head for three, so it has seen as many rows as encoder and
head together. All keep the weights of their last update. Ensembles join the encoder's run with the
AdapterPooler's, by the larger probability (as published) and by their mean. A further
AdapterPooler is trained on shares of the store's rows. Seconds of heads are their training's alone;
those of encoder and store are shown by themselves and belong to each. Finished seeds are noted in
``--results`` and not repeated; ``--plot_only`` draws them, each panel from a CSV beside the JSON.
"""

import argparse
import contextlib
import csv
import json
import shutil
import statistics
import time
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

HEADS = {
    "linear probe": "linear",
    "AdapterPooler 64": "adapter_pooler:size=64",
    "AdapterPooler 64, softmax": "adapter_pooler:size=64,pooling=softmax",
    "AdapterPooler 64, skip": "adapter_pooler:size=64,skip=true",
    "learned pooling": "adapter_pooler:size=0,pooling=softmax",
}
OF_TEXTS = {
    "AdapterPooler 64, first token": "adapter_pooler:size=64,tokens=first",
    "AP_GLUE 16, flat": "adapter_pooler:preset=ap_glue,size=16",
}
JOINED = "AdapterPooler 64"
SHARES = (0.1, 0.3)
SETTINGS = dict(batch_size=32, max_length=128, save="last")
TUNING = dict(learning_rate=1e-4, precision="mixed_bfloat16")
ONCE = "1000000"
"""Updates between evaluations: there is the last one alone."""
OF_HEADS = dict(learning_rate=1e-3, epochs=2, evaluate_every=ONCE)
OF_TASK = {"sst": {"train_examples": 10_000},
           "squad2": {"train_examples": 1600, "dev_examples": 600, "max_length": 192,
                      "doc_stride": 64, "batch_size": 16}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--tasks", default="rte,mrpc,cola,stsb,sst,squad2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("saved_models/bertvision"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/bertvision.json"))
    parser.add_argument("--plot", type=Path, default=Path("docs/bertvision.png"))
    parser.add_argument("--plot_only", action="store_true")
    flags = parser.parse_args()
    quiet_tensorflow()
    for seed in range(1, flags.seeds + 1):
        for task in () if flags.plot_only else flags.tasks.split(","):
            if not any((row["task"], row["seed"]) == (task, seed) for row in known(flags.results)):
                row = {"task": task, "seed": seed, **one_seed(task, seed, flags)}
                write_json(flags.results, [*known(flags.results), row])
                print(table(known(flags.results)), flush=True)
    print(table(known(flags.results)))
    plot(known(flags.results), flags)


def known(results: Path) -> list[dict]:
    return json.loads(results.read_text()) if results.exists() else []


def one_seed(task: str, seed: int, flags) -> dict:
    """All arms of one task and seed: scores, seconds, parameters, bytes of the store."""
    place = flags.output / f"{task}-{seed}"
    own = dict(task=task, data=flags.data, seed=seed, **{**SETTINGS, **OF_TASK.get(task, {})})
    found: dict[str, dict] = {}
    tuned = dict(own, encoder=flags.encoder, **TUNING)
    encoder = trained(place / "encoder", found, "encoder", dict(tuned, epochs=1,
                                                                evaluate_every="0.1"))
    trained(place / "full", found, "full", dict(tuned, epochs=3, evaluate_every=ONCE))
    store, extraction = stored(encoder, own, place / "store")
    heads = HEADS | ({} if task == "squad2" else OF_TEXTS)
    for name, head in heads.items():
        run = trained(place / name.replace(" ", "_"), found, name,
                      dict(own, activations=str(store), head=head, **OF_HEADS))
        if name == JOINED:
            joined = run
    for share in SHARES:
        rows = {k: v for k, v in own.items() if k != "train_examples"}
        count = max(32, round(share * found["encoder"]["rows"]))
        trained(place / f"share-{share}", found, f"share {share}",
                dict(rows, train_examples=count, activations=str(store), head=HEADS[JOINED],
                     **OF_HEADS))
    # Scores have no probabilities of which one could be the larger.
    for mode in ("mean",) if task == "stsb" else ("max", "mean"):
        found[f"ensemble, {mode}"] = together([encoder, joined], mode, flags, place)
    size = sum(file.stat().st_size for file in store.glob("*.tfrecord"))
    shutil.rmtree(store)
    return {"arms": found, "store": {"bytes": size, "seconds": extraction},
            "tenths": tenths(encoder, task)}


def trained(folder: Path, found: dict, name: str, settings: dict):
    """Trains, notes what came of it, and returns the run."""
    from tfglue.run import Run

    with contextlib.redirect_stdout(None):
        run = Run.train(settings, output=str(folder), resume=(folder / "run.yaml").exists())
    task, manifest = run.task().name, run.folder.manifest()
    found[name] = {
        "score": run.metrics[task]["dev"][run.metrics["main"][task]],
        "metrics": run.metrics[task]["dev"],
        "seconds": run.folder.timing()["seconds"],
        "parameters": manifest["parameters"]["trained"],
        "rows": manifest["data"][task]["train"]["rows"],
    }
    print(f"{task} {settings['seed']} {name}: {found[name]['score']:.4f}", flush=True)
    return run


def stored(encoder, own: dict, store: Path) -> tuple[Path, float]:
    """The store of an encoder's run, and the seconds it took."""
    from data_prep import activations

    words = ["--run", str(encoder.folder.path), "--data", own["data"], "--output", str(store)]
    for part in ("train_examples", "dev_examples"):
        if part in own:
            words += [f"--{part}", str(own[part])]
    start = time.perf_counter()
    with contextlib.redirect_stdout(None):
        if activations.main(words):
            raise SystemExit(f"{store}: cannot be written")
    return store, time.perf_counter() - start


def together(runs: list, mode: str, flags, place: Path) -> dict:
    """The score of an ensemble of runs."""
    from tfglue import ensemble

    folder = place / f"ensemble-{mode}"
    words = ["--runs", *(str(run.folder.path) for run in runs), "--mode", mode, "--data",
             flags.data, "--output", str(folder), "--overwrite"]
    with contextlib.redirect_stdout(None):
        if ensemble.main(words):
            raise SystemExit(f"{folder}: the runs cannot be joined")
    task = runs[0].task().name
    metrics = json.loads((folder / "metrics.json").read_text())
    return {"score": metrics[task]["dev"][metrics["main"][task]]}


def tenths(run, task: str) -> list[tuple[float, float]]:
    """Share of the epoch, and the main metric there."""
    metric = f"{task}.dev.{run.metrics['main'][task]}"
    with open(run.folder.path / "history.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get(metric)]
    return [(float(row["epoch"]), float(row[metric])) for row in rows]


def summary(rows: list[dict]) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Arm -> task -> mean, standard deviation and count over the seeds."""
    found: dict[str, dict[str, tuple[float, float, int]]] = {}
    arms = dict.fromkeys(arm for row in rows for arm in row["arms"])
    for arm in arms:
        for task in dict.fromkeys(row["task"] for row in rows):
            scores = [row["arms"][arm]["score"] for row in rows
                      if row["task"] == task and arm in row["arms"]]
            if scores:
                spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
                found.setdefault(arm, {})[task] = (statistics.mean(scores), spread, len(scores))
    return found


def table(rows: list[dict]) -> str:
    """The summary as Markdown: scores, trained parameters, and seconds of training."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    lines = ["| arm | " + " | ".join(tasks) + " | trained parameters | seconds, all tasks |",
             "|---" * (len(tasks) + 3) + "|"]
    for arm, scores in summary(rows).items():
        cells = [
            f"{scores[task][0]:.3f} ± {scores[task][1]:.3f}" if task in scores else "-"
            for task in tasks
        ]
        own = [(row["task"], row["arms"][arm]) for row in rows
               if "seconds" in row["arms"].get(arm, {})]
        sizes = sorted({one["parameters"] for _, one in own})
        seconds = sum(
            statistics.mean(one["seconds"] for task, one in own if task == name)
            for name in dict.fromkeys(task for task, _ in own)
        )
        cells += [" to ".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1])))
                  if own else "-", f"{seconds:.0f}" if own else "-"]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    stores = [[row["store"] for row in rows if row["task"] == task] for task in tasks]
    cells = [f"{statistics.mean(one['bytes'] for one in own) / 1e6:.0f} MB, "
             f"{statistics.mean(one['seconds'] for one in own):.0f} s" for own in stores]
    lines.append("| store | " + " | ".join(cells) + " | - | - |")
    return "\n".join(lines)


def plot(rows: list[dict], flags) -> None:
    """Score against trained parameters, share of the epoch, and share of the rows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found, tasks = summary(rows), list(dict.fromkeys(row["task"] for row in rows))
    of_arm = {arm: [row["arms"][arm]["parameters"] for row in rows
                    if "parameters" in row["arms"].get(arm, {})] for arm in found}
    panels: dict[str, list[tuple[str, float, float]]] = {
        "trained parameters": [
            (task, statistics.mean(of_arm[arm]), scores[task][0])
            for arm, scores in found.items() for task in tasks
            if task in scores and of_arm[arm] and not arm.startswith("share")
        ],
        "share of the first epoch": [
            (task, share, statistics.mean(values)) for task in tasks
            for share, values in _by_share(row["tenths"] for row in rows if row["task"] == task)
        ],
        "share of the stored rows": [
            (task, share, found[arm][task][0]) for task in tasks
            for arm, share in [*((f"share {s}", s) for s in SHARES), (JOINED, 1.0)]
            if task in found[arm]
        ],
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained", sharey=True)
    for axis, (name, points) in zip(axes, panels.items(), strict=True):
        for task in tasks:
            own = sorted((x, y) for t, x, y in points if t == task)
            axis.plot(*zip(*own, strict=True), marker="o", markersize=4, label=task,
                      linestyle="none" if name.startswith("trained") else "-")
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
        file = flags.results.with_name(f"bertvision_{name.split()[-1]}.csv")
        with open(file, "w", newline="") as stream:
            csv.writer(stream).writerows([("task", name, "score"), *points])
    axes[0].set(xscale="log", ylabel="main metric on dev")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center",
                  fontsize="small")
    figure.savefig(flags.plot, dpi=120)


def _by_share(histories) -> list[tuple[float, list[float]]]:
    by_share: dict[float, list[float]] = {}
    for history in histories:
        for share, score in history:
            by_share.setdefault(round(share, 1), []).append(score)
    return sorted(by_share.items())


if __name__ == "__main__":
    main()
