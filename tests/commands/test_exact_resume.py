"""A run that is killed again and again ends with the bytes of one that was left alone.

Kills are SIGKILLs of the whole process group at random moments, spread over a run's stages: while
it starts, anywhere in training, after an evaluation (when history.csv is ahead of the checkpoint),
within the saving of a checkpoint, and while it finishes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tfglue.training.checkpoint import CheckpointFolder

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
# Kills by stage, in float32 and in mixed bfloat16.
KILLS = {
    "float32": {"starting": 4, "training": 6, "evaluating": 3, "saving": 3, "finishing": 4},
    "mixed_bfloat16": {"starting": 1, "training": 2, "evaluating": 1, "saving": 1, "finishing": 1},
}
FINISHED = ("encoder.safetensors", "heads/sst.safetensors", "history.csv",
            "predictions/sst/dev.tsv", "predictions/sst/dev.json", "metrics.json", "curves.png")
# Early stopping comes 30 evaluations after the best one, so there is much to be killed in.
SETTINGS = ["--task", "sst", "--data", "sample", "--train_examples", "96", "--max_length", "32",
            "--batch_size", "8", "--accumulate", "2", "--learning_rate", "0.003", "--epochs", "100",
            "--evaluate_every", "0.34", "--patience", "30", "--save", "best"]


@dataclass
class Kill:
    """Where one kill fell: stage, seconds after the start, latest checkpoint, what it cut off."""

    stage: str
    seconds: float
    update: int
    leftovers: list[str]


@dataclass
class Killed:
    """A run under kills beside the same run left alone."""

    precision: str
    whole: Path
    folder: Path
    kills: list[Kill] = field(default_factory=list)
    resumed: list[tuple[int, int]] = field(default_factory=list)


def start(encoder, precision, folder, cache, *flags):
    command = [sys.executable, "-m", "tfglue.train", *SETTINGS, "--encoder", encoder,
               "--precision", precision, "--output", folder, *flags]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "TFGLUE_CACHE": str(cache)}
    return subprocess.Popen(
        [str(word) for word in command], env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY,
    )


def saved_update(folder):
    """Update of the latest checkpoint, which must be whole; 0 if there is none."""
    loaded = CheckpointFolder(folder / "checkpoint").load()
    return loaded[0]["update"] if loaded else 0


def pointer(folder):
    """Name of the latest checkpoint, read while somebody else writes it."""
    try:
        return (folder / "checkpoint" / "latest").read_text().strip()
    except FileNotFoundError:
        return ""


def written_at(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_moment(stage, folder, target, moments, process):
    """Returns when it is time for a kill of this stage, at update `target` or later."""
    begun = time.monotonic()

    def until(has_come):
        while not has_come():
            assert process.poll() is None, f"ended before its kill: {process.communicate()}"
            assert time.monotonic() - begun < 300, "the moment of the kill never came"
            time.sleep(0.001)

    def until_written(path):
        before = written_at(path)
        until(lambda: written_at(path) != before)

    if stage == "starting":
        time.sleep(moments.uniform(0.1, 7.0))
        return
    if stage == "finishing":
        until_written(folder / moments.choice([n for n in FINISHED[:-1] if n != "history.csv"]))
        time.sleep(moments.uniform(0, 0.05))
        return
    saved, wanted = pointer(folder), f"update-{target:08d}"
    until(lambda: pointer(folder) != saved and pointer(folder) >= wanted)
    if stage == "training":
        time.sleep(moments.uniform(0, 0.4))
    elif stage == "evaluating":
        until_written(folder / "history.csv")
        time.sleep(moments.uniform(0, 0.02))
    else:
        until(lambda: any((folder / "checkpoint").glob(".update-*.tmp")))
        time.sleep(moments.uniform(0, 0.01))


def kill_once(run, stage, target, moments, start_life):
    begun = time.monotonic()
    process = start_life()
    try:
        wait_for_moment(stage, run.folder, target, moments, process)
    finally:
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
    assert not ended, f"{stage}: ended before its kill: {process.communicate()}"
    seconds = time.monotonic() - begun
    output = process.communicate()[0]
    note_resumption(run, output)
    leftovers = [str(path.relative_to(run.folder)) for path in run.folder.rglob(".*.tmp")]
    run.kills.append(Kill(stage, seconds, saved_update(run.folder), leftovers))


def note_resumption(run, output):
    """Keeps the update a life says it resumed after, beside the one the kill before had left."""
    for line in output.splitlines():
        if line.startswith("resuming after update"):
            run.resumed.append((int(line.split()[3]), run.kills[-1].update))


def kill_and_resume(run, encoder, cache, flags):
    moments = random.Random(run.precision)
    total = yaml.safe_load((run.whole / "run.yaml").read_text())["result"]["updates"]
    counts = KILLS[run.precision]
    stages = [s for s in ("training", "evaluating", "saving") for _ in range(counts[s])]
    targets = sorted(moments.randint(1, int(0.8 * total)) for _ in stages)
    moments.shuffle(stages)
    plan = list(zip(stages, targets, strict=True))
    for _ in range(counts["starting"]):
        plan.insert(moments.randint(0, len(plan)), ("starting", 0))
    plan += [("finishing", 0)] * counts["finishing"]

    def life():
        return start(encoder, run.precision, run.folder, cache, "--resume", *flags)

    for stage, target in plan:
        kill_once(run, stage, target, moments, life)
    output, error = life().communicate()
    assert "run folder:" in output, error
    note_resumption(run, output)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Both precisions at once: most of a life is start-up, which uses one core."""
    folder = tmp_path_factory.mktemp("exact")
    encoder = folder / "encoder"
    encoder.mkdir()
    small = REPOSITORY / "tests" / "reference" / "small_bert"
    config = json.loads((small / "config.json").read_text()) | {"num_hidden_layers": 1}
    (encoder / "config.json").write_text(json.dumps(config))
    (encoder / "vocab.txt").write_bytes((small / "vocab.txt").read_bytes())

    def make(precision):
        run = Killed(precision, folder / f"{precision}-whole", folder / f"{precision}-killed")
        whole = start(encoder, precision, run.whole, folder / "cache")
        _, error = whole.communicate()
        assert whole.returncode == 0, error
        # Saved far more often than the uninterrupted run, which must not matter.
        kill_and_resume(run, encoder, folder / "cache", ["--checkpoint_seconds", "0.2"])
        return run

    with ThreadPoolExecutor(2) as pool:
        made = dict(zip(KILLS, pool.map(make, KILLS), strict=True))
    for run in made.values():
        for kill in run.kills:
            print(run.precision, kill)
    return made


@pytest.mark.parametrize("precision", KILLS)
def test_a_killed_run_ends_with_the_same_bytes(runs, precision):
    run = runs[precision]
    for name in FINISHED:
        assert (run.whole / name).read_bytes() == (run.folder / name).read_bytes(), name
    names = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*")}
    whole = {str(path.relative_to(run.whole)) for path in run.whole.rglob("*")}
    assert {n for n in names ^ whole if not n.startswith("tensorboard")} == set()


@pytest.mark.parametrize("precision", KILLS)
def test_kills_were_spread_and_work_was_kept(runs, precision):
    run, counts = runs[precision], KILLS[precision]
    assert len(run.kills) == sum(counts.values())
    updates = [kill.update for kill in run.kills]
    assert updates == sorted(updates)
    manifest = yaml.safe_load((run.whole / "run.yaml").read_text())
    # The run did end by early stopping, and kills fell all the way up to that.
    assert updates[-1] == manifest["result"]["updates"] < manifest["total_updates"]
    in_training = counts["training"] + counts["evaluating"] + counts["saving"]
    assert len(set(updates) - {0}) >= in_training
    # Lives went on from where the kill before them had left the run, not from the beginning.
    assert len(run.resumed) >= in_training - 1
    assert all(said == left for said, left in run.resumed)


def test_timing_covers_all_lives(runs):
    whole, killed = (json.loads((folder / "timing.json").read_text())["seconds"]
                     for folder in (runs["float32"].whole, runs["float32"].folder))
    assert killed > whole
