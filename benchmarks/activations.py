"""What a store of hidden states costs and saves: bytes, reading, and an epoch of a head.

    python benchmarks/activations.py --run RUN --task sst --data DATA [--rows 10000]

Bytes: the store beside float32 rows padded to 128. Reading: batches of 32 from the store beside
computing them anew, in turns. Cold: the files' pages are dropped from the cache
(``posix_fadvise``), then a fresh process reads them, beside the disk's own rate and that of
``tf.data.TFRecordDataset`` over warm files. Epoch: updates of a head on the store beside updates of
the whole encoder (both in bfloat16, grouped by length), in turns, input included. Writes JSON with
medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

BATCH, PADDED = 32, 128
BLOCK = 8 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, help="run of one task, whose encoder is read")
    parser.add_argument("--task", default="sst")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rows", type=int, default=10_000, help="training rows")
    parser.add_argument("--store", type=Path, default=Path("activations"))
    parser.add_argument("--heads", default="linear adapter_pooler:size=64 "
                        "adapter_pooler:size=64,pooling=softmax")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=Path, default=Path("docs/results/activations.json"))
    parser.add_argument("--cold", choices=("store", "tfrecord"), help=argparse.SUPPRESS)
    flags = parser.parse_args()
    quiet_tensorflow()
    if flags.cold:
        print(read_all(flags.store, flags.cold))
        return
    found = {"rows": flags.rows, "rounds": flags.rounds, **extracted(flags)}
    found["reading"] = reading(flags)
    found["disk"] = disk(flags)
    found["epoch"] = epoch(flags)
    write_json(flags.results, found)
    print(json.dumps(found, indent=2))


def extracted(flags) -> dict:
    """Writes the store of a part of the training rows, and weighs it."""
    from data_prep import activations

    if flags.store.exists():
        raise SystemExit(f"{flags.store}: exists; its extraction is timed, so name a new --store")
    start = time.perf_counter()
    words = ["--run", flags.run, "--data", flags.data, "--output", str(flags.store)]
    subset = ["--train_examples", str(flags.rows), "--dev_examples", "32"]
    if activations.main([*words, *subset]):
        raise SystemExit("the store cannot be written")
    seconds = time.perf_counter() - start
    _, features, store = opened(flags)
    size = sum(path.stat().st_size for path in flags.store.glob("train-*"))
    padded = len(features) * PADDED * len(store.form.layers) * store.form.width * 4
    return {"bytes": size, "padded_float32_bytes": padded, "times_smaller": padded / size,
            "extraction_seconds": seconds, "tokens": int(features.lengths.sum())}


def opened(flags):
    """The run, features of the training rows that are measured, and the store."""
    from tfglue.activations.store import ActivationStore
    from tfglue.preparation import prepare

    task = flags.task
    prepared = prepare(dict(settings(flags), init=flags.run), lambda line: None)
    return prepared.loaded.encoder, prepared.tasks[task].features["train"], (
        ActivationStore(flags.store)
    )


def settings(flags) -> dict:
    """Of every training."""
    return dict(task=flags.task, data=flags.data, train_examples=flags.rows, dev_examples=32,
                batch_size=BATCH, epochs=1, learning_rate=1e-4, seed=1, precision="mixed_bfloat16")


def reading(flags) -> dict:
    """Rows a second from the warm store, and computed."""
    from tfglue.activations.hidden_states import HiddenStates
    from tfglue.data.batch_plan import BatchPlan

    encoder, features, store = opened(flags)
    rows = store.rows_of(features, "train")
    plan = BatchPlan(features.lengths, BATCH, 1, seed=1, task="reading", batching="grouped")
    batches = [rows for (rows,) in plan.epoch(0) if len(rows) == BATCH]
    some = batches[:: max(1, len(batches) // 25)]
    compute = HiddenStates(encoder, store.form.layers)
    for batch in some:  # Compiles, and warms the cache.
        compute(features, batch)
    for batch in batches:
        rows.padded(batch, features.lengths[batch].max())
    stored, computed, ratios = [], [], []
    for _ in range(flags.rounds):
        start = time.perf_counter()
        for batch in batches:
            rows.padded(batch, features.lengths[batch].max())
        stored.append(len(batches) * BATCH / (time.perf_counter() - start))
        start = time.perf_counter()
        for batch in some:
            compute(features, batch)
        computed.append(len(some) * BATCH / (time.perf_counter() - start))
        ratios.append(stored[-1] / computed[-1])
    return {"stored_rows_a_second": statistics.median(stored),
            "computed_rows_a_second": statistics.median(computed),
            "times_faster": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def disk(flags) -> dict:
    """Bytes a second: raw and store from dropped files, TFRecord and store from warm ones."""
    files = sorted(flags.store.glob("*.tfrecord"))
    size = sum(file.stat().st_size for file in files)
    rates: dict[str, list[float]] = {"raw_cold": [], "store_cold": [], "tfrecord_warm": [],
                                     "store_warm": []}
    for _ in range(min(flags.rounds, 5)):
        drop(files)
        start = time.perf_counter()
        for file in files:
            with open(file, "rb", buffering=0) as stream:
                while stream.read(BLOCK):
                    pass
        rates["raw_cold"].append(size / (time.perf_counter() - start))
        drop(files)
        rates["store_cold"].append(size / in_own_process("store"))
        rates["tfrecord_warm"].append(size / in_own_process("tfrecord"))
        rates["store_warm"].append(size / in_own_process("store"))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    bound = min(medians["raw_cold"], medians["tfrecord_warm"])
    return medians | {"cold_share_of_lower": medians["store_cold"] / bound}


def drop(files: list[Path]) -> None:
    """Drops files from the page cache; what a process maps stays, so none may."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def in_own_process(what: str) -> float:
    """Seconds that a fresh process takes to read all files, its start not counted."""
    words = [sys.executable, __file__, *sys.argv[1:], "--cold", what]
    out = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(out.split()[-1])


def read_all(folder: Path, what: str) -> float:
    """Seconds of reading every row once."""
    import tensorflow as tf

    from tfglue.activations.store import ActivationStore

    start = time.perf_counter()
    if what == "tfrecord":
        files = sorted(str(file) for file in folder.glob("*.tfrecord"))
        for _ in tf.data.TFRecordDataset(files).batch(BATCH):
            pass
    else:
        store = ActivationStore(folder)
        for name in store.manifest["splits"]:
            for _ in store.split(name).labelled():
                pass
    return time.perf_counter() - start


def epoch(flags) -> dict:
    """Examples a second of training: every head on the store beside the whole encoder."""
    from tfglue.activations.store import with_store
    from tfglue.data.batches import padded_batch
    from tfglue.data.reading_ahead import in_order
    from tfglue.preparation import prepare
    from tfglue.run_folder import RunFolder
    from tfglue.trainer import Training
    from tfglue.training.seeds import dropout_seed

    task = flags.task
    sides = {"fine_tuning": dict(settings(flags), init=flags.run)}
    for head in flags.heads.split():
        sides[head] = with_store(
            {"activations": str(flags.store), "head": head, **settings(flags)}
        )
    loops, some, updates = {}, {}, {}
    for name, chosen in sides.items():
        prepared = prepare(chosen, lambda line: None)
        training = Training(prepared, RunFolder("unused"), None, [], lambda line: None)
        loops[name] = (training.build_loop(), prepared.tasks[task].features["train"])
        batches = [rows for (rows,) in training.plans[task].epoch(0) if len(rows) == BATCH]
        count = 12 if name == "fine_tuning" else len(batches)
        some[name] = batches[:: max(1, len(batches) // count)]
        updates[name] = 0

    def run(name: str, batches) -> None:
        loop, features = loops[name]
        for batch in in_order(lambda rows: padded_batch(features, rows), batches):  # As the loop.
            updates[name] += 1
            loss = loop.step(task, [batch], BATCH, [dropout_seed(1, updates[name], 0)])
        float(loss)

    for name, batches in some.items():
        run(name, batches[:12])
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(flags.rounds):
        for name, batches in some.items():
            start = time.perf_counter()
            run(name, batches)
            rates[name].append(len(batches) * BATCH / (time.perf_counter() - start))
    base = rates["fine_tuning"]
    return {
        name: {"examples_a_second": statistics.median(values),
               "times_fine_tuning": statistics.median(a / b for a, b in
                                                      zip(values, base, strict=True))}
        for name, values in rates.items()
    }


if __name__ == "__main__":
    main()
