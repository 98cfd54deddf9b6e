"""What a training step costs with each adapter, beside the same encoder without one.

    python benchmarks/adapters.py --encoder FOLDER [--adapters pal,lhuc] [--rounds 15]

One model holds all of them as tasks; rounds take each in turn, so that a busy machine disturbs all
alike. Writes JSON with medians of wall and processor seconds, and of each round's ratio to the
plain step.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfglue.adapters import ADAPTERS, EncoderShape, read_adapter
from tfglue.data.batches import padded_batch
from tfglue.data.features import Features
from tfglue.files import write_json
from tfglue.kinds import KINDS
from tfglue.models.checkpoints import load_encoder
from tfglue.models.heads import LinearHead
from tfglue.models.transfer_model import TransferModel
from tfglue.training.optimizer import build_optimizer
from tfglue.training.schedule import WarmupSchedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.step import TrainStep

PLAIN = "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--adapters", default=",".join(ADAPTERS), help="names, joined by commas")
    parser.add_argument("--precisions", default="float32,mixed_bfloat16")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=Path("docs/results/adapters.json"))
    flags = parser.parse_args()

    encoder = load_encoder(flags.encoder).encoder
    shape = EncoderShape.of(encoder)
    adapters = {name: read_adapter(name).build(shape) for name in flags.adapters.split(",")}
    heads = {name: LinearHead(2, encoder.hidden_dim) for name in (PLAIN, *adapters)}
    model = TransferModel(encoder, heads, adapters)
    batch = random_batch(flags.rows, flags.length)
    results = {}
    for precision in flags.precisions.split(","):
        seconds = time_steps(model, batch, precision, flags.rounds)
        results[precision] = {name: summary(seconds, name) for name in seconds}
        for name, found in results[precision].items():
            print(precision, name, found, flush=True)
    write_json(flags.output, {
        "encoder": Path(flags.encoder).name, "rows": flags.rows, "length": flags.length,
        "rounds": flags.rounds, "steps": results,
        "parameters": {n: a.config.parameter_count(shape) for n, a in adapters.items()},
        "versions": {"tensorflow": tf.__version__},
    })


def random_batch(rows: int, length: int):
    """Token ids that mean nothing; no row has padding."""
    random = np.random.default_rng(0)
    features = Features(
        token_ids=random.integers(1000, 20_000, rows * length).astype(np.int32),
        row_splits=np.arange(rows + 1) * length,
        first_lengths=np.full(rows, length // 2, np.int32),
        labels=random.integers(0, 2, rows).astype(np.int32),
    )
    return padded_batch(features, np.arange(rows))


def time_steps(model: TransferModel, batch, precision: str, rounds: int):
    """Wall and processor seconds of every task's update, a pair for every round."""
    weights = model.trained_weights()
    schedule = WarmupSchedule(1e-5, 0, 1000, decay=False)
    optimizer = build_optimizer("adamw", schedule, weights, weight_decay=0.01, epsilon=1e-6)
    kinds = dict.fromkeys(model.heads, KINDS.get("classify"))
    step = TrainStep(model, optimizer, kinds, clip_norm=1.0, precision=precision)
    rows = len(batch["labels"])
    seconds = {name: [] for name in model.heads}
    for number in range(-2, rounds):  # Two rounds compile and warm up.
        order = list(model.heads) if number % 2 else list(model.heads)[::-1]
        for name in order:
            wall, processor = time.perf_counter(), time.process_time()
            float(step(name, [batch], rows, [dropout_seed(0, number + 2, 0)]))
            if number >= 0:
                seconds[name].append(
                    (time.perf_counter() - wall, time.process_time() - processor)
                )
    return seconds


def summary(seconds, name: str) -> dict[str, float]:
    found = {}
    for index, clock in enumerate(("wall", "processor")):
        own, plain = ([pair[index] for pair in seconds[n]] for n in (name, PLAIN))
        ratios = [a / b for a, b in zip(own, plain, strict=True)]
        found[clock] = round(statistics.median(own), 3)
        found[f"{clock}_ratio"] = round(statistics.median(ratios), 3)
    return found


if __name__ == "__main__":
    main()
