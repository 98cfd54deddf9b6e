"""What a run will cost, said before it is spent: parameters, updates, disk."""

import math
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.form import check_form

if TYPE_CHECKING:
    from tfglue.models.transfer_model import TransferModel

ENCODER_PARTS = ("embeddings", "layers", "pooler")
BESIDE = "language_model"
# Weights, two optimizer slots and the best weights.
_SETS_OF_CHECKPOINT = 4
# Two, and the one being written.
_CHECKPOINTS = 3
_BYTES = 4
_FORM = {"parts": {str: int}, "trained_parts": {str: int}}


@dataclass(frozen=True)
class Budget:
    """Parameters of a model by part, and how many of each are trained.

    Args:
        parts: ``embeddings``, ``layers``, ``pooler``, and for every task ``adapters.<task>`` (where
            it has one) and ``heads.<task>`` -> parameters; ``language_model``, where one is learned
            beside the tasks.
        trained_parts: the same names -> how many of them are trained; what is frozen is left out.
    """

    parts: Mapping[str, int]
    trained_parts: Mapping[str, int]

    @classmethod
    def of(cls, model: "TransferModel") -> "Budget":
        """Counts a model's weights."""
        parts = dict.fromkeys(ENCODER_PARTS, 0)
        trained: dict[str, int] = {}
        trained_names = model.trained_weights().keys()
        for name, weight in model.named_weights().items():
            owner, part = name.split(".")[:2]
            part = {"encoder": part, BESIDE: BESIDE}.get(owner, f"{owner}.{part}")
            parts[part] = parts.get(part, 0) + math.prod(weight.shape)
            if name in trained_names:
                trained[part] = trained.get(part, 0) + math.prod(weight.shape)
        return cls(parts, trained)

    @classmethod
    def stored(cls, manifest: Mapping[str, Any], where: Path) -> "Budget":
        """What ``run.yaml`` says under ``parameters``. Raises UserError that names it."""
        check_form(manifest.get("parameters"), _FORM, f"{where}: parameters")
        content = manifest["parameters"]
        return cls(content["parts"], content["trained_parts"])

    def to_dict(self) -> dict[str, Any]:
        """What ``run.yaml`` holds: counts by part, and what follows from them."""
        return {
            "total": self.total,
            "trained": self.trained,
            "trained_share": round(self.trained / self.total, 6),
            "times_one_model": round(self.times_one_model, 6),
            "separate_models": self.separate,
            "parts": dict(self.parts),
            "trained_parts": dict(self.trained_parts),
        }

    @property
    def total(self) -> int:
        """All parameters."""
        return sum(self.parts.values())

    @property
    def trained(self) -> int:
        """Those that are trained."""
        return sum(self.trained_parts.values())

    @property
    def tasks(self) -> list[str]:
        """Tasks that have a head."""
        return [name.removeprefix("heads.") for name in self.parts if name.startswith("heads.")]

    @property
    def separate(self) -> int:
        """Parameters of one model for each task instead: an encoder with a head, without adapters.
        """
        heads = sum(self.parts[f"heads.{task}"] for task in self.tasks)
        return len(self.tasks) * sum(self.parts[name] for name in ENCODER_PARTS) + heads

    @property
    def times_one_model(self) -> float:
        """How many times as large it is as one such separate model, heads averaged over tasks.

        Stickland and Murray (2019, table 1) say as much as "params": 1.13 for eight PALs. They
        count no heads, which are a ten-thousandth.
        """
        return self.total * len(self.tasks) / self.separate

    def of_task(self, task: str) -> int:
        """Parameters that a task has of its own."""
        return sum(self.parts.get(f"{kind}.{task}", 0) for kind in ("adapters", "heads"))

    def with_parts(self, parts: Mapping[str, int]) -> "Budget":
        """This budget and parts of a further task, all of them trained."""
        return Budget({**self.parts, **parts}, {**self.trained_parts, **parts})

    def without_task(self, task: str) -> "Budget":
        """This budget without a task's own parts."""
        return Budget(
            *(
                {name: count for name, count in counts.items() if name.partition(".")[2] != task}
                for counts in (self.parts, self.trained_parts)
            )
        )

    def lines(self) -> list[str]:
        """A table of a line for every kind of part, however many tasks there are."""
        found = [
            f"parameters: {self.total:,}; trained: {self.trained:,} "
            f"({self.trained / self.total:.1%})"
        ]
        for name in (*ENCODER_PARTS, "adapters", "heads", BESIDE):
            own = self._kind(name)
            if own:
                count = sum(own.values())
                trained = sum(self.trained_parts.get(part, 0) for part in own)
                how = {0: "frozen", count: "trained"}.get(trained, f"{trained:,} trained")
                by_task = "" if name in ENCODER_PARTS or len(own) == 1 else f": {_by_task(own)}"
                shown = name.replace("_", " ")
                found.append(f"  {shown:<10} {count:>13,}  {how}{by_task}")
        if len(self.tasks) > 1 or self._kind("adapters"):
            found.append(f"  {self.comparison}")
        return found

    @property
    def comparison(self) -> str:
        """The whole beside models without adapters, in words."""
        text = f"in all {self.times_one_model:.3f} x one such encoder with one head"
        if len(self.tasks) > 1:
            text += (
                f"; {len(self.tasks)} models of their own would be "
                f"{self.separate / self.total:.2f} x this"
            )
        return text

    def table(self) -> list[str]:
        """Markdown, a row for every part."""
        rows = [
            "| part | parameters | share | trained | MB |", "|---|---|---|---|---|",
        ]
        for name, count in self.parts.items():
            kind, _, task = name.partition(".")
            shown = f"{kind.removesuffix('s')} of {task}" if task else f"encoder: {name}"
            shown = BESIDE.replace("_", " ") if name == BESIDE else shown
            trained = self.trained_parts.get(name, 0)
            rows.append(
                f"| {shown} | {count:,} | {count / self.total:.2%} | {trained:,} | "
                f"{_BYTES * count / 1e6:.2f} |"
            )
        rows.append(
            f"| all | {self.total:,} | 100.00% | {self.trained:,} | "
            f"{_BYTES * self.total / 1e6:.2f} |"
        )
        return rows

    def check_disk(self, output: Path, kept_epochs: int, averaged: bool) -> str:
        """One line on the disk a run takes. Raises UserError if there is not room for it."""
        line = disk_line(output, *self.bytes_of_run(kept_epochs, averaged))
        if self._kind("adapters"):
            largest = max(self.of_task(task) for task in self.tasks)
            line += f"; a task's own part {_BYTES * largest / 1e6:.2f} MB"
        return line

    def bytes_of_run(self, kept_epochs: int, averaged: bool) -> tuple[int, int]:
        """Bytes of a run's weights when it is finished, and the most while it trains.

        Args:
            kept_epochs: sets of weights that are kept beside the last.
            averaged: whether a moving average of the weights is kept while it trains.
        """
        finished = _BYTES * self.total * (1 + kept_epochs)
        copies = _CHECKPOINTS * (_SETS_OF_CHECKPOINT + averaged)
        return finished, finished + _BYTES * copies * self.trained

    def _kind(self, kind: str) -> dict[str, int]:
        return {
            name: count for name, count in self.parts.items()
            if name == kind or name.startswith(f"{kind}.")
        }


def disk_line(output: Path, finished: int, needed: int, noun: str = "the run") -> str:
    """One line on bytes of weights, in the end and at most. Raises UserError without room."""
    existing = next(path for path in (output, *output.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise UserError(
            f"--output {output}: {noun} takes up to {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free; make room or name a folder on another disk"
        )
    return (
        f"disk: {finished / 1e6:.0f} MB when finished, up to {needed / 1e6:.0f} MB "
        f"while training ({free / 1e9:.0f} GB free)"
    )


def updates_line(
    updates_per_epoch: int, total_updates: int, config: TrainConfig, batch_sizes: Iterable[int]
) -> str:
    """One line on what training does; `batch_sizes` are those of the tasks."""
    times = f" x {config.accumulate}" if config.accumulate > 1 else ""
    if config.batch_tokens is not None:
        update = f"rows of up to {config.batch_tokens} tokens{times}"
    else:
        update = f"{' or '.join(map(str, sorted(set(batch_sizes))))}{times} rows"
    return (
        f"updates: {total_updates} of {update}, {updates_per_epoch} an epoch; "
        f"{config.optimizer}, peak rate {config.learning_rate:g}, {config.precision}"
    )


def _by_task(parts: Mapping[str, int]) -> str:
    """``3 x 1,538, mnli 2,307``: tasks of one size together."""
    sized = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
    words = []
    for count, group in groupby(sized, key=lambda item: item[1]):
        names = [name.partition(".")[2] for name, _ in group]
        words.append(f"{names[0] if len(names) == 1 else f'{len(names)} x'} {count:,}")
    return ", ".join(words)
