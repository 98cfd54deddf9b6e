"""How data of any size go in: reading, tokenizing, packing, the second start, memory, waiting.

    python benchmarks/data_scale.py --rows 400000 --output docs/results/data_scale.json

Makes sentence pairs of its own, so it needs no data and no encoder. Every measurement is taken in a
process of its own, through the functions that `python -m tfglue.train` calls.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tfglue.data.encode
import tfglue.data.token_cache
import tfglue.preparation
from tfglue.data.examples import Examples
from tfglue.data.sources import FileSource
from tfglue.data.tokenizer import BertTokenizer
from tfglue.files import write_json
from tfglue.models.checkpoints import load_encoder
from tfglue.trainer import train_run
from tfglue.training.task_batches import TaskBatches

LABELS = ("entailment", "neutral", "contradiction")
INVENTED_WORDS, INVENTED_SHARE = 30_000, 0.12  # Makes about 40 tokens a pair, as MNLI has.
MEAN_WORDS, SPREAD = 11.0, 0.55  # Of one sentence; lengths are log-normal.
SETTINGS = dict(encoder="tiny", batch_size=32, max_length=128, seed=1)

# Stage -> the functions it consists of, without what other stages in them take.
STAGES = {
    "labels counted": [(tfglue.preparation, "choose_tasks")],
    "rows read": [(FileSource, "read")],
    "subset drawn": [(tfglue.preparation, "_chosen_rows")],
    "cache key": [(tfglue.data.token_cache, "column_key")],
    "tokenizing": [(BertTokenizer, "tokenize_all")],
    "cache": [(tfglue.data.encode, "tokenize_column")],
    "packing": [(tfglue.data.encode, "pack")],
    "digest of the rows": [(Examples, "digest")],
}


class Stopwatch:
    """Adds up the time inside functions, what they call of each other counted once."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def watch(self, stage: str, owner: object, name: str) -> None:
        """Puts a timed function in the place of ``owner.name``."""
        function = getattr(owner, name)

        def timed(*args, **kwargs):
            self._inner.append(0.0)
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.perf_counter() - started
                self.seconds[stage] += taken - self._inner.pop()
                self._inner[-1] += taken

        setattr(owner, name, timed)


class Updates(keras.callbacks.Callback):
    """When each update was done, and the resident memory (MB) then."""

    def __init__(self):
        super().__init__()
        self.times: list[float] = []
        self.megabytes: list[float] = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())
        self.megabytes.append(resident())


def write_pairs(path: Path, rows: int, seed: int = 7) -> None:
    """Writes labelled sentence pairs: known words, invented ones, capitals and punctuation."""
    random = np.random.default_rng(seed)
    vocabulary = load_encoder("tiny").tokenizer(None).vocabulary
    known = [word for word in vocabulary if word.isalpha() and len(word) > 1]
    known += ["Paris", "don't", "1,250", "U.S.", "naïve", "東京"]
    syllables = ["".join(s) for s in itertools.product("bdfgklmnprstvz", "aeiou")]
    invented = ["".join(s) for s in random.choice(syllables, (INVENTED_WORDS, 3))]
    # Few words are frequent and most are rare, as in any language.
    shares = np.concatenate([
        share * _zipf(len(words))
        for share, words in ((1 - INVENTED_SHARE, known), (INVENTED_SHARE, invented))
    ])
    words = np.array([*known, *invented])
    with open(path, "w", encoding="utf-8", newline="") as stream:
        stream.write("sentence1\tsentence2\tlabel\n")
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            lengths = random.lognormal(np.log(MEAN_WORDS) - SPREAD**2 / 2, SPREAD, 2 * count)
            ends = np.cumsum(np.clip(np.rint(lengths), 2, 90).astype(int))
            drawn = words[random.choice(len(words), ends[-1], p=shares)].tolist()
            sentences = [
                " ".join(drawn[first:last]).capitalize() + "."
                for first, last in itertools.pairwise([0, *ends.tolist()])
            ]
            labels = random.choice(LABELS, count)
            for first, second, label in zip(sentences[::2], sentences[1::2], labels, strict=True):
                stream.write(f"{first}\t{second}\t{label}\n")


def _zipf(count: int) -> np.ndarray:
    shares = 1.0 / np.arange(10, 10 + count)
    return shares / shares.sum()


def prepare(settings: dict) -> dict:
    """One start of a run, from the file to packed features: seconds of each stage, memory."""
    watch = Stopwatch()
    for stage, functions in STAGES.items():
        for owner, name in functions:
            watch.watch(stage, owner, name)
    watch.watch("encoder", tfglue.preparation, "load_encoder")
    before = resident()
    started = time.perf_counter()
    prepared = tfglue.preparation.prepare(settings, lambda line: None)
    (one,) = prepared.tasks.values()
    one.data_facts()
    total = time.perf_counter() - started
    encoder = watch.seconds.pop("encoder")
    return {
        "rows": len(one.features["train"]),
        "tokens_per_pair": float(one.features["train"].lengths.mean()),
        "stages": {stage: watch.seconds[stage] for stage in STAGES if stage in watch.seconds},
        "seconds": total - encoder,
        "megabytes": {"before": before, "after": resident(), "peak": peak()},
    }


def epoch(settings: dict) -> dict:
    """Trains through `train`: time spent waiting for input, and memory along the way."""
    waits: list[float] = []
    original = TaskBatches.updates

    def updates(self, start=0):
        stream = original(self, start)
        while True:
            asked = time.perf_counter()
            update = next(stream)
            waits.append(time.perf_counter() - asked)
            yield update

    TaskBatches.updates = updates
    done = Updates()
    train_run(settings, callbacks=[done], say=lambda line: None)
    # The first update is mostly compilation.
    seconds, waited = done.times[-1] - done.times[0], sum(waits[1:len(done.times)])
    curve, count = done.megabytes, len(done.megabytes)
    return {
        "updates": count,
        "seconds_after_first_update": seconds,
        "milliseconds_per_update": seconds / (count - 1) * 1e3,
        "first_batch_seconds": waits[0],
        "waiting_seconds": waited,
        "waiting_share": waited / seconds,
        "waiting_share_with_first_batch": (waited + waits[0]) / (seconds + waits[0]),
        "median_wait_milliseconds": float(np.median(waits[1:])) * 1e3,
        "megabytes": {f"{percent} %": curve[count * percent // 100 - 1]
                      for percent in (1, 10, 25, 50, 75, 100)},
        "growth_megabytes_per_1000_updates": {
            f"from {percent} %": _slope(curve[count * percent // 100 :]) for percent in (10, 50)
        },
        "peak_megabytes": peak(),
    }


def _slope(curve: list[float]) -> float:
    return float(np.polyfit(np.arange(len(curve)), curve, 1)[0]) * 1000


def resident() -> float:
    """Resident memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(measure: Callable[[dict], dict], settings: dict) -> dict:
    """The result of a measurement in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, settings).result()


def print_starts(starts: dict[str, dict]) -> None:
    print(f"{'seconds':22s}" + "".join(f"{name:>16s}" for name in starts))
    for stage in STAGES:
        values = (start["stages"].get(stage, 0.0) for start in starts.values())
        print(f"{stage:22s}" + "".join(f"{value:16.2f}" for value in values))
    for key in ("seconds", "rows"):
        print(f"{key:22s}" + "".join(f"{start[key]:16.2f}" for start in starts.values()))
    peaks = (start["megabytes"]["peak"] for start in starts.values())
    print(f"{'peak memory (MB)':22s}" + "".join(f"{value:16.0f}" for value in peaks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--updates", type=int, help="of the epoch; by default all")
    parser.add_argument("--skip_training", action="store_true", help="measure starts alone")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        write_pairs(path, flags.rows)
        os.environ["TFGLUE_CACHE"] = str(Path(folder) / "cache")
        settings = {**SETTINGS, "train_file": str(path)}
        report = {
            "rows": flags.rows,
            "file_megabytes": path.stat().st_size / 2**20,
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "versions": {"python": platform.python_version(), "tensorflow": tf.__version__,
                         "numpy": np.__version__},
        }
        report["starts"] = {
            "first": alone(prepare, settings),
            "second": alone(prepare, settings),
            "1000 examples": alone(prepare, {**settings, "train_examples": 1000}),
        }
        print_starts(report["starts"])
        first = report["starts"]["first"]["stages"]
        report["sentences_per_second"] = 2 * flags.rows / first["tokenizing"]
        print(f"tokenizing: {report['sentences_per_second']:,.0f} sentences/s")
        if not flags.skip_training:
            report["epoch"] = alone(epoch, {
                **settings, "epochs": 1, "output": str(Path(folder) / "run"),
                **({"max_steps": flags.updates} if flags.updates else {}),
            })
            print(json.dumps(report["epoch"], indent=2))
    if flags.output:
        write_json(flags.output, report)


if __name__ == "__main__":
    main()
