"""From settings to what training needs: tasks, rows, tokenizer, encoder and packed features."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.activations.store import ActivationStore, check_head, read_manifest
from tfglue.adapters import read_adapter
from tfglue.config import OF_EACH_TASK, TrainConfig
from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.data.held_out import TUNING_SPLIT, split_held_out
from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.masking import Masking
from tfglue.data.sources import Source
from tfglue.data.subset import first_examples, subset, subset_size
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.initial_run import InitialRun, init_line
from tfglue.kinds import KINDS, Kind
from tfglue.models.checkpoints import LoadedEncoder, load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.models.head_config import read_head
from tfglue.models.layer_selection import with_layers
from tfglue.resolution import resolve, settings_in_use, task_config
from tfglue.task_choice import Say, choose_tasks
from tfglue.tasks.language_model import KIND as LANGUAGE_MODEL
from tfglue.tasks.task import Task
from tfglue.training.freezing import freeze
from tfglue.training.smart_config import read_smart

LOWER_CASE = {"auto": None, "true": True, "false": False}
"""What a tokenizer is asked for by the values of ``--lower_case``."""

_DEMONSTRATION = (
    "This is the built-in demonstration: a tiny encoder with random weights on built-in "
    "sentences. The real thing: "
    "python -m tfglue.train --task {task} --encoder bert_base_en_uncased --data tfds"
)


@dataclass(frozen=True)
class PreparedTask:
    """One task of a run.

    Args:
        task: what is trained.
        config: the settings of the run, those that differ by task as they are for this one.
        examples: split name -> rows; ``train`` and the dev splits.
        features: the same, tokenized and packed.
        train_rows: which rows of the source the run trains on, in order; None for all of them.
        whole_train: all rows of the source's ``train``.
        undivided_train: the same, with rows that are held out of it to score on; what teachers
            answer.
    """

    task: Task
    config: TrainConfig
    examples: Mapping[str, Examples]
    features: Mapping[str, Features]
    train_rows: np.ndarray | None
    whole_train: Examples
    undivided_train: Examples

    @property
    def kind(self) -> Kind:
        """The kind of the task."""
        return KINDS.get(self.task.kind)

    def data_facts(self) -> dict[str, dict[str, Any]]:
        """What ``run.yaml`` records of the data of each split."""
        return {
            split: {
                "origin": rows.origin,
                "rows": len(rows),
                "skipped": rows.skipped,
                "truncated": self.features[split].truncated,
                "digest": rows.digest(),
            }
            for split, rows in self.examples.items()
        }


@dataclass(frozen=True)
class Prepared:
    """All that a run needs before its model is made.

    Args:
        given: settings as the user gave them.
        config: complete settings.
        tasks: task name -> what was prepared for it.
        tokenizer: of the encoder.
        loaded: the encoder with its report.
        encoder_digest: of its weights before training.
        encoder_config: arguments that make an encoder of this shape, with the dropout rates it came
            with, whatever the run's own are.
        initial: the run that this one begins from, or None.
        teaching: task name -> digest of what teachers say of its training rows.
    """

    given: Mapping[str, Any]
    config: TrainConfig
    tasks: Mapping[str, PreparedTask]
    tokenizer: BertTokenizer
    loaded: LoadedEncoder
    encoder_digest: str
    encoder_config: Mapping[str, Any]
    initial: InitialRun | None
    teaching: Mapping[str, str] = field(default_factory=dict)


def prepare(
    given: Mapping[str, Any], say: Say, task_settings: Mapping[str, Any] | None = None
) -> Prepared:
    """Reads, tokenizes and packs all that a training run needs, saying what it found.

    Args:
        given: settings as the user gave them.
        say: takes each line of what is going on.
        task_settings: of a run that is resumed, the settings that its tasks had each for itself.

    Raises:
        UserError: for any mistake in settings, data or encoder.
    """
    chosen = choose_tasks(given, say)
    declared = [task for task, _ in chosen]
    initial = InitialRun(given["init"]) if given.get("init") else None
    given_here, config = _completed(given, initial, declared)
    if config.encoder == "tiny" and all(source.kind == "sample" for _, source in chosen):
        say(_DEMONSTRATION.format(task=config.task))
    say(f"settings: {_settings_line(config, declared)}")
    if initial:
        say(init_line(initial, config.init_parts, declared))
    loaded = (
        initial.load_encoder(config.init_parts, declared)
        if initial
        else load_encoder(config.encoder, config.seed)
    )
    if config.keep_layers:
        loaded = with_layers(loaded, config.keep_layers)
    _check_segments(loaded, declared)
    shape = encoder_config(loaded.encoder)
    if config.dropout is not None:
        loaded.encoder.set_dropout(config.dropout)
    freeze(loaded.encoder, config.freeze)
    digest = loaded.digest()
    store = None
    if config.activations:
        store = ActivationStore(config.activations, config.skip_damaged)
        store.check_encoder(digest, loaded.source)
        say(f"activations: {store.folder}, {store.form}")
        for problem in store.damaged:
            say(f"left out: {problem}")
    say(f"encoder: {loaded.source}; {loaded.report}")
    tokenizer = loaded.tokenizer(LOWER_CASE[config.lower_case])
    prepared = {}
    for task, source in chosen:
        if task_settings:
            own = replace(config, **task_settings[task.name])
        else:
            own = task_config(config, given_here, task, len(chosen))
        own = replace(own, head=str(read_head(own.head)))
        differing = [
            f"{name} {getattr(own, name)}" for name in OF_EACH_TASK
            if getattr(own, name) != getattr(config, name)
        ]
        if differing:
            say(f"settings of {task.name} alone: {', '.join(differing)}")
        if own.max_length > loaded.encoder.max_sequence_length:
            limit = loaded.encoder.max_sequence_length
            raise UserError(f"--max_length: {config.encoder} has {limit} positions, not more")
        kind = KINDS.get(task.kind)
        kind.check_head(task, read_head(own.head))
        one = _prepare_task(task, source, own, tokenizer, say, len(chosen) > 1)
        if store is not None:
            rows = len(one.features["train"])
            one = replace(one, features=store.joined(one.features, task, one.kind, own.head))
            if len(one.features["train"]) < rows:
                say(f"{task.name}: trains on {len(one.features['train'])} of {rows} rows, the "
                    "others are in damaged shards")
        prepared[task.name] = one
    return Prepared(given, config, prepared, tokenizer, loaded, digest, shape, initial)


def with_settings(prepared: Prepared, given: Mapping[str, Any]) -> Prepared:
    """What was prepared, for other settings of which neither rows nor encoder depend.

    Args:
        prepared: what `prepare` made of the settings before.
        given: all settings, as `prepare` takes them.

    Raises:
        UserError: the settings contradict each other, or what a store holds.
    """
    declared = [one.task for one in prepared.tasks.values()]
    given_here, config = _completed(given, prepared.initial, declared)
    made = {
        task.name: replace(
            prepared.tasks[task.name], config=task_config(config, given_here, task, len(declared))
        )
        for task in declared
    }
    if config.activations:
        store = Path(config.activations)
        for one in made.values():
            check_head(store, read_manifest(store), one.config.head, one.task, one.kind)
    return replace(prepared, given=given, config=config, tasks=made)


def with_training_rows(prepared: Prepared, given: Mapping[str, Any]) -> Prepared:
    """What was prepared, for settings that say otherwise how many rows are trained on.

    Args:
        prepared: what `prepare` made of the settings before.
        given: all settings, as `prepare` takes them; rows that are set aside are as before.

    Raises:
        UserError: the settings contradict each other.
    """
    prepared, made = with_settings(prepared, given), {}
    for name, one in prepared.tasks.items():
        rows, _ = chosen_rows(one.task, one.whole_train, one.config)
        train = one.whole_train if rows is None else one.whole_train.take(rows)
        features = one.kind.encode(
            one.task, train, prepared.tokenizer, one.config, training=True
        )
        features = _masked(features, one.task, one.config, prepared.tokenizer)
        made[name] = replace(
            one, examples={**one.examples, "train": train},
            features={**one.features, "train": features}, train_rows=rows,
        )
    return replace(prepared, tasks=made)


def _completed(
    given: Mapping[str, Any], initial: InitialRun | None, declared: list[Task]
) -> tuple[Mapping[str, Any], TrainConfig]:
    """The settings that were given with the name of the encoder, and the complete ones."""
    # A run that begins from another keeps the name of the encoder at the root of the chain.
    given = {**given, "encoder": initial.encoder_name} if initial else given
    config = resolve(given, *declared)
    # Written out, so that a run does not depend on a file or on defaults of another version.
    return given, replace(
        config, adapter=str(read_adapter(config.adapter) or "none"),
        head=str(read_head(config.head)), smart=written_smart(config.smart),
    )


def _check_segments(loaded: LoadedEncoder, declared: list[Task]) -> None:
    """Raises UserError where two texts are to be told apart and the encoder cannot."""
    pairs = [task for task in declared if len(task.text_fields) == 2]
    if pairs and loaded.encoder.num_segments < 2:
        names = ", ".join(task.name for task in pairs)
        what = "--next_sentence" if pairs[0].kind == LANGUAGE_MODEL else f"--task {names}"
        raise UserError(
            f"{what}: rows are of two texts, and {loaded.source} was made for one "
            f"(type_vocab_size {loaded.encoder.num_segments}); begin with another encoder"
        )


def _prepare_task(
    task: Task, source: Source, config: TrainConfig, tokenizer: BertTokenizer, say: Say,
    one_of_several: bool,
) -> PreparedTask:
    examples = {"train": source.read("train")}
    if source.kind != "files":
        # Published tasks are always evaluated; reading a dev file that is absent says so.
        examples["dev"] = source.read("dev")
    for split in source.splits():
        if split.startswith("dev") and split not in examples:
            examples[split] = source.read(split)
    for split in [split for split in examples if split.startswith("dev")]:
        examples[split] = scored_rows(examples[split], config)
    whole_train = examples["train"]
    rows, aside = chosen_rows(task, whole_train, config)
    if aside is not None:
        examples[TUNING_SPLIT] = examples["train"].take(aside)
    if rows is not None:
        examples["train"] = examples["train"].take(rows)
    for split, found in examples.items():
        if split != "train":
            found.check_scored()
    kind = KINDS.get(task.kind)
    features = {
        split: kind.encode(task, found, tokenizer, config, training=split == "train")
        for split, found in examples.items()
    }
    if not len(features["train"]):
        raise UserError(
            f"{task.name}: nothing is left to train on; where questions are few, give "
            "--null_score_diff_threshold a number, so that none are set aside to tune it"
        )
    places = read_head(config.head).places(kind.every_token)
    for split, found in examples.items():
        name = f"{task.name} {split}" if one_of_several else split
        note = kind.note(found, features[split])
        say(_split_line(name, found, features[split], config, note))
        longer = 0 if places is None else int((features[split].lengths > places).sum())
        if longer:
            say(f"{name}: {longer} rows have more tokens than the {places} that --head "
                f"{config.head} reads; it drops the others")
    features["train"] = _masked(features["train"], task, config, tokenizer)
    undivided = whole_train
    if config.teachers and isinstance(source, HeldOutSource):
        undivided = source.undivided()
    return PreparedTask(task, config, examples, features, rows, whole_train, undivided)


def _masked(
    train: Features, task: Task, config: TrainConfig, tokenizer: BertTokenizer
) -> Features:
    """Training rows, with the words that are masked where a language model learns beside them."""
    if not config.mlm_weight:
        return train
    masking = Masking.of(tokenizer, config.mask_rate, config.whole_words, config.seed, task.name)
    return replace(train, masking=masking)


def written_smart(text: str | None) -> str | None:
    """A ``--smart`` setting with all of its values; None for ``none``."""
    smart = read_smart(text)
    return None if smart is None else str(smart)


def encoder_config(encoder: BertEncoder) -> dict[str, Any]:
    """Arguments that make an encoder of the same shape."""
    config = encoder.get_config()
    return {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}


def _settings_line(config: TrainConfig, declared: list[Task]) -> str:
    used = settings_in_use(config, declared)
    return ", ".join(f"{name} {value}" for name, value in used.items())


def chosen_rows(
    task: Task, train: Examples, config: TrainConfig
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Examples to train on and to tune on; None for all of them, or for none."""
    rows = aside = None
    share = KINDS.get(task.kind).tuning_share(task, config)
    if share:
        rows, aside = split_held_out(train, share)
    if config.train_examples is not None or config.train_fraction is not None:
        rows = np.arange(len(train)) if rows is None else rows
        size = subset_size(len(rows), config.train_examples, config.train_fraction)
        rows = subset(train, rows, size)
    return rows, aside


def scored_rows(dev: Examples, config: TrainConfig) -> Examples:
    """What of a dev split is scored, in the order of the file."""
    if config.dev_examples is None:
        return dev
    return first_examples(dev, config.dev_examples)


def _split_line(
    name: str, examples: Examples, features: Features, config: TrainConfig, note: str
) -> str:
    lengths = features.lengths
    line = (
        f"{name}: {len(examples)} examples from {examples.origin}{note}, {lengths.mean():.1f} "
        f"tokens on average, {lengths.max()} at most"
    )
    if features.truncated:
        line += f", {features.truncated} cut to {config.max_length}"
    if examples.skipped:
        line += f", {examples.skipped} left out"
    return f"{line}, digest {examples.digest()[:12]}"
