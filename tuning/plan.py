"""What a search is to do, decided and checked before anything is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from tfglue import tasks
from tfglue.config import (
    LIBRARY_SETTINGS,
    OF_EXPERIMENTS,
    OF_ONE_COMMAND,
    OF_TEXT,
    TrainConfig,
)
from tfglue.errors import UserError, suggestion
from tfglue.flags import checked
from tfglue.output import COMPARED_BY_DIGEST
from tfglue.task_choice import choose_tasks, task_names
from tfglue.training_recipe import read_recipe
from tuning.config import MAY_CHANGE, SearchConfig
from tuning.dimension import Dimension
from tuning.models import MODELS, OF_MODELS, check_model
from tuning.searchable import PARTS
from tuning.space import SEED, AskedSpace, asked_space, read_space

if TYPE_CHECKING:
    from tfglue.tasks.task import Task

LARGE_TASKS = ("mnli", "qnli", "qqp", "sst")
CHEAP = {"train_fraction": 0.1, "dev_examples": 4000}
"""What a trial of a large task trains and is scored on by default; the fraction is BERTVision's."""

LOSS = "loss"
_TRIALS = 20
_BEFORE = "; train what goes before, and give it as --init"
_NOT_HERE = {
    **dict.fromkeys(("intermediate", "intermediate_recipe", *LIBRARY_SETTINGS), _BEFORE),
    "strategy": "; a trial has one device, and --workers train side by side",
    **dict.fromkeys(OF_TEXT, ", which is of tasks with labels"),
}
"""Settings of training that no trial has -> what to do instead."""

WHERE_DATA_LIE = (*COMPARED_BY_DIGEST, "activations")
"""Settings that may be written differently and mean the same; digests decide."""


@dataclass(frozen=True)
class SearchPlan:
    """All that decides what the trials of a search are.

    Args:
        config: settings of the search, complete.
        task: the task's name.
        metric: what ranks trials: a metric of the task, or `LOSS`.
        main_metric: the task's, which picks the best evaluation of a run.
        base: settings of training that all trials share.
        space: parameter -> its dimension.
        seeds: how many runs a trial has; their seeds follow each other.
        notes: lines for the user.
    """

    config: SearchConfig
    task: str
    metric: str
    main_metric: str
    base: Mapping[str, Any]
    space: Mapping[str, Dimension]
    seeds: int
    notes: tuple[str, ...]

    @property
    def higher_is_better(self) -> bool:
        """Whether the best trial has the highest score, or the lowest."""
        return self.metric != LOSS

    @property
    def search_seed(self) -> int:
        """Seed of what the tuner draws."""
        given = self.config.search_seed
        return self.base.get("seed", 0) if given is None else given

    @property
    def scored_on_dev_once(self) -> bool:
        """Whether the best is scored on dev in the end, which trials are not scored on."""
        own_files = self.base.get("train_file") and not self.base.get("dev_file")
        return bool(self.base.get("tune_split")) and not own_files

    def better(self, one: float, other: float) -> bool:
        """Whether a score is better than another one."""
        return one > other if self.higher_is_better else one < other

    def identity(self) -> dict[str, Any]:
        """What must be the same for two searches to have the same trials."""
        left_out = (*WHERE_DATA_LIE, *MAY_CHANGE)
        base = {name: value for name, value in self.base.items() if name not in left_out}
        return {
            "task": self.task, "metric": self.metric, "base": base,
            "space": {name: str(dimension) for name, dimension in self.space.items()},
            "seeds": self.seeds,
        }


def make_plan(
    search: Mapping[str, Any], train: Mapping[str, Any], words: Sequence[str]
) -> SearchPlan:
    """Completes and checks what the user asks for.

    Args:
        search: settings of `SearchConfig` that were given.
        train: settings of `TrainConfig` that were given, but for where the search goes.
        words: what ``--space`` was given.

    Raises:
        UserError: for any mistake; nothing has been trained or written.
    """
    config = SearchConfig(**search)
    train = {name: value for name, value in train.items() if value is not None}
    for name in (name for name in _NOT_HERE if name in train):
        raise UserError(f"--{name}: not in a search{_NOT_HERE[name]}")
    _check_tuner(config)
    task = _task(train)
    asked = asked_space(words, config.model, task.name)
    notes = []
    # What makes another model of it is in the open, not left to the training.
    recipe = read_recipe(train["recipe"]).of(task.name) if train.get("recipe") else {}
    model = MODELS[config.model] | {n: recipe[n] for n in OF_MODELS if n in recipe}
    base = model | _cheap(task.name, train, asked, notes) | asked.settings | train
    if base.get("max_steps") == 0:
        raise UserError("max_steps 0: trials that train nothing score nothing")
    for name in (*OF_EXPERIMENTS, *OF_ONE_COMMAND):
        base.pop(name, None)
    base["task"] = train.get("task") or task.name
    if config.tune_split:
        base["tune_split"] = config.tune_split
    else:
        notes.append("warning: trials are scored on dev itself; what is reported is the best of "
                     "many looks at it (see --tune_split)")
    check_model(config.model, base)
    asked = _without_fixed(asked, train, notes)
    if config.tuner == "hyperband":
        asked = _without_epochs(asked, notes)
    space = read_space(asked, base)
    for name in OF_MODELS:
        for value in space[name].points(2) if name in space else ():
            check_model(config.model, base | {name: value})
    for name in space:
        base.pop(name, None)
    seeds = train.get("seeds") or 1
    checked({"seed": base.get("seed", 0) + seeds - 1}, TrainConfig, where="the last of --seeds")
    _check_seed(space, asked, seeds, notes)
    config = _completed(config, asked, space, base)
    metric = _metric(task, config.objective)
    return SearchPlan(
        config, task.name, metric, task.main_metric, base, space, seeds, tuple(notes)
    )


def _task(train: Mapping[str, Any]) -> "Task":
    if not train.get("task") and not train.get("train_file"):
        raise UserError(f"--task is needed; one of: {', '.join(tasks.names())}")
    if not train.get("train_file") and "," in task_names(train["task"]):
        raise UserError(f"--task {train['task']}: a search is of one task; name one")
    ((task, _),) = choose_tasks(train, lambda line: None)
    return task


def _check_tuner(config: SearchConfig) -> None:
    """Raises UserError for settings of another tuner, which would do nothing."""
    defaults = SearchConfig()
    for name, tuner in (("factor", "hyperband"), ("iterations", "hyperband"),
                        ("grid_points", "grid")):
        if config.tuner != tuner and getattr(config, name) != getattr(defaults, name):
            raise UserError(f"--{name} goes with --tuner {tuner}")


def _cheap(
    task: str, train: Mapping[str, Any], asked: AskedSpace, notes: list[str]
) -> dict[str, Any]:
    """Fewer rows for large tasks, unless somebody says how many."""
    said = {*train, *asked.settings}
    if task not in LARGE_TASKS or train.get("train_file") or said & {
        "train_fraction", "train_examples"
    }:
        return {}
    chosen = {name: value for name, value in CHEAP.items() if name not in said}
    notes.append(
        f"{task} is large: trials train on {CHEAP['train_fraction']:.0%} of the rows "
        "(--train_fraction 1 for all)" + (
            f" and are scored on {chosen['dev_examples']} (--dev_examples)"
            if "dev_examples" in chosen else ""
        )
    )
    return chosen


def _without_fixed(asked: AskedSpace, train: Mapping[str, Any], notes: list[str]) -> AskedSpace:
    """The space without what a flag of training fixes."""
    fixed = set(train) | ({"batch_size"} if "batch_tokens" in train else set())
    for owner in PARTS:
        _, _, settings = str(train.get(owner, "")).partition(":")
        fixed |= {f"{owner}.{part.partition('=')[0].strip()}" for part in settings.split(",")}
    for name in (name for name in asked.given if name in fixed):
        raise UserError(f"--space {name}: given as a flag, too; leave one of them out")
    dropped = [name for name in asked.texts if name in fixed]
    if dropped:
        notes.append(f"not searched, since given: {', '.join(dropped)}")
    texts = {name: text for name, text in asked.texts.items() if name not in fixed}
    return replace(asked, texts=texts)


def _without_epochs(asked: AskedSpace, notes: list[str]) -> AskedSpace:
    """The space without epochs, which Hyperband shares out, but for those that a flag names."""
    if "epochs" not in asked.texts or "epochs" in asked.given:
        return asked
    notes.append("not searched, since hyperband shares them out: epochs")
    texts = {name: text for name, text in asked.texts.items() if name != "epochs"}
    return replace(asked, texts=texts)


def _check_seed(
    space: Mapping[str, Dimension], asked: AskedSpace, seeds: int, notes: list[str]
) -> None:
    if SEED in space:
        if seeds > 1:
            raise UserError(f"--seeds {seeds}: the seed is searched; leave one of them out")
        notes.append(
            "warning: the seed is searched, so the best score is partly the luck of its draw; "
            "compare settings with --seeds"
        )
    elif asked.seed:
        notes.append(f"the seed is not searched; ask for it with --space seed={asked.seed}")


def _completed(
    config: SearchConfig, asked: AskedSpace, space: Mapping[str, Dimension],
    base: Mapping[str, Any],
) -> SearchConfig:
    """The settings with defaults that depend on the tuner."""
    values = asdict(config)
    if config.tuner == "hyperband":
        if config.trials:
            raise UserError(
                "--trials: hyperband has as many as --epochs, --factor and --iterations make; "
                "leave it out"
            )
        if config.early_stop == "median":
            raise UserError("--early_stop median: hyperband ends runs itself; leave it out")
        for name in ("epochs", "max_steps"):
            if name in space or (name == "max_steps" and name in base):
                raise UserError(
                    f"--tuner hyperband: it shares out epochs, so {name} cannot be set; give "
                    "--epochs N, those of the longest run"
                )
        return SearchConfig(**values | {"early_stop": "none"})
    if config.tuner == "grid":
        points = prod(len(one.points(config.grid_points)) for one in space.values())
        if config.trials is not None and config.trials < points:
            raise UserError(
                f"--trials {config.trials}: the grid has {points} points; take fewer with "
                "--grid_points or a smaller --space, or --tuner random"
            )
        values["trials"] = points
    else:
        values["trials"] = config.trials or asked.trials or _TRIALS
    return SearchConfig(**values | {"early_stop": config.early_stop or "median"})


def _metric(task: "Task", asked: str | None) -> str:
    known = [*task.metrics, LOSS]
    if asked is not None and asked not in known:
        raise UserError(
            f"--objective: {task.name} has no metric '{asked}'{suggestion(asked, known)} "
            f"(it has {', '.join(known)})"
        )
    return asked or task.main_metric
