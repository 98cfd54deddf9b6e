"""Dev scores of tagging and question answering over seeds, and PyTorch's beside them.

    python benchmarks/spans_and_tags.py --encoder FOLDER --data DATA_FOLDER

Settings of the transferability code where a small machine allows: tags 5e-5, batch 32, length 128;
questions batch 12, length 384, stride 128, and, for want of updates, 1e-4 instead of 3e-5; last
weights. Both sides get the same rows,
batches, learning rates and loss; answers of both are read off the logits by the same code. Every
finished run is noted in ``--results`` and not repeated.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from tfglue.command_line import quiet_tensorflow
from tfglue.files import write_json

_TAGS = dict(max_length=128, batch_size=32, learning_rate=5e-5, epochs=3)
_QUESTIONS = dict(max_length=384, batch_size=12, learning_rate=1e-4, epochs=2)
RUNS = {
    "ner": dict(task="ner", **_TAGS),
    "chunk": dict(task="chunk", **_TAGS),
    "pos": dict(task="pos", **_TAGS),
    "squad2": dict(task="squad2", **_QUESTIONS),
    "squad2, threshold 0": dict(task="squad2", null_score_diff_threshold="0", **_QUESTIONS),
    "squad2, balanced": dict(task="squad2", balance=True, **_QUESTIONS),
    "squad2_answerable": dict(task="squad2_answerable", **_QUESTIONS),
    "squad2_answerable, balanced": dict(task="squad2_answerable", balance=True, **_QUESTIONS),
}
REFERENCES = ("ner", "squad2")
DECAY, EPSILON, CLIP = 0.01, 1e-6, 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--runs", default=",,".join(RUNS), help="names, separated by two commas")
    parser.add_argument("--references", default=",,".join(REFERENCES), help="likewise")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train_examples", type=int, help="of each task [all]")
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--output", type=Path, default=Path("saved_models/spans_and_tags"))
    parser.add_argument("--results", type=Path, default=Path("docs/results/spans_and_tags.json"))
    flags = parser.parse_args()
    quiet_tensorflow()
    for seed in range(1, flags.seeds + 1):
        for side, names in (("tfglue", flags.runs), ("pytorch", flags.references)):
            for name in filter(None, names.split(",,")):
                once(side, name, seed, flags)


def once(side: str, name: str, seed: int, flags) -> None:
    """One run of one side, unless it is noted already."""
    rows = json.loads(flags.results.read_text()) if flags.results.exists() else []
    key = {"side": side, "run": name, "seed": seed, "train_examples": flags.train_examples}
    if any(all(row[k] == v for k, v in key.items()) for row in rows):
        return
    settings = RUNS[name] | dict(
        data=flags.data, encoder=flags.encoder, precision=flags.precision, seed=seed, save="last",
        train_examples=flags.train_examples, evaluate_every="1000000",
        output=str(flags.output / f"{name.replace(', ', '-').replace(' ', '_')}-{seed}"),
    )
    start = time.perf_counter()
    scores = (ours if side == "tfglue" else theirs)(settings)
    rows.append(key | {"seconds": time.perf_counter() - start, "dev": scores})
    write_json(flags.results, rows)
    same = [r["dev"] for r in rows if (r["side"], r["run"]) == (side, name)]
    for metric in list(scores)[:2]:
        values = [row[metric] for row in same]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{side} {name} {metric}: {statistics.mean(values):.4f} +- {spread:.4f} "
              f"({len(values)} seeds)", flush=True)


def ours(settings: dict) -> dict:
    from tfglue.run import Run

    known = (Path(settings["output"]) / "run.yaml").exists()
    run = Run.train(settings, resume=known)
    return run.metrics[settings["task"]]["dev"]


def theirs(settings: dict) -> dict:
    """The same training in PyTorch with `transformers`; answers by our code from their logits."""
    import torch

    from tfglue.preparation import prepare
    from tfglue.run_folder import RunFolder
    from tfglue.trainer import Training

    prepared = prepare({k: v for k, v in settings.items() if v is not None}, lambda line: None)
    training = Training(prepared, RunFolder("unused"), None, [], lambda line: None)
    loop = training.build_loop()
    torch.manual_seed(settings["seed"])
    reference = Reference(settings["encoder"], prepared.tasks[settings["task"]].task)
    stream = loop.batches.updates()
    bfloat16 = settings["precision"] == "mixed_bfloat16"
    for update in range(training.total_updates):
        reference.update(next(stream).batches[0], float(loop.schedule(update)), bfloat16)
    training.evaluation.predictor = reference
    answers = training.evaluation.answers(training.evaluation.calibration())
    return answers[settings["task"]]["dev"].score()


class Reference:
    """A model of `transformers` with dropout, AdamW and clipping of PyTorch."""

    def __init__(self, encoder: str, task):
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        if task.kind == "span":
            made = transformers.BertForQuestionAnswering.from_pretrained(encoder)
        else:
            made = transformers.BertForTokenClassification.from_pretrained(
                encoder, num_labels=len(task.labels)
            )
        self.span, self.model, self.torch = task.kind == "span", made.train(), torch
        named = list(made.named_parameters())
        plain = [p for n, p in named if n.endswith("bias") or "LayerNorm" in n]
        decayed = [p for n, p in named if not (n.endswith("bias") or "LayerNorm" in n)]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}],
            eps=EPSILON,
        )

    def update(self, batch, rate: float, bfloat16: bool) -> None:
        """One update at the given rate."""
        torch = self.torch
        inputs = self._inputs(batch)
        labels = torch.tensor(np.asarray(batch["labels"])).long()
        if self.span:
            inputs |= {"start_positions": labels[:, 0], "end_positions": labels[:, 1]}
        else:
            inputs["labels"] = torch.where(labels < 0, -100, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            loss = self.model(**inputs).loss
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def outputs(self, task: str, features):
        """What `tfglue.training.prediction.Predictor.outputs` gives, but for the losses."""
        from tfglue.data.batches import batches_by_length, padded_batch
        from tfglue.predictions.predictions import Outputs

        self.model.eval()
        count = 2 if self.span else self.model.config.num_labels
        logits = np.empty((len(features.token_ids), count), np.float32)
        with self.torch.no_grad():
            for rows in batches_by_length(features, 64):
                found = self.model(**self._inputs(padded_batch(features, rows)))
                values = (
                    self.torch.stack([found.start_logits, found.end_logits], -1)
                    if self.span else found.logits
                ).numpy()
                for row, value in zip(rows, values, strict=True):
                    begin, end = features.row_splits[row : row + 2]
                    logits[begin:end] = value[: end - begin]
        return Outputs(logits, np.zeros(len(features), np.float32))

    def _inputs(self, batch) -> dict:
        names = {"input_ids": "token_ids", "token_type_ids": "segment_ids",
                 "attention_mask": "padding_mask"}
        return {theirs: self.torch.tensor(np.asarray(batch[mine])).long()
                for theirs, mine in names.items()}


if __name__ == "__main__":
    main()
