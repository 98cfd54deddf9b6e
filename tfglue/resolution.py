"""Complete settings: what the user gave, filled from recipes and the tasks' own defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from tfglue.config import (
    BEST_BY_TASK,
    MASK_RATE,
    OF_DISTILLATION,
    OF_EACH_TASK,
    OF_MASKING,
    OF_SEVERAL_TASKS,
    PAIRED_LINES,
    TrainConfig,
    settings_of_other_kinds,
)
from tfglue.errors import UserError, suggestion
from tfglue.setting_values import (
    evaluation_interval,
    null_threshold,
    saved_epochs,
    task_list,
    task_numbers,
)
from tfglue.tasks.language_model import KIND as LANGUAGE_MODEL
from tfglue.tasks.task import Recipe, Task
from tfglue.training_recipe import TrainingRecipe, read_recipe

# BERTVision scores a partial epoch after each tenth of it.
_PARTIAL = "0.1"

# The demonstration encoder starts from random weights, so it needs a higher rate and more epochs,
# most of all to learn what two sentences have to do with each other.
TINY = {"max_length": 64, "batch_size": 32, "learning_rate": 1e-3, "epochs": 6.0}
TINY_PAIR_EPOCHS = 20.0

HEAD_LEARNING_RATE = 1e-3
"""Of a head on a frozen encoder: with its task's rate, which is that of whole encoders, one answers
a single class of MRPC after two epochs (docs/results.md, searching for settings)."""

EXCLUSIVE = (
    ("train_examples", "train_fraction"), ("steps_per_epoch", "steps_per_task"),
    ("batch_size", "batch_tokens"),
)
"""Settings of which one can be given."""


def resolve(given: Mapping[str, Any], *tasks: Task) -> TrainConfig:
    """Fills what the user did not give.

    Flags win over the named recipe, that over the settings of the `tiny` encoder or of the task
    (of several tasks, over those that most papers share; of a head alone, with a rate of its own),
    and those over the defaults of `TrainConfig`.

    Args:
        given: settings the user gave, checked.
        tasks: what is trained.

    Raises:
        UserError: for an unknown recipe, or settings that contradict each other.
    """
    recipe = _recipe(given)
    values = recipe.of(tasks[0].name) if len(tasks) == 1 else recipe.general
    name = ",".join(task.name for task in tasks)
    others = frozenset.intersection(*(settings_of_other_kinds(task.kind) for task in tasks))
    # A recipe speaks of all kinds of tasks, and of several; what is meant for others is left out.
    unused = others | frozenset(OF_SEVERAL_TASKS if len(tasks) == 1 else ())
    values = {n: value for n, value in values.items() if n not in unused}
    config = TrainConfig(**(_layered(given, values, tasks) | {"task": name}))
    config = replace(
        config,
        best_on=_without_aliases(config.best_on, tasks),
        main_task=_without_aliases(config.main_task, tasks),
        task_weights=_without_aliases(config.task_weights, tasks),
    )
    config = _with_masking(_with_distillation(config), tasks)
    _check(config, tasks)
    # A resumed run is given all of its settings, defaults included.
    defaults = TrainConfig()
    asked = {name for name, value in given.items() if value != getattr(defaults, name)}
    for name in OF_SEVERAL_TASKS:
        if name in asked and len(tasks) == 1:
            raise UserError(f"--{name} goes with several tasks, --task a,b")
    for name in others & asked:
        kinds = ", ".join(f"{task.name} is of kind {task.kind}" for task in tasks)
        raise UserError(f"--{name}: does not apply, {kinds}; leave it out")
    if "qnli_version" in asked and all(task.name != PAIRED_LINES for task in tasks):
        raise UserError(
            f"--qnli_version: speaks of {PAIRED_LINES}, and {config.task} ranks all lines of a "
            "query; leave it out"
        )
    if (config.mix_ratio or config.main_task_last) and config.main_task is None:
        config = replace(config, main_task=tasks[0].name)
    return config


def settings_in_use(config: TrainConfig, tasks: Sequence[Task]) -> dict[str, Any]:
    """The settings that say something of these tasks."""
    unused = frozenset.intersection(*(settings_of_other_kinds(task.kind) for task in tasks))
    if len(tasks) == 1:
        unused |= set(OF_SEVERAL_TASKS)
    if all(task.name != PAIRED_LINES for task in tasks):
        unused |= {"qnli_version"}
    values = config.to_dict().items()
    return {name: value for name, value in values if value is not None and name not in unused}


def task_config(config: TrainConfig, given: Mapping[str, Any], task: Task, count: int
                ) -> TrainConfig:
    """The settings of one of `count` tasks that are trained together.

    Most settings are the run's. Those of `OF_EACH_TASK` are each task's own: as given, as the
    recipe says under ``tasks``, as it says for all, or as the task's own default is.

    Raises:
        UserError: the recipe sets for one task what several share.
    """
    if count == 1:
        return config
    recipe = _recipe(given)
    for name in recipe.by_task.get(task.name, {}):
        if name not in OF_EACH_TASK:
            raise UserError(
                f"{recipe.path}: tasks: {task.name}: {name} is shared by tasks that are trained "
                f"together; only {', '.join(OF_EACH_TASK)} may differ"
            )
    values = _layered(given, recipe.of(task.name), [task])
    return replace(
        config, **{name: values[name] for name in OF_EACH_TASK if values.get(name) is not None}
    )


def _recipe(given: Mapping[str, Any]) -> TrainingRecipe:
    if not given.get("recipe"):
        return TrainingRecipe({}, {}, "")
    recipe = read_recipe(given["recipe"])
    recipe.check_rows()
    return recipe


def _layered(
    given: Mapping[str, Any], values: Mapping[str, Any], tasks: Sequence[Task]
) -> dict[str, Any]:
    """What is given over `values` of a recipe over the tasks' own settings."""
    for pair in EXCLUSIVE:
        if any(given.get(name) is not None for name in pair):
            values = {name: value for name, value in values.items() if name not in pair}
    if {**values, **given}.get("encoder", "tiny") == "tiny":
        pairs = any(len(task.text_fields) == 2 for task in tasks)
        own = TINY | ({"epochs": TINY_PAIR_EPOCHS} if pairs else {})
    else:
        own = asdict(tasks[0].recipe if len(tasks) == 1 else Recipe())
        del own["source"]
        layered = {**values, **given}
        if layered.get("freeze") == "encoder" and layered.get("adapter", "none") == "none":
            own["learning_rate"] = HEAD_LEARNING_RATE
    if {**values, **given}.get("batch_tokens") is not None:
        own["batch_size"] = None  # Tokens say how large a batch is.
    settings = {**own, **values, **given}
    if settings.get("evaluate_every") is None:
        settings["evaluate_every"] = _PARTIAL if settings["epochs"] < 1 else "epoch"
    return settings


def _with_distillation(config: TrainConfig) -> TrainConfig:
    """The settings, those of distillation complete where there are teachers."""
    if config.teachers is None:
        for name in OF_DISTILLATION:
            if getattr(config, name) is not None:
                raise UserError(f"--{name} goes with --teachers, the runs to learn from")
        return config
    return replace(
        config,
        distill_weight=1.0 if config.distill_weight is None else config.distill_weight,
        temperature=config.temperature or 1.0,
        match_hidden=config.match_hidden or 0.0,
    )


def _with_masking(config: TrainConfig, tasks: Sequence[Task]) -> TrainConfig:
    """The settings, those of masked tokens complete where there are such."""
    if config.mlm_weight or any(task.kind == LANGUAGE_MODEL for task in tasks):
        return replace(config, mask_rate=config.mask_rate or MASK_RATE)
    for name in OF_MASKING:
        if getattr(config, name) not in (None, False):
            raise UserError(f"--{name} goes with --mlm_weight, which masks tokens")
    return config


def _without_aliases(text: str | None, tasks: Sequence[Task]) -> str | None:
    """A list such as ``a,b`` or ``a=2,b=1`` with each task's own name for its aliases."""
    if text is None:
        return None
    names = {alias: task.name for task in tasks for alias in task.aliases}
    parts = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name = name.strip()
        parts.append(names.get(name.lower(), name) + equals + value.strip())
    return ",".join(parts)


def _check(config: TrainConfig, tasks: Sequence[Task]) -> None:
    for one, other in EXCLUSIVE:
        if getattr(config, one) is not None and getattr(config, other) is not None:
            raise UserError(f"--{one} and --{other} exclude each other; give one")
    for name in ("dev_file", "test_file", "text_fields", "label_field", "kind"):
        if getattr(config, name) is not None and config.train_file is None:
            raise UserError(f"--{name} goes with --train_file, your own data")
    if config.skip_damaged and config.activations is None:
        raise UserError("--skip_damaged goes with --activations, a store")
    for name in ("smart", "word_dropout", "keep_layers", "match_hidden", "mlm_weight"):
        if getattr(config, name) and config.activations is not None:
            raise UserError(
                f"--{name}: does not go with --activations, where the encoder does not run"
            )
    if config.teachers is not None and config.skip_damaged:
        raise UserError("--teachers: does not go with --skip_damaged; extract what is damaged")
    if config.keep_layers is not None and config.init_parts == "encoder+adapters":
        raise UserError(
            "--keep_layers: adapters of all layers do not fit fewer; use --init_parts encoder"
        )
    if config.batch_tokens is not None:
        for name, clash in (("batching", config.batching == "plain"), ("balance", config.balance),
                            ("strategy", config.strategy == "tpu")):
            if clash:
                raise UserError(
                    f"--batch_tokens: does not go with --{name}"
                    f"{'' if name == 'balance' else ' ' + getattr(config, name)}; use --batch_size"
                )
    if config.train_file is not None and config.data is not None:
        raise UserError("--data and --train_file go together with --intermediate alone; give one")
    unscored = config.train_file and not config.dev_file and not config.tune_split
    if unscored and config.patience is not None:
        raise UserError("--patience needs --dev_file: without it nothing is evaluated")
    if config.text and not config.dev_fraction and config.patience is not None:
        raise UserError("--patience needs --dev_fraction: without it nothing is evaluated")
    evaluation_interval(config.evaluate_every, updates_per_epoch=1)
    saved_epochs(config.save)
    null_threshold(config)
    _check_several(config, tasks)


def _check_several(config: TrainConfig, tasks: Sequence[Task]) -> None:
    names = [task.name for task in tasks]
    if config.save == BEST_BY_TASK and len(tasks) == 1:
        raise UserError(f"--save {BEST_BY_TASK} goes with several tasks, --task a,b; use best")
    weights = task_numbers("task_weights", config.task_weights)
    main = [config.main_task] if config.main_task else []
    for setting, given in (
        ("best_on", task_list(config.best_on)), ("task_weights", weights), ("main_task", main)
    ):
        for name in given:
            if name not in names:
                raise UserError(
                    f"--{setting}: '{name}' is not trained here{suggestion(name, names)} "
                    f"(tasks: {', '.join(names)})"
                )
    _check_refinement(config)


def _check_refinement(config: TrainConfig) -> None:
    """Raises UserError where a main task is spoken of and something else says whose turn it is."""
    mixed = [name for name in ("mix_ratio", "main_task_last") if getattr(config, name)]
    if config.main_task and not mixed:
        raise UserError(
            f"--main_task {config.main_task}: says nothing alone; add --mix_ratio or "
            "--main_task_last"
        )
    for name in mixed:
        if config.sampler != "shuffle":
            raise UserError(f"--{name}: goes with --sampler shuffle, not {config.sampler}")
        for other in ("steps_per_epoch", "steps_per_task"):
            if getattr(config, other) is not None:
                raise UserError(
                    f"--{name}: says how long an epoch is, and so does --{other}; give one"
                )
