"""RTE directly, for as many updates as a chain, and through two chains of intermediate tasks.

    python benchmarks/stilts.py --encoder FOLDER --data DATA_FOLDER

The experiment of Phang et al. (2018) at the size of a small machine: five restarts of each arm, the
same number of target updates in all arms but ``long``, last weights kept. Every arm is one
`tfglue.train` command; a stopped one goes on where it was. Scores of finished restarts are written
to ``--results`` as they come, and `tfglue.compare` draws them; ``--arms`` trains some alone.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from tfglue import tasks
from tfglue.files import write_json, write_text

BATCH_SIZE = 32
TARGET = {
    "--max_length": 128, "--batch_size": BATCH_SIZE, "--learning_rate": "5e-5", "--save": "last"
}
EPOCHS = 3
# One pass over so many examples is what every intermediate task gets.
STEP_EXAMPLES = 6000
STEP_RECIPE = f"epochs: 1\ntrain_examples: {STEP_EXAMPLES}\nlearning_rate: 5.0e-5\n"
CHAINS = {"nli": "snli,mnli", "other": "sst,cola,mrpc"}
ARMS = ("direct", *CHAINS, "long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True, help="root that holds glue and snli")
    parser.add_argument("--arms", default=",".join(ARMS), help="a comma between, of %(default)s")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--output", type=Path, default=Path("saved_models/stilts"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/stilts.json"))
    flags = parser.parse_args()
    chosen = flags.arms.split(",")
    for unknown in set(chosen) - set(ARMS):
        parser.error(f"--arms: there is no arm '{unknown}' ({', '.join(ARMS)})")
    recipe = flags.output / "step.yaml"
    write_text(recipe, STEP_RECIPE)
    for arm in ARMS:
        if arm in chosen:
            train(flags, arm, *settings(arm, recipe))


def settings(arm: str, recipe: Path) -> list:
    """What an arm has beside the settings that all share."""
    if arm in CHAINS:
        chain = ["--intermediate", CHAINS[arm], "--intermediate_recipe", recipe]
        return ["--epochs", EPOCHS, *chain]
    if arm == "long":
        updates = chain_updates(CHAINS["nli"])
        # Epochs that are not reached, so that the updates decide.
        return ["--epochs", 100, "--max_steps", updates, "--evaluate_every", updates]
    return ["--epochs", EPOCHS]


def train(flags, arm: str, *own) -> None:
    """Trains one arm, or what is left of it, and notes its scores."""
    folder = flags.output / arm
    command = [sys.executable, "-m", "tfglue.train", "--output", folder]
    if (folder / "experiment.yaml").exists():
        command.append("--resume")
    else:
        command += ["--task", "rte", "--data", flags.data, "--encoder", flags.encoder, "--seed", 1,
                    "--precision", flags.precision, "--seeds", flags.seeds, *own]
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
    report["updates"] = report["seeds"][0]["updates"]
    report["steps"] = {path.name: seconds(path) for path in sorted(folder.glob("steps/*"))}
    write_json(results, {**known, arm: report})


def chain_updates(steps: str) -> int:
    """Updates of a whole chain, its target included, whether it is trained or not."""
    passes = [min(STEP_EXAMPLES, train_rows(step)) for step in steps.split(",")]
    passes += [train_rows("rte")] * EPOCHS
    return sum(-(-rows // BATCH_SIZE) for rows in passes)


def train_rows(task: str) -> int:
    return tasks.get(task).files["train"].rows


def seconds(run: Path) -> float:
    return json.loads((run / "timing.json").read_text())["seconds"]


if __name__ == "__main__":
    main()
