"""A run: what training makes, and what evaluates, predicts and goes on from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from tfglue.adapters import EncoderShape, read_adapter
from tfglue.config import TrainConfig
from tfglue.data.examples import Examples
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.finished_run import FinishedRun, named_task
from tfglue.kinds import KINDS
from tfglue.kinds.kind import Calibration
from tfglue.models.encoder import BertEncoder
from tfglue.models.head_config import read_head
from tfglue.models.initialization import undrawn
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.predictions.predictions import Predictions
from tfglue.run_folder import RunFolder
from tfglue.tasks.task import Task
from tfglue.training.prediction import Predictor

Text = str | tuple[str, str]


class Run:
    """An opened run: tokenizer, model and tasks, ready to answer.

    Use `Run.train` or `Run.open`; the constructor takes parts that fit together.

    Args:
        folder: the run folder.
        tasks: task name -> declaration, labels in the order of their ids.
        tokenizer: the encoder's.
        model: encoder, and a head and perhaps an adapter for each task.
        configs: task name -> the settings it was trained with.
        calibration: task name -> what was tuned after training.
    """

    def __init__(
        self,
        folder: RunFolder,
        tasks: Mapping[str, Task],
        tokenizer: BertTokenizer,
        model: TransferModel,
        configs: Mapping[str, TrainConfig],
        calibration: Mapping[str, Calibration],
    ):
        self.folder = folder
        self.tasks = dict(tasks)
        self.tokenizer = tokenizer
        self.model = model
        self.configs = dict(configs)
        self.calibration = dict(calibration)
        self.weights_folder = folder.path

    @classmethod
    def train(
        cls, config: TrainConfig | Mapping[str, Any] | None = None, **settings: Any
    ) -> "Run":
        """Trains and returns the finished run; see `tfglue.experiment.train`.

        Example:
            run = Run.train(task="rte", data="glue", encoder="minilm", epochs=3)
        """
        # Training ends by making a Run; only this shorthand looks back at it.
        from tfglue.experiment import train

        if isinstance(config, TrainConfig):
            # Defaults are left to recipes; only what differs from them was asked for.
            unset = asdict(TrainConfig())
            config = {k: v for k, v in asdict(config).items() if v != unset[k]}
        return train({**(config or {}), **settings})

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Opens a finished run, or the weights of one epoch of it (``RUN@2``).

        ``RUN@rte`` opens what `--save best_by_task` kept for one task, which it answers alone.

        Raises:
            UserError: if the folder is no run, is not finished, or is damaged.
        """
        finished = FinishedRun.named(path)
        folder, manifest, tasks = finished.folder, finished.manifest, finished.tasks
        tokenizer = BertTokenizer.from_file(folder.tokenizer / "vocab.txt")
        if tokenizer.digest() != manifest["tokenizer"]["digest"]:
            raise UserError(
                f"{folder.tokenizer / 'vocab.txt'}: not the vocabulary that this run was trained "
                "with; restore the file"
            )
        with undrawn():
            encoder = BertEncoder(**manifest["encoder"]["config"])
        config = manifest["config"]
        heads = {name: own.head for name, own in finished.configs.items()}
        model = build_model(tasks, encoder, config.get("adapter") or "none", heads)
        folder.load_weights(model, finished.weights)
        run = cls(
            folder, tasks, tokenizer, model, finished.configs, folder.calibration(finished.which)
        )
        run.weights_folder = finished.weights
        return run

    @property
    def metrics(self) -> dict[str, Any]:
        """Content of ``metrics.json``."""
        return self.folder.metrics()

    @property
    def encoder(self) -> BertEncoder:
        """The fine-tuned encoder."""
        return self.model.encoder

    @cached_property
    def predictor(self) -> Predictor:
        """Runs the model over whole splits."""
        kinds = {name: KINDS.get(task.kind) for name, task in self.tasks.items()}
        return Predictor(self.model, kinds)

    def task(self, name: str | None = None) -> Task:
        """The named task, or the only one. Raises UserError if this run does not answer it."""
        return named_task(self.tasks, name, self.folder.path, "a run")

    def answer(self, task: Task, examples: Examples) -> Predictions:
        """Predictions for rows of a split; `task` may be one that another task's head answers."""
        head = self.task(task.name if task.name in self.tasks else task.predicted_by).name
        kind = KINDS.get(task.kind)
        features = kind.encode(task, examples, self.tokenizer, self.configs[head])
        outputs = self.predictor.outputs(head, features)
        calibration = self.calibration.get(head, {})
        return kind.predictions(task, examples, features, outputs, self.configs[head], calibration)

    def evaluate(self, task: Task, examples: Examples) -> dict[str, float]:
        """Metrics and mean loss over labelled rows.

        Raises:
            UserError: if the rows have no labels.
        """
        return self.answer(task, examples).score()

    def predict(self, texts: Sequence[Text], task: str | None = None) -> list[dict[str, Any]]:
        """Answers for texts or pairs of texts; see `Predictions.records`.

        Example:
            Run.open("saved_models/sst").predict(["a warm and funny film"])
        """
        if isinstance(texts, str):
            raise UserError("predict takes a list of texts; put the text into a list")
        declared = self.task(task)
        rows = [(text,) if isinstance(text, str) else tuple(text) for text in texts]
        for number, row in enumerate(rows, start=1):
            if len(row) != len(declared.text_fields):
                raise UserError(
                    f"text {number}: task {declared.name} reads {len(declared.text_fields)} "
                    f"texts ({', '.join(declared.text_fields)}), not {len(row)}"
                )
        examples = KINDS.get(declared.kind).typed(declared, rows, "texts")
        return self.answer(declared, examples).records()


def build_model(
    tasks: Mapping[str, Task],
    encoder: BertEncoder,
    adapter: str,
    head: str | Mapping[str, str],
    head_dropout: Mapping[str, float | None] | None = None,
    language_model: MaskedHead | None = None,
) -> TransferModel:
    """An encoder with a fresh head and adapter for every task.

    Args:
        tasks: task name -> declaration.
        encoder: shared by all; heads and adapters drop out as it does.
        adapter: as `read_adapter` reads it; ``none`` for no adapters.
        head: as `read_head` reads it; of all tasks, or by task name.
        head_dropout: task name -> dropout rate of its head, where that has one of its own.
        language_model: what is learned beside the tasks, if anything.
    """
    chosen = {name: read_head(head if isinstance(head, str) else head[name]) for name in tasks}
    rates = head_dropout or {}
    heads = {
        name: KINDS.get(task.kind).head(task, encoder, chosen[name], rates.get(name))
        for name, task in tasks.items()
    }
    config = read_adapter(adapter)
    shape = EncoderShape.of(encoder)
    adapters = {} if config is None else {name: config.build(shape) for name in tasks}
    return TransferModel(encoder, heads, adapters, language_model)
