"""How large a perturbation of smoothing has to be to matter, and what smoothing costs.

  python benchmarks/smoothing.py --run RUN --data GLUE --output smoothing.json

Of a finished run of one task, of classes or scores: the size of its word embeddings; the mean
divergence between its answers to dev rows and those under a perturbation, for several settings of
``--smart``, one batch like the next; and for training batches a forward and backward pass with and
without the term, in turns.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfglue.answering import source_for
from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import padded_batch
from tfglue.kinds import KINDS
from tfglue.run import Run
from tfglue.training.adversarial import Smoothing
from tfglue.training.loss_term import ForwardPass
from tfglue.training.optimizer import build_optimizer
from tfglue.training.overhead import Overhead
from tfglue.training.schedule import build_schedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.smart_config import read_smart
from tfglue.training.step import TrainStep

SIZES = (
    "inf:steps=0", "inf:bound=1e-5,step=1e-3,noise=1e-5", "inf:bound=1e-3,step=1e-3",
    "inf:bound=0.01,step=0.01", "inf", "inf:bound=0.1,step=0.1", "inf:bound=1,step=1",
    "l2:bound=0.01,step=0.01", "l2:bound=0.1,step=0.1", "l2", "l2:bound=1,step=1",
)
COSTS = ("inf", "l2", "inf:steps=2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="finished run of one task")
    parser.add_argument("--data", help="as in tfglue.evaluate [the run's]")
    parser.add_argument("--rows", type=int, default=64, help="dev rows of divergences [64]")
    parser.add_argument("--batch_size", type=int, default=16, help="[16]")
    parser.add_argument("--batches", type=int, default=8, help="batches that are timed [8]")
    parser.add_argument("--precisions", default="float32,mixed_bfloat16", help="a,b")
    parser.add_argument("--output", type=Path, help="JSON file of all of it")
    flags = parser.parse_args()
    run = Run.open(flags.run)
    task = run.task()
    source = source_for(run, task, flags.data, None)
    words = run.encoder.embeddings.word.numpy()
    found = {
        "task": task.name,
        "mean_length_of_a_token": round(float(np.linalg.norm(words, axis=1).mean()), 3),
        "mean_largest_value_of_a_token": round(float(np.abs(words).max(axis=1).mean()), 3),
        "divergences": divergences(run, source.read("dev"), flags),
        "costs": costs(run, source.read("train"), flags),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if flags.output:
        flags.output.write_text(text + "\n")


def encoded(run: Run, examples):
    """Rows as the run was trained on them."""
    task = run.task()
    kind, config = KINDS.get(task.kind), run.configs[task.name]
    return kind.encode(task, examples, run.tokenizer, config, training=True)


def divergences(run: Run, examples, flags) -> list[dict]:
    """Mean divergence of a row, for every setting; weights and dropout masks are the same."""
    name, kind = run.task().name, KINDS.get(run.task().kind)
    features = encoded(run, examples.take(np.arange(min(len(examples), flags.rows))))
    rows = []
    for text in SIZES:
        term, values = Smoothing(read_smart(text), [name]), []
        for number, begin in enumerate(range(0, len(features), flags.batch_size)):
            own = np.arange(begin, min(begin + flags.batch_size, len(features)))
            seed = tf.constant(dropout_seed(0, number, 0))
            forward = ForwardPass(run.model, name, kind, padded_batch(features, own), seed)
            values.append(term(forward).numpy())
        rows.append({"smart": text, "divergence": float(np.concatenate(values).mean())})
    return rows


def costs(run: Run, examples, flags) -> list[dict]:
    """For every setting the median of how many times a plain pass one with the term takes."""
    name, kind = run.task().name, KINDS.get(run.task().kind)
    features = encoded(run, examples)
    plan = BatchPlan(features.lengths, flags.batch_size, 1, 0, name, "grouped")
    batches = [padded_batch(features, rows) for (rows,), _ in zip(
        plan.epoch(0), range(flags.batches), strict=False
    )]
    rows = []
    for precision in flags.precisions.split(","):
        for text in COSTS:
            optimizer = build_optimizer(
                "adamw", build_schedule("constant", 1e-5, 0, 100, 100),
                run.model.trained_weights(), weight_decay=0.01, epsilon=1e-6,
            )
            step = TrainStep(
                run.model, optimizer, {name: kind}, clip_norm=1.0, precision=precision,
                terms=[Smoothing(read_smart(text), [name])],
            )
            times = [
                Overhead.measured(step, name, batch, dropout_seed(0, 0, 0)).times
                for batch in batches
            ]
            rows.append({
                "smart": text, "precision": precision, "batches": len(times),
                "times": round(statistics.median(times), 2), "least": round(min(times), 2),
                "most": round(max(times), 2),
            })
    return rows


if __name__ == "__main__":
    main()
