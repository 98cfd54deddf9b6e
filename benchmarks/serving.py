"""Latency and throughput from strings: an export, the live run, and a `transformers` pipeline.

    python benchmarks/serving.py --encoder FOLDER --data GLUE_FOLDER \\
        --output docs/results/serving.json

One run of SST-2 (its weights do not matter for speed) is exported with every kind of weights, and
written for `transformers`. All sides get the same texts: short ones are sentences of the dev set,
long ones sentences joined until they fill 128 tokens. Each side lives in a process of its own, and
they take turns, the first one alternating, so that all see the same machine. An export is asked
through ``tf.saved_model.load``, without a server: strings in, arrays out. p50 and p99 are over all
requests of all rounds; throughput is the median of the rounds. Needs the extra ``reference``.

Then a run of four tasks, with adapters and without: rows in mixed batches, and the same rows sorted
into batches of one task each. A table in Markdown is written beside the JSON.
"""

import argparse
import importlib.metadata
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from finetune import Side, cpu_name, spread

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json, write_text

LENGTH = 128
BATCHES = (1, 8, 32)
TASKS = ("sst", "cola", "mrpc", "rte")
ADAPTERS = ("none", "houlsby")
LONG_WORDS = 110


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True, help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="folder in the layout of the GLUE download")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=320, help="rows of each mode a round")
    parser.add_argument("--weights", default="float32,bfloat16,float16,int8")
    parser.add_argument("--output", type=Path, default=Path("docs/results/serving.json"))
    flags = parser.parse_args()
    report = {
        "encoder": Path(flags.encoder).name, "cpus": os.cpu_count(), "cpu": cpu_name(),
        "load_average_before": os.getloadavg()[0],
        "settings": {"length": LENGTH, "rounds": flags.rounds, "rows": flags.rows},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("tensorflow", "keras", "torch", "transformers")
        },
    }
    with TemporaryDirectory() as place:
        weights = flags.weights.split(",")
        maker = Side(Maker)
        report["exports"] = maker("single", place, flags.encoder, flags.data, weights)
        for adapter in ADAPTERS:
            maker("several", place, flags.encoder, flags.data, adapter)
        texts = {"short": maker("texts", flags.data, "sst")}
        mixed = {task: maker("pairs", flags.data, task) for task in TASKS}
        maker.end()
        texts["long"] = long_texts(texts["short"])
        sides = {f"export {kind}": Side(Exported) for kind in weights}
        for kind in weights:
            sides[f"export {kind}"]("open", f"{place}/serve-{kind}/1")
        for name, kind, path in (("live run", Live, "run"), ("pipeline", Pipeline, "pipeline")):
            sides[name] = Side(kind)
            sides[name]("open", f"{place}/{path}")
        report["texts"] = {
            name: {"words": float(np.mean([len(text.split()) for text in group]))}
            for name, group in texts.items()
        }
        report["modes"] = compared(sides, texts, flags)
        for side in sides.values():
            side.end()
        report["mixed"] = {
            adapter: mixed_batches(f"{place}/all-{adapter}/1", mixed, flags)
            for adapter in ADAPTERS
        }
    write_json(flags.output, report)
    table = markdown(report)
    write_text(flags.output.with_suffix(".md"), table)
    print(table)


def long_texts(sentences: list[str]) -> list[str]:
    """Sentences joined to texts that fill a row."""
    found, words = [], []
    for sentence in sentences:
        words += sentence.split()
        if len(words) >= LONG_WORDS:
            found.append(" ".join(words))
            words = []
    return found


def requests_of(texts: list, batch: int, rows: int, seed: int) -> list[list]:
    """Batches of texts in an order of their own; every round draws others."""
    random = np.random.default_rng(seed)
    count = max(3, rows // batch)
    return [
        [texts[place] for place in random.integers(0, len(texts), batch)] for _ in range(count)
    ]


def compared(sides: dict[str, Side], texts: dict[str, list[str]], flags) -> dict:
    """Mode -> side -> latencies and throughput."""
    found = {}
    for length, group in texts.items():
        for batch in BATCHES:
            seconds: dict[str, list[list[float]]] = {name: [] for name in sides}
            for side in sides.values():
                side("seconds", requests_of(group, batch, 3 * batch, seed=0))
            for number in range(flags.rounds):
                requests = requests_of(group, batch, flags.rows, seed=1 + number)
                order = list(sides)
                order = order[number % len(order) :] + order[: number % len(order)]
                for name in order:
                    seconds[name].append(sides[name]("seconds", requests))
            mode = found[f"{length}, batch {batch}"] = {
                name: summary(rounds, batch) for name, rounds in seconds.items()
            }
            for row in mode.values():
                row["over_pipeline"] = {
                    "p50": row["p50_ms"] / mode["pipeline"]["p50_ms"],
                    "throughput": spread([
                        own / theirs for own, theirs in zip(
                            row["rows_per_second"]["rounds"],
                            mode["pipeline"]["rows_per_second"]["rounds"], strict=True,
                        )
                    ]),
                }
            print(f"{length}, batch {batch}: " + "; ".join(
                f"{name} {row['p50_ms']:.1f} ms, {row['rows_per_second']['median']:.0f} rows/s"
                for name, row in mode.items()
            ), flush=True)
    return found


def summary(rounds: list[list[float]], batch: int) -> dict:
    every = 1000 * np.concatenate(rounds)
    return {
        "p50_ms": float(np.percentile(every, 50)), "p99_ms": float(np.percentile(every, 99)),
        "requests": len(every),
        "rows_per_second": spread([batch * len(own) / sum(own) for own in rounds]),
    }


def mixed_batches(folder: str, texts: dict[str, list[tuple[str, str]]], flags) -> dict:
    """Rows/s of mixed batches, and of the same rows in batches of one task each."""
    side, batch = Side(Exported), max(BATCHES)
    side("open", folder)
    rates: dict[str, list[float]] = {"mixed": [], "one task each": []}
    for number in range(flags.rounds + 1):
        random = np.random.default_rng(number)
        count = max(len(texts), flags.rows // batch)
        rows = [
            (task, *texts[task][random.integers(0, len(texts[task]))])
            for _ in range(batch * count // len(texts)) for task in texts
        ]
        mixed = [rows[begin : begin + batch] for begin in range(0, len(rows), batch)]
        by_task = [[row for row in rows if row[0] == task] for task in texts]
        single = [
            own[begin : begin + batch]
            for own in by_task for begin in range(0, len(own), batch)
        ]
        taken = {"mixed": side("mixed_seconds", mixed), "one task each": side("by_task", single)}
        if number:  # The first round warms up.
            for name, seconds in taken.items():
                rates[name].append(len(rows) / sum(seconds))
    side.end()
    return {name: spread(own) for name, own in rates.items()} | {
        "ratio": statistics.median(rates["mixed"]) / statistics.median(rates["one task each"])
    }


def markdown(report: dict) -> str:
    lines = [
        "| texts | side | p50, ms | p99, ms | rows/s | throughput over the pipeline |",
        "|---|---|---|---|---|---|",
    ]
    for mode, sides in report["modes"].items():
        for name, row in sides.items():
            ratio = row["over_pipeline"]["throughput"]
            lines.append(
                f"| {mode} | {name} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} | "
                f"{row['rows_per_second']['median']:.0f} | {ratio['median']:.2f} "
                f"({ratio['min']:.2f} to {ratio['max']:.2f}) |"
            )
    lines += ["", "| adapters | mixed batches, rows/s | one task each, rows/s | ratio |",
              "|---|---|---|---|"]
    for adapter, row in report["mixed"].items():
        lines.append(
            f"| {adapter} | {row['mixed']['median']:.0f} | {row['one task each']['median']:.0f} | "
            f"{row['ratio']:.2f} |"
        )
    lines += ["", "| weights | bytes of the variables |", "|---|---|"]
    lines += [f"| {kind} | {size:,} |" for kind, size in report["exports"].items()]
    return "\n".join(lines) + "\n"


class Maker:
    """Makes what is compared."""

    def __init__(self):
        quiet_tensorflow()

    def single(self, place: str, encoder: str, data: str, weights: list[str]) -> dict[str, int]:
        """A run, its exports and its folder for `transformers`; returns bytes by weights."""
        from tfglue import convert
        from tfglue.run import Run

        run = Run.train(task="sst", data=data, encoder=encoder, max_steps=0, train_examples=64,
                        dev_examples=64, max_length=LENGTH, output=f"{place}/run")
        for kind in weights:
            self._export(run, f"{place}/serve-{kind}", kind)
        convert.main(["--run", f"{place}/run", "--output", f"{place}/pipeline"])
        return {
            kind: sum(path.stat().st_size
                      for path in Path(place, f"serve-{kind}/1/variables").iterdir())
            for kind in weights
        }

    def several(self, place: str, encoder: str, data: str, adapter: str) -> None:
        """A run of several tasks and its export."""
        from tfglue.run import Run

        run = Run.train(task=",".join(TASKS), data=data, encoder=encoder, adapter=adapter,
                        max_steps=0, train_examples=64, dev_examples=64, max_length=LENGTH,
                        output=f"{place}/run-{adapter}")
        self._export(run, f"{place}/all-{adapter}", "float32")

    def _export(self, run, folder: str, weights: str) -> None:
        from tfglue.serving.export_folder import ExportFolder
        from tfglue.serving.exporter import Exporter

        Exporter(run, str(run.folder.path), ExportFolder(folder), weights=weights, verify=False,
                 signatures="mixed" if len(run.tasks) > 1 else "strings",
                 dev_examples=64).write()

    def texts(self, data: str, task: str) -> list[str]:
        """Texts of a dev set."""
        return [first for first, _ in self.pairs(data, task)]

    def pairs(self, data: str, task: str) -> list[tuple[str, str]]:
        """First and second texts of a dev set; the second is empty where there is none."""
        from tfglue import tasks
        from tfglue.data.sources import open_source

        columns = open_source(tasks.get(task), data).read("dev").texts
        first, second = columns[0], columns[1] if len(columns) > 1 else [""] * len(columns[0])
        return list(zip(first, second, strict=True))


class Exported:
    """The SavedModel."""

    def open(self, folder: str) -> None:
        quiet_tensorflow()
        import tensorflow as tf
        import tensorflow_text  # noqa: F401

        self.tf, self.model = tf, tf.saved_model.load(folder)

    def seconds(self, requests: list[list[str]]) -> list[float]:
        return [self._ask("serving_default", text=texts) for texts in requests]

    def mixed_seconds(self, requests: list[list[tuple[str, str, str]]]) -> list[float]:
        """Of batches whose rows name their task."""
        return [
            self._ask("serving_default", **dict(
                zip(("task", "text_a", "text_b"), map(list, zip(*rows, strict=True)), strict=True)
            ))
            for rows in requests
        ]

    def by_task(self, requests: list[list[tuple[str, str, str]]]) -> list[float]:
        """Of batches of one task each."""
        found = []
        for rows in requests:
            _, first, second = map(list, zip(*rows, strict=True))
            inputs = {"text_a": first, "text_b": second} if second[0] else {"text": first}
            found.append(self._ask(rows[0][0], **inputs))
        return found

    def _ask(self, signature: str, **inputs) -> float:
        function = self.model.signatures[signature]
        start = time.perf_counter()
        outputs = function(**{name: self.tf.constant(texts) for name, texts in inputs.items()})
        for value in outputs.values():
            value.numpy()
        return time.perf_counter() - start


class Live:
    """The run as Python opens it."""

    def open(self, folder: str) -> None:
        quiet_tensorflow()
        from tfglue.run import Run

        self.run = Run.open(folder)

    def seconds(self, requests: list[list[str]]) -> list[float]:
        found = []
        for texts in requests:
            start = time.perf_counter()
            self.run.predict(texts)
            found.append(time.perf_counter() - start)
        return found


class Pipeline:
    """What `transformers` offers for the same."""

    def open(self, folder: str) -> None:
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self.pipeline = transformers.pipeline(
            "text-classification", model=folder, device="cpu", top_k=None, truncation=True,
            max_length=LENGTH,
        )

    def seconds(self, requests: list[list[str]]) -> list[float]:
        found = []
        for texts in requests:
            start = time.perf_counter()
            self.pipeline(texts, batch_size=len(texts))
            found.append(time.perf_counter() - start)
        return found


if __name__ == "__main__":
    main()
