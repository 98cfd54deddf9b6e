"""Training steps of several tasks: what each adapter costs, frozen or not, in time and memory.

    python benchmarks/multitask.py --encoder FOLDER [--adapters pal,low_rank] [--rounds 15]

Steps: one model holds all adapters as tasks; rounds take each in turn, trained with the encoder and
with ``--freeze encoder_except_norms``, so that a busy machine disturbs all alike. Mixture: eight
tasks in turn beside one of them eight times. Memory: the largest resident size of a process that
does nothing but a few steps. With ``--data GLUE_FOLDER`` also the seconds from the start of the
command to the first update of eight tasks with PALs. Writes JSON with medians of wall and processor
seconds, and of each round's ratios.
"""

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfglue.adapters import ADAPTERS, EncoderShape, read_adapter
from tfglue.data.batches import padded_batch
from tfglue.data.features import Features
from tfglue.experiment import train
from tfglue.files import write_json
from tfglue.kinds import KINDS
from tfglue.models.checkpoints import load_encoder
from tfglue.models.heads import LinearHead
from tfglue.models.transfer_model import TransferModel
from tfglue.training.freezing import freeze
from tfglue.training.loop import Interrupted
from tfglue.training.optimizer import build_optimizer
from tfglue.training.schedule import WarmupSchedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.step import TrainStep

PLAIN = "none"
FROZEN = "encoder_except_norms"
TASKS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--adapters", default=",".join(ADAPTERS), help="names, joined by commas")
    parser.add_argument("--precisions", default="float32,mixed_bfloat16")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--results", type=Path, default=Path("docs/results/multitask_steps.json"))
    parser.add_argument("--data", help="GLUE folder")
    parser.add_argument("--memory_of", help=argparse.SUPPRESS)
    parser.add_argument("--one_update", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.memory_of:
        print(peak_memory(flags))
        return
    if flags.one_update:
        one_update(flags)
        return
    names = [PLAIN, *flags.adapters.split(",")]
    found = {
        "encoder": Path(flags.encoder).name, "rows": flags.rows, "length": flags.length,
        "rounds": flags.rounds, "versions": {"tensorflow": tf.__version__}, "steps": {},
        "mixture": {},
    }
    for precision in flags.precisions.split(","):
        found["steps"][precision] = time_adapters(names, precision, flags)
        found["mixture"][precision] = time_mixture(precision, flags)
        write_json(flags.results, found)
    found["memory_mb"] = {
        name: float(in_own_process("--memory_of", name).split()[-1])
        for name in [*names, "mixture"]
    }
    if flags.data:
        start = time.perf_counter()
        in_own_process("--one_update")
        found["first_update_seconds"] = time.perf_counter() - start
    write_json(flags.results, found)
    print(json.dumps(found, indent=2))


def in_own_process(*more: str) -> str:
    """What this script prints with further flags."""
    words = [sys.executable, __file__, *sys.argv[1:], *more]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


class Steps:
    """Updates of a model with a task for every name, on one batch that means nothing.

    Args:
        adapters: task name -> the adapter it has.
        precision: what is computed in.
        frozen: value of ``--freeze``.
        flags: of the command.
    """

    def __init__(self, adapters: dict[str, str], precision: str, frozen: str, flags):
        encoder = load_encoder(flags.encoder).encoder
        freeze(encoder, frozen)
        shape = EncoderShape.of(encoder)
        heads = {name: LinearHead(2, encoder.hidden_dim) for name in adapters}
        parts = {n: read_adapter(a).build(shape) for n, a in adapters.items() if a != PLAIN}
        model = TransferModel(encoder, heads, parts)
        optimizer = build_optimizer(
            "adamw", WarmupSchedule(1e-5, 0, 1000, decay=False), model.trained_weights(),
            weight_decay=0.01, epsilon=1e-6,
        )
        kinds = dict.fromkeys(heads, KINDS.get("classify"))
        self.step = TrainStep(model, optimizer, kinds, clip_norm=1.0, precision=precision)
        self.batch = random_batch(flags.rows, flags.length)

    def seconds(self, task: str, update: int) -> tuple[float, float]:
        """Wall and processor seconds of one update."""
        wall, processor = time.perf_counter(), time.process_time()
        rows = len(self.batch["labels"])
        float(self.step(task, [self.batch], rows, [dropout_seed(0, update, 0)]))
        return time.perf_counter() - wall, time.process_time() - processor


def time_adapters(names: list[str], precision: str, flags) -> dict:
    """Adapter -> seconds, ratio to the plain step, and how much freezing saves."""
    steps = {
        frozen: Steps({name: name for name in names}, precision, frozen, flags)
        for frozen in ("none", FROZEN)
    }
    turns = [(frozen, name) for frozen in steps for name in names]
    seconds = {turn: [] for turn in turns}
    for number in range(-2, flags.rounds):  # Two rounds compile and warm up.
        for frozen, name in turns if number % 2 else turns[::-1]:
            taken = steps[frozen].seconds(name, number + 2)
            if number >= 0:
                seconds[frozen, name].append(taken)
    plain = seconds["none", PLAIN]
    return {
        name: {
            **medians(seconds["none", name]),
            "ratio_to_plain": ratio(seconds["none", name], plain),
            "frozen": medians(seconds[FROZEN, name]),
            "full_to_frozen": ratio(seconds["none", name], seconds[FROZEN, name]),
        }
        for name in names
    }


def time_mixture(precision: str, flags) -> dict:
    """Eight tasks with PALs in turn, beside the first of them eight times."""
    names = [f"task{number}" for number in range(TASKS)]
    steps = Steps(dict.fromkeys(names, "pal"), precision, "none", flags)
    mixed, single = [], []
    for number in range(-1, max(2, flags.rounds // 4)):
        several = [steps.seconds(name, number + 1) for name in names]
        one = [steps.seconds(names[0], number + 1) for _ in names]
        if number >= 0:
            mixed += several
            single += one
    return {"eight_tasks": medians(mixed), "one_task": medians(single),
            "ratio": ratio(mixed, single)}


def peak_memory(flags) -> float:
    """Largest resident size of this process after a few steps, in MB."""
    adapters = {flags.memory_of: flags.memory_of}
    if flags.memory_of == "mixture":
        adapters = {f"task{number}": "pal" for number in range(TASKS)}
    steps = Steps(adapters, "float32", "none", flags)
    for update in range(2):
        for name in adapters:
            steps.seconds(name, update)
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


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


def one_update(flags) -> None:
    """Starts a run of eight tasks and ends the process after its first update."""
    with tempfile.TemporaryDirectory() as folder:
        settings = dict(
            task="glue8", data=flags.data, encoder=flags.encoder, adapter="pal",
            sampler="annealed", steps_per_task=300, epochs=25, max_length=128, batch_size=32,
            learning_rate=2e-5, output=f"{folder}/run",
        )
        with contextlib.suppress(Interrupted):
            train(settings, callbacks=[Stop()])


class Stop(keras.callbacks.Callback):
    """Ends training after an update, without an evaluation."""

    def on_train_batch_end(self, batch, logs=None):
        signal.raise_signal(signal.SIGINT)


def medians(seconds: list[tuple[float, float]]) -> dict[str, float]:
    wall, processor = zip(*seconds, strict=True)
    return {"wall": statistics.median(wall), "processor": statistics.median(processor)}


def ratio(own: list[tuple[float, float]], other: list[tuple[float, float]]) -> dict[str, float]:
    """Medians of the rounds' ratios."""
    clocks = zip(zip(*own, strict=True), zip(*other, strict=True), strict=True)
    return {
        clock: statistics.median(a / b for a, b in zip(mine, others, strict=True))
        for clock, (mine, others) in zip(("wall", "processor"), clocks, strict=True)
    }


if __name__ == "__main__":
    main()
