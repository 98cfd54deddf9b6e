"""Training a matrix of transfer, one run after the other, and going on where it stopped."""

import gc
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.grid_run import train_unless_finished
from tfglue.models.checkpoints import load_encoder
from tfglue.models.loaded_encoder import LoadedEncoder
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tfglue.training.loop import Diverged
from tfglue.transfer.embedder import TaskSettings, embed_task, embed_text, encoder_facts
from tfglue.transfer.embedding import MANIFEST, TaskEmbedding
from tfglue.transfer.estimators import ESTIMATORS, data_size
from tfglue.transfer.library import Library
from tfglue.transfer.matrix_plan import ALONE, Cell, MatrixPlan, pairs
from tfglue.transfer.matrix_scores import write_scores
from tfglue.transfer.recommendation import recommend
from tfglue.transfer.source_scores import check_labels, estimate, learning_curve
from tfglue.transfer.task_rows import rows_for_encoder, rows_of_run

SCORES = "scores.csv"
ESTIMATES = "estimates.json"

_ESTIMATES_VERSION = 2
"""Counts up with every change of what an estimator says, so that old and new are never mixed."""


class MatrixTraining:
    """All runs, embeddings and estimates of one matrix, in a folder.

    What is finished is never done again. Runs of targets keep no weights; those of sources and the
    embeddings of both stay.

    Args:
        plan: what is trained.
        folder: where.
        say: takes a line on every training.
    """

    def __init__(self, plan: MatrixPlan, folder: Path, say: Say):
        self.plan, self.folder, self.say = plan, Path(folder), say
        self._seconds: list[float] = []

    def run(self) -> None:
        """Does whatever is left to do."""
        self._embed_texts()
        total = len(self.plan.sources) + len(self.plan.cells)
        number = 0
        for source in self.plan.sources:
            number += 1
            self._train_needed(
                f"{number} of {total}: source {source}", self.folder / "sources" / source,
                self.plan.source_settings(source),
            )
            self._embed_run(source, "sources", self.folder / "sources" / source)
        rows = []
        for cell in self.plan.cells:
            number += 1
            rows.append(self._train_cell(cell, f"{number} of {total}", total - number))
            write_scores(rows, self.folder / SCORES)
        self._estimate()

    def predictions(self) -> dict[str, dict[str, dict[str, float]]]:
        """Method -> target -> source -> score, higher is better; see `evaluate_methods`."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        sources = {
            method: self._embeddings("sources", method, self.plan.sources)
            for method in ("text", "task")
        }
        for target in self.plan.targets:
            own = {
                method: [
                    *(one for one in members if one.name != target),
                    *self._embeddings("targets", method, [target]),
                ]
                for method, members in sources.items()
            }
            library = Library(self.folder / "embeddings", [*own["text"], *own["task"]])
            for center in (False, True):
                ranked = recommend(library, target, center=center)
                ending = ", centred" if center else ""
                for name, ranking in {
                    **ranked.methods, "text + task": ranked.fused, **ranked.components,
                }.items():
                    found.setdefault(f"{name}{ending}", {})[target] = dict(ranking)
            sizes = library.sizes()
            found.setdefault("data_size", {})[target] = {
                name: data_size(sizes[name]) for name in self.plan.sources if name != target
            }
        for method, targets in read_json(self.folder / ESTIMATES)["scores"].items():
            found[method] = targets
        return found

    def library(self) -> Library:
        """The embeddings of all sources, and of targets that are none."""
        members = [
            one for method in ("text", "task")
            for one in self._embeddings("sources", method, self.plan.sources)
        ]
        others = [name for name in self.plan.targets if name not in self.plan.sources]
        members += [
            one for method in ("text", "task")
            for one in self._embeddings("targets", method, others)
        ]
        return Library(self.folder / "embeddings", members)

    # The rest is one step each.

    def _embed_texts(self) -> None:
        wanted = [
            (role, name) for role, names in
            (("sources", self.plan.sources), ("targets", self.plan.targets)) for name in names
            if not self._embedded(role, "text", name)
        ]
        if not wanted:
            return
        loaded: LoadedEncoder = load_encoder(self.plan.config.encoder, self.plan.config.seed)
        self.say(f"encoder: {loaded.source}; {loaded.report}")
        facts = encoder_facts(self.plan.config.encoder, loaded.encoder)
        tokenizer = loaded.tokenizer()
        for role, name in wanted:
            given = self.plan.source_settings(name) if role == "sources" else {
                **self.plan.target_settings(name, self.plan.config.seed),
                "encoder": self.plan.config.encoder,
            }
            rows = rows_for_encoder(
                given, tokenizer, loaded.encoder.max_sequence_length, lambda line: None
            )
            if role == "targets":
                check_labels(rows)  # Here, not by the estimators after hours of training.
            embed_text(loaded.encoder, facts, rows, name, self._place(role, "text", name))
            self.say(f"embedded by text: {name} of {role}, {len(rows.features)} rows")

    def _train(self, what: str, folder: Path, settings: Mapping[str, Any]) -> None:
        if RunFolder(folder).is_finished():
            return
        self.say(f"training {what}")
        self._seconds.append(train_unless_finished(settings, folder))

    def _train_needed(self, what: str, folder: Path, settings: Mapping[str, Any]) -> None:
        """Trains what others begin with or are compared with, which cannot be done without."""
        try:
            self._train(what, folder, settings)
        except Diverged as error:
            raise UserError(
                f"{what}: {error}; nothing can be compared without it, so begin anew (--overwrite) "
                "with another learning rate in --recipe"
            ) from None

    def _train_cell(self, cell: Cell, what: str, left: int) -> dict[str, Any]:
        """Trains one target, and says what it scored."""
        folder = self.folder / cell.folder
        settings = self.plan.target_settings(cell.target, cell.seed)
        if cell.source == ALONE:
            settings["encoder"] = self.plan.config.encoder
        else:
            settings["init"] = str(self.folder / "sources" / cell.source)
        first = cell.seed == self.plan.config.seed
        through = "alone" if cell.source == ALONE else f"from {cell.source}"
        there = RunFolder(folder).is_finished()
        facts = {"target": cell.target, "source": cell.source, "seed": cell.seed}
        what = f"{what}: {cell.target} {through}, seed {cell.seed}"
        if cell.source == ALONE and first:
            self._train_needed(what, folder, settings)
            self._embed_run(cell.target, "targets", folder)
        else:
            try:
                self._train(what, folder, settings)
            except Diverged as error:
                self.say(f"  no score: {error}")
                metric = self.plan.declared[cell.target].main_metric
                return facts | {"metric": metric, "score": None}
        place = RunFolder(folder)
        metrics = place.metrics()
        metric = metrics["main"][cell.target]
        score = metrics[cell.target]["dev"][metric]
        if place.keeps_weights:
            place.drop_weights()
        if not there:
            minutes = left * statistics.fmean(self._seconds[-20:]) / 60 if self._seconds else 0
            self.say(f"  {metric} {score:.4f}; about {minutes:.0f} minutes left")
        return facts | {"metric": metric, "score": score}

    def _embed_run(self, name: str, role: str, folder: Path) -> None:
        if self._embedded(role, "task", name):
            return
        run = Run.open(folder)
        task = run.task(name)
        rows = rows_of_run(run, task, None)
        embed_task(run, task, rows, self._place(role, "task", name), TaskSettings())
        del run
        gc.collect()

    def _estimate(self) -> None:
        """Scores every source's model on every target's rows, and its learning curve."""
        path = self.folder / ESTIMATES
        known = read_json(path) if path.is_file() else {}
        if known.get("version") != _ESTIMATES_VERSION:
            known = {"version": _ESTIMATES_VERSION, "scores": {}, "done": []}
        for source in self.plan.sources:
            wanted = [t for s, t in pairs(self.plan) if s == source and [s, t] not in known["done"]]
            if not wanted:
                continue
            self.say(f"estimators of {source} on {', '.join(wanted)}")
            run = Run.open(self.folder / "sources" / source)
            curve = learning_curve(run, source)
            for target in wanted:
                given = {
                    **self.plan.target_settings(target, self.plan.config.seed),
                    "encoder": self.plan.config.encoder,
                }
                rows = rows_for_encoder(
                    given, run.tokenizer, run.encoder.max_sequence_length, lambda line: None, True
                )
                found = estimate(run, run.task(source), rows, list(ESTIMATORS))
                for method, score in {**found, "curve_gradient": curve}.items():
                    known["scores"].setdefault(method, {}).setdefault(target, {})[source] = score
                known["done"].append([source, target])
                write_json(path, known)
            del run
            gc.collect()

    def _place(self, role: str, method: str, name: str) -> Path:
        return self.folder / "embeddings" / role / method / name

    def _embedded(self, role: str, method: str, name: str) -> bool:
        return (self._place(role, method, name) / MANIFEST).is_file()

    def _embeddings(self, role: str, method: str, names: list[str]) -> list[TaskEmbedding]:
        return [TaskEmbedding.read(self._place(role, method, name)) for name in names]
