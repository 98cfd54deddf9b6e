"""From a run to a version that can be served."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfglue.answering import source_for
from tfglue.data.examples import Examples
from tfglue.data.subset import first_examples
from tfglue.errors import UserError
from tfglue.files import atomic_folder, write_text
from tfglue.folder_lock import locked
from tfglue.manifest import versions
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.serving.card import export_card
from tfglue.serving.export_folder import EXTRA, ExportFolder, write_checksums
from tfglue.serving.exported import Export
from tfglue.serving.facts import ExportFacts
from tfglue.serving.forward import Forward
from tfglue.serving.fresh_process import WARMUP
from tfglue.serving.prediction_requests import write_requests
from tfglue.serving.saved_model import write_saved_model
from tfglue.serving.served_tasks import served_task
from tfglue.serving.server_config import models_config
from tfglue.serving.signatures import build_signatures, chosen_forms
from tfglue.serving.stored_weights import StoredWeights
from tfglue.serving.verification import EXAMPLES, Verification, verify
from tfglue.serving.warmup import example_inputs, warmup_requests


@dataclass(frozen=True)
class Exporter:
    """Writes one version of a run, all of it or nothing.

    Args:
        run: what is exported.
        name: the run as the user named it.
        folder: where its versions are.
        version: the number to write; None for the one after the newest.
        signatures: as `chosen_forms` reads it.
        weights: how they are stored, one of `tfglue.serving.WEIGHT_TYPES`.
        verify: whether the export must prove itself before it takes its place.
        data: where dev examples are read, as in training; None for the run's own data.
        dev_examples: so many are read at most; None for all.
        say: called with lines for people.
    """

    run: Run
    name: str
    folder: ExportFolder
    version: int | None = None
    signatures: str | None = None
    weights: str = "float32"
    verify: bool = True
    data: str | None = None
    dev_examples: int | None = None
    say: Callable[[str], None] = print

    def write(self) -> Path:
        """Writes the version and returns its folder.

        Raises:
            UserError: the version is there, the folder is not an export's, a signature or the dev
                examples cannot be had, or the export does not answer as the run does.
        """
        forms = chosen_forms(self.signatures, len(self.run.tasks))
        self.folder.free_version(self.version)
        examples = self._examples()
        try:
            with locked(self.folder.path):
                RunFolder(self.folder.path).remove_leftovers()
                return self._write(self.folder.free_version(self.version), forms, examples)
        finally:
            with suppress(OSError):  # It is not empty, unless this was to be the first version.
                self.folder.path.rmdir()

    def _write(
        self, number: int, forms: Sequence[str], examples: Mapping[str, Examples]
    ) -> Path:
        """Writes the version and what lies beside it."""
        with atomic_folder(self.folder.version(number)) as place:
            card = self._write_into(place, number, forms, examples)
        write_text(self.folder.models_config, models_config(self.folder.model))
        # The newest version is what a server serves, and what the README is true for.
        if number == self.folder.versions()[-1]:
            write_text(self.folder.readme, card)
        return self.folder.version(number)

    def _examples(self) -> dict[str, Examples]:
        """Dev examples of each task, as far as they are needed."""
        if not (self.verify or self.weights != "float32"):
            if self.data is not None or self.dev_examples is not None:
                raise UserError(
                    "--data and --dev_examples say what is verified or measured, and with "
                    "--no_verify and float32 weights nothing is; leave them out"
                )
            return {}
        found = {}
        for name, task in self.run.tasks.items():
            source = source_for(self.run, task, self.data, None)
            if "dev" not in source.splits():
                raise UserError(
                    f"{source.description}: no dev split of {name} to verify with; name other data "
                    "with --data, or add --no_verify"
                )
            examples = source.read("dev")
            if self.dev_examples is not None:
                examples = first_examples(examples, self.dev_examples)
            found[name] = examples
            self.say(f"data of {name}: {source.description}, {len(examples)} dev examples")
        return found

    def _write_into(
        self, place: Path, number: int, forms: Sequence[str], examples: Mapping[str, Examples]
    ) -> str:
        """Writes all files of a version; returns its card."""
        run = self.run
        tasks = {
            name: served_task(task, run.configs[name], run.calibration.get(name, {}))
            for name, task in run.tasks.items()
        }
        weights = StoredWeights(run.model, self.weights)
        signatures = build_signatures(tasks, run.tokenizer, Forward(weights), forms)
        written = write_saved_model(place, signatures)
        encoder = run.folder.manifest()["encoder"]
        final = run.weights_folder == run.folder.path
        facts = ExportFacts(
            model=self.folder.model, version=number, run=self.name, weights=self.weights,
            parameters=sum(int(np.prod(w.shape)) for w in run.model.named_weights().values()),
            bytes=weights.size,
            encoder={"name": encoder["name"], "digest": encoder["digest"]},
            versions=versions(), tasks=tasks, signatures=written,
            metrics={n: run.metrics[n] for n in tasks if final and n in run.metrics},
        )
        for name, task in run.tasks.items():
            if task.labels:
                write_text(place / EXTRA / "labels" / f"{name}.txt",
                           "".join(f"{label}\n" for label in task.labels))
        write_requests(
            place / WARMUP, facts.model, warmup_requests(signatures, tasks, run.tokenizer)
        )
        if examples and self.weights != "float32":
            facts = replace(facts, measured=self._measured(place, facts, examples))
        facts.write(place)
        verified = self._verified(place, facts, examples) if self.verify else ""
        example = example_inputs(signatures[0], tasks, run.tokenizer, batch=2, words=8)
        card = export_card(facts, signatures[0].name, example, str(verified))
        write_text(place / EXTRA / "README.md", card)
        write_checksums(place)
        return card

    def _measured(
        self, place: Path, facts: ExportFacts, examples: Mapping[str, Examples]
    ) -> dict[str, dict[str, float]]:
        """Main metrics of the run and of its smaller weights, on the same examples."""
        opened, found = Export(place, facts), {}
        for name, task in self.run.tasks.items():
            metric = task.main_metric
            before, after = (
                float(answering.answer(task, examples[name]).metrics()[metric])
                for answering in (self.run, opened)
            )
            found[name] = {"rows": len(examples[name]), "float32": before, "stored": after}
            self.say(
                f"{name} dev ({len(examples[name])} examples): {metric} {before:.4f} in float32, "
                f"{after:.4f} in {self.weights}"
            )
        return found

    def _verified(
        self, place: Path, facts: ExportFacts, examples: Mapping[str, Examples]
    ) -> Verification:
        few = {
            name: own.take(np.arange(min(EXAMPLES, len(own)))) for name, own in examples.items()
        }
        found = verify(
            place, facts, few, lambda task, own: self.run.answer(self.run.tasks[task], own)
        )
        self.say(f"verified: {found}")
        return found
