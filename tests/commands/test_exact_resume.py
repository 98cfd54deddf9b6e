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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from tfglue.training.checkpoint import CheckpointFolder

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
FEW = {"starting": 0, "training": 1, "evaluating": 0, "saving": 1, "finishing": 1}
# Early stopping comes 30 evaluations after the best one, so there is much to be killed in.
COMMON = "--data sample --batch_size 8 --learning_rate 0.003 --epochs 100 --patience 30 --save best"
SENTENCES = "--task sst --train_examples 96 --max_length 32 --accumulate 2 --evaluate_every 0.34"
QUESTIONS = "--max_length 40 --max_query_length 16 --doc_stride 12"


@dataclass(frozen=True)
class Case:
    """What is trained under kills.

    Args:
        flags: of `tfglue.train`.
        kills: how many there are of each stage.
    """

    flags: str
    kills: Mapping[str, int] = field(default_factory=lambda: FEW)


CASES = {
    "float32": Case(SENTENCES, dict.fromkeys(FEW, 1)),
    "often": Case(
        SENTENCES,
        {"starting": 4, "training": 6, "evaluating": 3, "saving": 3, "finishing": 4},
    ),
    "mixed_bfloat16": Case(f"{SENTENCES} --precision mixed_bfloat16"),
    "span": Case(f"--task squad2 --train_examples 48 {QUESTIONS}"),
    "tag": Case("--task ner --train_examples 48 --max_length 24"),
    # Several kinds in turns, so that kills fall within an epoch of the sampler.
    "several": Case(
        f"--task sst,ner,squad2 --train_examples 48 {QUESTIONS} --sampler annealed "
        "--adapter pal:size=8,heads=2 --steps_per_epoch 11 --evaluate_every 7 --patience 12"
    ),
}
# What differs between two runs of the same command, or is there while training alone.
OWN = ("run.yaml", "timing.json", "README.md", "tensorboard", "checkpoint")


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

    case: str
    whole: Path
    folder: Path
    kills: list[Kill] = field(default_factory=list)
    resumed: list[tuple[int, int]] = field(default_factory=list)


def start(case, encoder, folder, cache, *flags):
    command = [sys.executable, "-m", "tfglue.train", *COMMON.split(), *CASES[case].flags.split(),
               "--encoder", encoder, "--output", folder, *flags]
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


def results(folder):
    """Files that two runs of the same command have in common, by name."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {n: folder / n for n in names if Path(n).parts[0] not in OWN}


def written_at(path):
    return path.stat().st_mtime_ns if path.exists() else 0


def wait_for_moment(stage, run, target, moments, process):
    """Returns when it is time for a kill of this stage, at update `target` or later."""
    folder = run.folder
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
        last = ("encoder.safetensors", "heads", "adapters", "predictions", "metrics.json")
        names = [name for name in results(run.whole) if Path(name).parts[0] in last]
        until_written(folder / moments.choice(names))
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
        wait_for_moment(stage, run, target, moments, process)
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


def kill_and_resume(run, encoder, cache):
    moments = random.Random(run.case)
    total = yaml.safe_load((run.whole / "run.yaml").read_text())["result"]["updates"]
    counts = CASES[run.case].kills
    stages = [s for s in ("training", "evaluating", "saving") for _ in range(counts[s])]
    targets = sorted(moments.randint(1, int(0.8 * total)) for _ in stages)
    moments.shuffle(stages)
    plan = list(zip(stages, targets, strict=True))
    for _ in range(counts["starting"]):
        plan.insert(moments.randint(0, len(plan)), ("starting", 0))
    plan += [("finishing", 0)] * counts["finishing"]

    def life():
        # Saved far more often than the uninterrupted run, which must not matter.
        more = ("--resume", "--checkpoint_seconds", "0.2")
        return start(run.case, encoder, run.folder, cache, *more)

    for stage, target in plan:
        kill_once(run, stage, target, moments, life)
        print(run.case, run.kills[-1])
    output, error = life().communicate()
    assert "run folder:" in output, error
    note_resumption(run, output)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exact") / "encoder"
    folder.mkdir()
    small = REPOSITORY / "tests" / "reference" / "small_bert"
    config = json.loads((small / "config.json").read_text()) | {"num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_bytes((small / "vocab.txt").read_bytes())
    return folder


@pytest.mark.parametrize(
    "case",
    [pytest.param(name, marks=[] if name == "float32" else pytest.mark.long)
     for name in CASES],
)
def test_a_killed_run_ends_with_the_same_bytes(case, encoder, tmp_path):
    run = Killed(case, tmp_path / "whole", tmp_path / "killed")
    whole = start(case, encoder, run.whole, tmp_path / "cache")
    _, error = whole.communicate()
    assert whole.returncode == 0, error
    kill_and_resume(run, encoder, tmp_path / "cache")
    expected, found = results(run.whole), results(run.folder)
    assert list(found) == list(expected)
    for name, path in expected.items():
        assert path.read_bytes() == found[name].read_bytes(), name
    names = [name.partition("/")[0] for name in expected]
    assert {"encoder.safetensors", "heads", "predictions", "history.csv"} <= set(names)
    check_kills_were_spread_and_work_was_kept(run)
    seconds = [json.loads((folder / "timing.json").read_text())["seconds"]
               for folder in (run.whole, run.folder)]
    assert seconds[0] < seconds[1], "timing does not cover all lives"


def check_kills_were_spread_and_work_was_kept(run):
    counts = CASES[run.case].kills
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
