"""A training step with SAN beside one with the linear head: the same encoder and batches.

  python benchmarks/san.py --encoder ENCODER --data GLUE --output san.json

Both steps take turns batch by batch, so that what else the machine does falls on both. Rows are
real ones of each task, in the batches that training would cut.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import padded_batch
from tfglue.data.features import Features
from tfglue.data.sources import open_source
from tfglue.kinds import KINDS
from tfglue.models.checkpoints import load_encoder
from tfglue.models.initialization import initialize_weights
from tfglue.run import build_model
from tfglue.training.optimizer import build_optimizer
from tfglue.training.schedule import build_schedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.step import TrainStep

LINEAR = "linear"
LIMIT = 1.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="as in tfglue.train")
    parser.add_argument("--data", default="sample", help="as in tfglue.train [sample]")
    parser.add_argument("--tasks", default="mrpc,rte", help="pairs, a,b [mrpc,rte]")
    parser.add_argument("--heads", default="san;san:steps=1", help="beside linear, with ; between")
    parser.add_argument("--precisions", default="float32,mixed_bfloat16", help="a,b")
    parser.add_argument("--batches", type=int, default=30, help="measured of each task [30]")
    parser.add_argument("--output", type=Path, help="JSON file of the table")
    flags = parser.parse_args()
    rows = []
    for name in flags.tasks.split(","):
        for precision in flags.precisions.split(","):
            rows += measured(flags, name, precision)
            for row in rows[-len(flags.heads.split(";")) :]:
                print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if flags.output:
        flags.output.write_text(json.dumps(rows, indent=1) + "\n")
    worst = max(row["ratio"] for row in rows)
    print(f"san costs {worst:.2f} times the linear head's step at most (limit {LIMIT})")
    if worst > LIMIT:
        raise SystemExit(1)


def measured(flags: argparse.Namespace, name: str, precision: str) -> list[dict]:
    """One row for each head: medians of milliseconds, and their ratio to the linear head's."""
    task, config = tasks.get(name), TrainConfig(max_length=tasks.get(name).recipe.max_length)
    loaded = load_encoder(flags.encoder, 0)
    examples = open_source(task, flags.data).read("train")
    wanted = 32 * flags.batches
    examples = examples.take(np.arange(min(len(examples), wanted)))
    features = KINDS.get(task.kind).encode(task, examples, loaded.tokenizer(None), config)
    heads = [LINEAR, *flags.heads.split(";")]
    steps = {head: _step(flags.encoder, name, head, precision) for head in heads}
    seconds = _seconds(steps, name, features)
    base = statistics.median(seconds[LINEAR])
    return [
        {
            "task": name, "precision": precision, "head": head,
            "tokens": round(float(features.lengths.mean()), 1), "batches": len(seconds[head]),
            "linear_ms": round(1000 * base, 1),
            "ms": round(1000 * statistics.median(seconds[head]), 1),
            # Of each batch first, since batches differ in length.
            "ratio": round(statistics.median(
                own / other for own, other in zip(seconds[head], seconds[LINEAR], strict=True)
            ), 3),
        }
        for head in heads[1:]
    ]


def _step(encoder: str, name: str, head: str, precision: str) -> TrainStep:
    task = tasks.get(name)
    model = build_model({name: task}, load_encoder(encoder, 0).encoder, "none", head)
    initialize_weights(model.heads[name].named_weights(), 0.02, 0)
    optimizer = build_optimizer(
        "adamw", build_schedule("constant", 1e-5, 0, 100, 100), model.trained_weights(),
        weight_decay=0.01, epsilon=1e-6,
    )
    kinds = {name: KINDS.get(task.kind)}
    return TrainStep(model, optimizer, kinds, clip_norm=1.0, precision=precision)


def _seconds(
    steps: dict[str, TrainStep], name: str, features: Features
) -> dict[str, list[float]]:
    plan = BatchPlan(features.lengths, 32, 1, 0, name, "grouped")
    seconds: dict[str, list[float]] = {head: [] for head in steps}
    for number, (rows,) in enumerate(plan.epoch(0)):
        batch, seed = padded_batch(features, rows), dropout_seed(0, number, 0)
        # Whoever comes first finds a cold cache, so they take turns at that, too.
        turn = list(steps) if number % 2 else list(steps)[::-1]
        for head in turn:
            begun = time.perf_counter()
            float(steps[head](name, [batch], len(rows), [seed]))
            if number:  # The first traces and compiles.
                seconds[head].append(time.perf_counter() - begun)
    return seconds


if __name__ == "__main__":
    tf.config.experimental.enable_op_determinism()
    main()
