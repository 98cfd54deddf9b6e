"""RTE directly, for as many updates as a chain, and through two chains of intermediate tasks.

    python benchmarks/stilts.py --encoder FOLDER --data DATA_FOLDER

The experiment of Phang et al. (2018) at the size of a small machine: five restarts of each arm, the
same number of target updates in all arms but ``long``, last weights kept. Every arm is one
`tfglue.train` command; a stopped one goes on where it was. Scores of finished restarts are written
to ``--results`` as they come, and `tfglue.compare` draws them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tfglue.files import write_json, write_text

TARGET = {"--max_length": 128, "--batch_size": 32, "--learning_rate": "5e-5", "--save": "last"}
EPOCHS = 3
# One pass over so many examples is what every intermediate task gets.
STEP_RECIPE = "epochs: 1\ntrain_examples: 6000\nlearning_rate: 5.0e-5\n"
CHAINS = {"nli": "snli,mnli", "other": "sst,cola,mrpc"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True, help="root that holds glue and snli")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--output", type=Path, default=Path("saved_models/stilts"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/stilts.json"))
    flags = parser.parse_args()
    recipe = flags.output / "step.yaml"
    write_text(recipe, STEP_RECIPE)
    train(flags, "direct", "--epochs", EPOCHS)
    for name, tasks in CHAINS.items():
        train(flags, name, "--epochs", EPOCHS, "--intermediate", tasks, "--intermediate_recipe",
              recipe)
    updates = chain_updates(flags.output / "nli")
    # Epochs that are not reached, so that the updates decide.
    train(flags, "long", "--epochs", 100, "--max_steps", updates, "--evaluate_every", updates)


def train(flags, arm: str, *settings) -> None:
    """Trains one arm, or what is left of it, and notes its scores."""
    folder = flags.output / arm
    command = [sys.executable, "-m", "tfglue.train", "--output", folder]
    if (folder / "experiment.yaml").exists():
        command.append("--resume")
    else:
        command += ["--task", "rte", "--data", flags.data, "--encoder", flags.encoder, "--seed", 1,
                    "--precision", flags.precision, "--seeds", flags.seeds, *settings]
        command += [word for pair in TARGET.items() for word in pair]
    try:
        subprocess.run([str(word) for word in command], check=True)
    finally:
        note(flags.results, arm, folder)


def note(results: Path, arm: str, folder: Path) -> None:
    """Writes the scores of an arm's finished restarts beside those of the other arms."""
    if not (folder / "restarts.json").exists():
        return
    known = json.loads(results.read_text()) if results.exists() else {}
    report = json.loads((folder / "restarts.json").read_text())
    report["updates"] = int(last_row(sorted(folder.glob("seeds/*"))[0])["update"])
    report["steps"] = {path.name: seconds(path) for path in sorted(folder.glob("steps/*"))}
    write_json(results, {**known, arm: report})


def chain_updates(folder: Path) -> int:
    """Updates of the whole chain, its target included."""
    runs = [*sorted(folder.glob("steps/*")), *sorted(folder.glob("seeds/*"))[:1]]
    return sum(int(last_row(run)["update"]) for run in runs)


def last_row(run: Path) -> dict[str, str]:
    header, *rows = (run / "history.csv").read_text().splitlines()
    return dict(zip(header.split(","), rows[-1].split(","), strict=True))


def seconds(run: Path) -> float:
    return json.loads((run / "timing.json").read_text())["seconds"]


if __name__ == "__main__":
    main()
