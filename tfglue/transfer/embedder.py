"""Embeddings of tasks, made and written with what is known of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tfglue.errors import UserError, suggestion
from tfglue.kinds import KINDS
from tfglue.manifest import versions
from tfglue.models.encoder import BertEncoder
from tfglue.models.loaded_encoder import weights_digest
from tfglue.models.weight_names import hugging_face_name
from tfglue.run import Run
from tfglue.tasks.task import Task
from tfglue.transfer.embedding import TaskEmbedding, write_embedding
from tfglue.transfer.fisher import GRANULARITIES, TaskFisher
from tfglue.transfer.fisher_batches import FINETUNE, FisherBatches
from tfglue.transfer.likelihood import FISHERS, read_likelihood
from tfglue.transfer.task_class import check_embeddable
from tfglue.transfer.task_rows import TaskRows
from tfglue.transfer.text_embedding import PER, text_embedding
from tfglue.transfer.weight_scores import scorable

Done = Callable[[int], None]


@dataclass(frozen=True)
class EncoderFacts:
    """Which encoder an embedding is of.

    Args:
        name: as ``--encoder`` or ``--run`` named it.
        digest: of the weights that tasks are embedded with (text), or that their runs began with.
    """

    name: str
    digest: str


@dataclass(frozen=True)
class TaskSettings:
    """How TaskEmb is computed; embeddings that differ in any of these cannot be compared.

    Args:
        granularity: one of `tfglue.transfer.fisher.GRANULARITIES`.
        fisher: one of `tfglue.transfer.likelihood.FISHERS`.
        draws: for every row, where labels are sampled.
        finetune: one of `tfglue.transfer.fisher_batches.FINETUNE`.
        epochs: passes over the rows.
        batch_size: changes speed alone, but for granularity ``batch`` and for fine-tuning.
        learning_rate: of fine-tuning.
        seed: of draws, and of the order of rows where it counts.
    """

    granularity: str = "example"
    fisher: str = "empirical"
    draws: int = 10
    finetune: str = "none"
    epochs: int = 1
    batch_size: int = 32
    learning_rate: float = 5e-5
    seed: int = 0

    def __post_init__(self):
        for name, value, choices in (
            ("granularity", self.granularity, GRANULARITIES),
            ("fisher", self.fisher, FISHERS),
            ("finetune", self.finetune, FINETUNE),
        ):
            if value not in choices:
                raise UserError(
                    f"--{name}: unknown value '{value}'{suggestion(value, choices)} (expected one "
                    f"of: {', '.join(choices)})"
                )
        for name, least in (("draws", 1), ("epochs", 1), ("batch_size", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise UserError(f"--{name}: must be at least {least}, not {getattr(self, name)}")
        if self.granularity == "batch" and self.fisher == "expected":
            raise UserError(
                "--fisher expected: sums over the answers to one row, and --granularity batch adds "
                "rows up before it squares; use --fisher sampled, or another granularity"
            )
        if not 0 < self.learning_rate < math.inf:
            raise UserError(f"--learning_rate: must be above 0, not {self.learning_rate}")

    def facts(self) -> dict[str, Any]:
        """What of the settings decides the result, for the manifest."""
        found = asdict(self)
        ordered = self.granularity == "batch" or self.finetune != "none"
        if self.fisher != "sampled":
            del found["draws"]
        if not ordered:
            del found["batch_size"], found["epochs"]
        if not ordered and self.fisher != "sampled":
            del found["seed"]
        if self.finetune == "none":
            del found["learning_rate"]
        return found


def embed_text(
    encoder: BertEncoder,
    facts: EncoderFacts,
    rows: TaskRows,
    name: str,
    folder: Path,
    per: str = "window",
    done: Done = lambda rows: None,
) -> TaskEmbedding:
    """Writes TextEmb of rows; see `tfglue.transfer.text_embedding.text_embedding`."""
    if per not in PER:
        raise UserError(f"--per: unknown value '{per}'{suggestion(per, PER)} ({', '.join(PER)})")
    vectors = text_embedding(encoder, rows.features, per, done)
    settings = {"per": per, "max_length": rows.config.max_length}
    return write_embedding(folder, name, vectors, {**_facts("text", facts, rows, settings)})


def embed_task(
    run: Run,
    task: Task,
    rows: TaskRows,
    folder: Path,
    settings: TaskSettings,
    weights: Sequence[str] = (),
    done: Done = lambda rows: None,
) -> TaskEmbedding:
    """Writes TaskEmb of a run; see `tfglue.transfer.fisher`.

    Args:
        run: fine-tuned on the task; fine-tuned further in memory where `settings` say so.
        task: one of its tasks.
        rows: that it was trained on.
        folder: where the embedding goes.
        settings: how it is computed.
        weights: patterns of published names of weights, such as ``encoder.layer.*.weight``.
        done: told the rows of every batch.

    Raises:
        UserError: a pattern fits no weight that can be scored, the task has too many answers, or
            see `check_embeddable`.
    """
    check_embeddable(task)
    kind = KINDS.get(task.kind)
    likelihood = read_likelihood(
        settings.fisher, kind, task.kind, run.model.heads[task.name].num_outputs, settings.draws,
        settings.seed,
    )
    names = _matching(weights, run, task, settings.granularity)
    fisher = TaskFisher(run.model, task.name, likelihood, settings.granularity, names.values())
    before = weights_digest(run.encoder.named_weights())
    batches = FisherBatches(run.model, task.name, kind, rows.features, settings)
    scores = fisher.scores(rows.features, batches.rows(), batches.train, done)
    ours = {own: published for published, own in names.items()}
    vectors = {
        # PyTorch holds kernels the other way round.
        ours.get(n, n): value.T if n in ours and n.endswith(".kernel") else value
        for n, value in scores.items()
    }
    manifest = run.folder.manifest()
    encoder = EncoderFacts(manifest["encoder"]["name"], manifest["encoder"]["digest"])
    facts = _facts("task", encoder, rows, settings.facts())
    facts |= {
        "run": str(run.folder.path), "weights_digest": before,
        "vanished": sorted(ours.get(name, name) for name in fisher.vanished),
    }
    return write_embedding(folder, task.name, vectors, facts)


def encoder_facts(name: str, encoder: BertEncoder) -> EncoderFacts:
    """Facts of an encoder as it is."""
    return EncoderFacts(name, weights_digest(encoder.named_weights()))


def _facts(method: str, encoder: EncoderFacts, rows: TaskRows, settings: Mapping[str, Any]):
    return {
        "method": method,
        "kind": None if rows.task is None else rows.task.kind,
        "encoder": asdict(encoder),
        "data": rows.facts(),
        "settings": dict(settings),
        "versions": versions(),
    }


def _matching(
    patterns: Sequence[str], run: Run, task: Task, granularity: str
) -> dict[str, str]:
    """Published name -> our name of the weights that any pattern fits."""
    if not patterns:
        return {}
    known = {
        published_name(own, task): own for own in scorable(run.model, task.name, granularity)
    }
    found = {}
    for pattern in patterns:
        fitting = [name for name in known if fnmatchcase(name, pattern)]
        if not fitting:
            raise UserError(
                f"--weights {pattern}: fits no weight that can be scored by {granularity}"
                f"{suggestion(pattern, known)}"
            )
        found |= {name: known[name] for name in fitting}
    return found


def published_name(own: str, task: Task) -> str:
    """The published name of a weight of ours: ``bert.`` is left out, heads are the task's."""
    if not own.startswith("heads."):
        return hugging_face_name(own)
    part = own.split(".", 2)[2]
    head = "qa_outputs" if task.kind == "span" else "classifier"
    parts = {"dense.kernel": f"{head}.weight", "dense.bias": f"{head}.bias"}
    return parts.get(part, f"{head}.{part}")

