"""Training speed beside PyTorch with `transformers`: same rows, token ids, batches and model.

    python benchmarks/finetune.py --encoder FOLDER --data GLUE_FOLDER --tasks sst,rte \\
        --output docs/results/finetune.json

Each side lives in a process of its own, and the two take turns: in every round, every mode is
measured on one side and then on the other (who is first alternates), so that both see the same
machine. Compilation and first use of a shape come before the rounds. Needs the extra ``reference``.

Modes: ``fixed`` pads every row to 128, ``dynamic`` pads random batches to their longest row,
``grouped`` is tfglue's plan of rows of like length; each in float32 and in bfloat16 (ours:
``mixed_bfloat16``; theirs: autocast). Both train with dropout, clipping, AdamW and a linear
schedule. A mode's batches are a sample of an epoch with the epoch's spread of lengths. Our times
include the input pipeline; theirs do not: their batches lie ready in memory as tensors.

The profile of our step (``step_profile.py``) comes with it.
"""

import argparse
import importlib.metadata
import multiprocessing
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

LENGTH, BATCH, RATE, WARMUP, DECAY, EPSILON, CLIP, EPOCHS = 128, 32, 5e-5, 0.1, 0.01, 1e-6, 1.0, 3
BATCHING = {"fixed": "plain", "dynamic": "plain", "grouped": "grouped"}
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
MODES = [(batching, precision) for batching in BATCHING for precision in PRECISIONS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True, help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="folder in the layout of the GLUE download")
    parser.add_argument("--tasks", default="sst,rte")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=16384, help="padded tokens a mode a round")
    parser.add_argument("--output", type=Path, default=Path("docs/results/finetune.json"))
    flags = parser.parse_args()
    ours, theirs = Side(Ours), Side(Theirs)
    report = {
        "encoder": Path(flags.encoder).name,
        "settings": {"batch_size": BATCH, "fixed_length": LENGTH, "tokens_per_round": flags.tokens},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("tensorflow", "keras", "torch", "transformers")
        },
        "cpus": os.cpu_count(),
        "cpu": cpu_name(),
        "tasks": {},
    }
    for task in flags.tasks.split(","):
        load = os.getloadavg()[0]
        batches = ours("prepare", task, flags.data, flags.encoder, flags.tokens)
        facts = theirs("prepare", flags.encoder, batches)
        for side in (ours, theirs):
            for batching, precision in MODES:
                side("warm_up", batching, precision)
        rounds = [one_round(ours, theirs, number) for number in range(flags.rounds)]
        result = report["tasks"][task] = {
            "load_average_before": load,
            "pytorch": facts,
            "modes": {
                f"{batching} {precision}": summary(batching, precision, rounds, batches[batching])
                for batching, precision in MODES
            },
            "grouped_bfloat16_over_their_fixed_float32": spread(
                [r["grouped", "bfloat16"][0] / r["fixed", "float32"][1] for r in rounds]
            ),
            "profile": ours("profile"),
        }
        print_result(task, result)
        write_json(flags.output, report)
    ours.end()
    theirs.end()


def cpu_name() -> str:
    """The processor's model and its matrix units, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    units = [flag for flag in facts.get("flags", "").split() if flag in ("avx512_bf16", "amx_bf16")]
    return " ".join([facts.get("model name", "unknown"), *units])


def one_round(ours: "Side", theirs: "Side", number: int) -> dict[tuple, tuple[float, float]]:
    """Examples/s of (ours, theirs) by mode."""
    rates = {}
    for index, mode in enumerate(MODES):
        if (number + index) % 2:
            their_rate, our_rate = theirs("rate", *mode), ours("rate", *mode)
        else:
            our_rate, their_rate = ours("rate", *mode), theirs("rate", *mode)
        rates[mode] = our_rate, their_rate
    return rates


def spread(values: list[float]) -> dict:
    return {
        "min": min(values), "median": statistics.median(values), "max": max(values),
        "rounds": values,
    }


def summary(batching: str, precision: str, rounds: list[dict], batches: list[dict]) -> dict:
    pairs = [rates[batching, precision] for rates in rounds]
    return {
        "batches_per_round": len(batches),
        "padded_length": float(np.mean([batch["token_ids"].shape[1] for batch in batches])),
        "tfglue": spread([ours for ours, _ in pairs]),
        "pytorch": spread([theirs for _, theirs in pairs]),
        "ratio": spread([ours / theirs for ours, theirs in pairs]),
    }


def print_result(task: str, result: dict) -> None:
    print(f"\n{task}, examples/s: median (min to max)")
    print(f"{'mode':18} {'tokens':>6}  {'tfglue':>24}  {'pytorch':>24}  {'ratio':>20}")
    for mode, row in result["modes"].items():
        cells = [
            f"{row[side]['median']:.1f} ({row[side]['min']:.1f} to {row[side]['max']:.1f})"
            for side in ("tfglue", "pytorch")
        ]
        ratio = "{median:.2f} ({min:.2f} to {max:.2f})".format(**row["ratio"])
        print(f"{mode:18} {row['padded_length']:6.1f}  {cells[0]:>24}  {cells[1]:>24}  {ratio:>20}")
    across = result["grouped_bfloat16_over_their_fixed_float32"]
    print("grouped bfloat16 over their fixed float32: "
          "{median:.1f} ({min:.1f} to {max:.1f})".format(**across))
    print("\nour step, grouped, milliseconds")
    print(f"{'':9} {'length':>6} {'forward':>8} {'backward':>8} {'update':>7} {'step':>7} "
          f"{'input':>6} {'GFLOP':>6} {'GFLOP/s':>8} {'roof':>6} {'share':>6}")
    for row in result["profile"]:
        print(f"{row['precision']:9} {row['length']:6d} {row['forward']:8.1f} "
              f"{row['backward']:8.1f} {row['update']:7.1f} {row['step']:7.1f} "
              f"{row['input']:6.2f} {row['gflop']:6.1f} {row['gflop_per_second']:8.0f} "
              f"{row['roof']:6.0f} {row['share']:6.0%}", flush=True)


class Side:
    """One side in a process of its own, called by name of a method; it sleeps between calls."""

    def __init__(self, kind: type):
        context = multiprocessing.get_context("spawn")
        self._pipe, remote = context.Pipe()
        self._process = context.Process(target=_serve, args=(remote, kind), daemon=True)
        self._process.start()

    def __call__(self, method: str, *arguments):
        self._pipe.send((method, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe, kind: type) -> None:
    side = kind()
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(getattr(side, method)(*arguments))
        except Exception as error:
            pipe.send(error)
            raise


class Ours:
    """tfglue, through the objects that `tfglue.trainer.train` trains with."""

    def __init__(self):
        quiet_tensorflow()

    def prepare(self, task: str, data: str, encoder: str, tokens: int) -> dict[str, list[dict]]:
        """Makes loops and batches of a task; returns the padded batches of every batching."""
        from tfglue.preparation import prepare
        from tfglue.run_folder import RunFolder
        from tfglue.trainer import Training

        self.updates, self.task = 0, task
        self.loops, self.rows = {}, {}
        for name, policy in PRECISIONS.items():
            prepared = prepare(
                dict(task=task, data=data, encoder=encoder, max_length=LENGTH, batch_size=BATCH,
                     learning_rate=RATE, warmup=WARMUP, weight_decay=DECAY, epsilon=EPSILON,
                     clip_norm=CLIP, epochs=EPOCHS, precision=policy, seed=1),
                lambda line: None,
            )
            self.loops[name] = Training(
                prepared, RunFolder("unused"), None, [], print
            ).build_loop()
        self.features = prepared.tasks[task].features["train"]
        for batching in BATCHING:
            self.rows[batching] = self._sample(batching, tokens)
        return {
            batching: [
                {name: value.numpy() for name, value in batch.items()}
                for batch in self._batches(batching)
            ]
            for batching in BATCHING
        }

    def _sample(self, batching: str, tokens: int) -> list[np.ndarray]:
        """Batches of the first epoch, evenly spaced by padded length, about `tokens` in all."""
        from tfglue.data.batch_plan import BatchPlan

        lengths = self.features.lengths
        plan = BatchPlan(lengths, BATCH, 1, seed=1, task=self.task, batching=BATCHING[batching])
        epoch = [rows for (rows,) in plan.epoch(0) if len(rows) == BATCH]
        padded = [LENGTH if batching == "fixed" else lengths[rows].max() for rows in epoch]
        count = min(len(epoch), max(3, round(tokens / (BATCH * np.mean(padded)))))
        middles = ((np.arange(count) + 0.5) * len(epoch) / count).astype(int)
        chosen = np.argsort(padded, kind="stable")[middles]
        return [epoch[index] for index in np.random.default_rng(1).permutation(chosen)]

    def _batches(self, batching: str):
        from tfglue.data.batches import NO_PADDING, Padding, padded_batch

        padding = Padding(lengths=(LENGTH,)) if batching == "fixed" else NO_PADDING
        return (padded_batch(self.features, rows, padding) for rows in self.rows[batching])

    def _update(self, precision: str, batch):
        from tfglue.training.seeds import dropout_seed

        self.updates += 1
        seed = dropout_seed(1, self.updates, 0)
        return self.loops[precision].step(self.task, [batch], BATCH, [seed])

    def warm_up(self, batching: str, precision: str) -> None:
        """One update of every shape."""
        shapes = set()
        for batch in self._batches(batching):
            if batch["token_ids"].shape not in shapes:
                shapes.add(batch["token_ids"].shape)
                self._update(precision, batch)

    def rate(self, batching: str, precision: str) -> float:
        """Examples/s over all batches of the sample, input included."""
        batches = self._batches(batching)
        start = time.perf_counter()
        losses = [self._update(precision, batch) for batch in batches]
        float(losses[-1])
        return len(losses) * BATCH / (time.perf_counter() - start)

    def profile(self) -> list[dict]:
        """Where a grouped step of middling length goes, by precision."""
        from step_profile import profile_step

        lengths = [self.features.lengths[rows].max() for rows in self.rows["grouped"]]
        middle = self.rows["grouped"][np.argsort(lengths)[len(lengths) // 2]]
        return [
            {"precision": precision} | profile_step(loop, self.task, self.features, middle)
            for precision, loop in self.loops.items()
        ]


class Theirs:
    """PyTorch and `transformers`: the plain step, with whichever AdamW is the fastest here."""

    def prepare(self, encoder: str, batches: dict[str, list[dict]]) -> dict:
        """Makes the model, takes the batches; returns what was chosen."""
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        labels = np.concatenate([batch["labels"] for batch in batches["dynamic"]])
        self.model = transformers.BertForSequenceClassification.from_pretrained(
            encoder, num_labels=1 if labels.dtype == np.float32 else max(2, int(labels.max()) + 1)
        ).train()
        names = {"input_ids": "token_ids", "token_type_ids": "segment_ids",
                 "attention_mask": "padding_mask", "labels": "labels"}
        self.batches = {
            batching: [
                {theirs: torch.from_numpy(batch[ours]) for theirs, ours in names.items()}
                for batch in group
            ]
            for batching, group in batches.items()
        }
        for batch in (b for group in self.batches.values() for b in group):
            for name, value in batch.items():
                if value.dtype == torch.int32:
                    batch[name] = value.long()
        seconds = {kind: self._time_optimizer(kind) for kind in ("foreach", "fused")}
        self._set_optimizer(min(seconds, key=seconds.get))
        return {
            "attention": self.model.config._attn_implementation,
            "threads": torch.get_num_threads(),
            "adamw_milliseconds": {kind: 1000 * value for kind, value in seconds.items()},
        }

    def _set_optimizer(self, kind: str) -> None:
        import torch
        import transformers

        named = list(self.model.named_parameters())
        plain = [p for n, p in named if n.endswith("bias") or "LayerNorm" in n]
        decayed = [p for n, p in named if not (n.endswith("bias") or "LayerNorm" in n)]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}],
            lr=RATE, eps=EPSILON, **{kind: True},
        )
        self.schedule = transformers.get_linear_schedule_with_warmup(self.optimizer, 600, 6000)

    def _time_optimizer(self, kind: str) -> float:
        self._set_optimizer(kind)
        self._update("float32", self.batches["grouped"][0])
        self.model(**self.batches["grouped"][0]).loss.backward()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            self.optimizer.step()
            times.append(time.perf_counter() - start)
        return min(times)

    def _update(self, precision: str, batch) -> float:
        import torch

        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = self.model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def warm_up(self, batching: str, precision: str) -> None:
        """One update of every shape."""
        first = {batch["input_ids"].shape: batch for batch in self.batches[batching]}
        for batch in first.values():
            self._update(precision, batch)

    def rate(self, batching: str, precision: str) -> float:
        """Examples/s over all batches of the sample."""
        start = time.perf_counter()
        losses = [self._update(precision, batch) for batch in self.batches[batching]]
        float(losses[-1])
        return len(losses) * BATCH / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
