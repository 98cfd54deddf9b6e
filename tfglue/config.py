"""Settings of a training run: flags, recipes and `run.yaml` in one dataclass."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfglue.errors import UserError, suggestion
from tfglue.files import read_yaml
from tfglue.flags import checked, setting
from tfglue.tasks.task import Task

RECIPES = Path(__file__).parent / "recipes"

# The demonstration encoder starts from random weights, so it needs a higher rate and more epochs,
# most of all to learn what two sentences have to do with each other.
TINY = {"max_length": 64, "batch_size": 32, "learning_rate": 1e-3, "epochs": 6.0}
TINY_PAIR_EPOCHS = 20.0


@dataclass(frozen=True)
class TrainConfig:
    """Every setting of one run; what is unset (None) is filled from recipes by `resolve`."""

    task: str = setting("", "task name; see the README for the list")
    data: str | None = setting(
        None,
        "sample, tfds, a folder, or task=FOLDER,... [$GLUE_DIR for GLUE tasks, else sample]; "
        "beside --train_file that of the tasks of --intermediate",
    )
    train_file: str | None = setting(None, "your own .tsv, .csv or .jsonl to train on")
    dev_file: str | None = setting(None, "your own file to evaluate on")
    test_file: str | None = setting(None, "your own file, for predict --split test")
    text_fields: str | None = setting(None, "one or two text columns of your files, a,b")
    label_field: str | None = setting(None, "label column of your files [label]")
    kind: str | None = setting(
        None, "what your labels are; inferred if not given", choices=("classify", "regress")
    )
    encoder: str = setting(
        "tiny",
        "tiny, a folder (Hugging Face, KerasHub, Google TF1, or a configuration only), a file of "
        "weights, hf://org/model, a KerasHub preset, a name under $BERT_ALL_DIR",
    )
    init: str | None = setting(
        None, "begin with the weights of a finished run, RUN or RUN@<epoch>, not with --encoder"
    )
    init_parts: str = setting(
        "encoder", "what of that run: its encoder, or all (the head of the same task, too)",
        choices=("encoder", "all"),
    )
    intermediate: str | None = setting(
        None,
        "tasks to train first, in order: mnli, or mnli,snli; reused where trained already. "
        "--epochs, --max_steps, --learning_rate, --train_examples, --train_fraction, "
        "--evaluate_every, --patience, --save and --seeds speak of the target alone",
    )
    intermediate_recipe: str | None = setting(
        None, "settings of the intermediate tasks: a recipe's name or a YAML file"
    )
    seeds: int | None = setting(
        None, "train so many times, with seeds --seed, --seed + 1, ...", kind=int, least=2
    )
    lower_case: str = setting(
        "auto", "whether text is lower-cased", choices=("auto", "true", "false")
    )
    freeze: str = setting("none", "none, embeddings, layers:N, encoder_except_norms, encoder")
    dropout: float | None = setting(
        None, "overrides every dropout rate of encoder and head", kind=float, least=0, most=0.99
    )
    recipe: str | None = setting(None, "published settings by name, or a YAML file")
    max_length: int | None = setting(None, "tokens a row at most", kind=int, least=8)
    batch_size: int | None = setting(
        None, "rows of one forward pass, over all devices", kind=int, least=1
    )
    accumulate: int | None = setting(
        1, "forward passes of one update, so that an update sees batch_size times this", kind=int,
        least=1,
    )
    learning_rate: float | None = setting(None, "peak learning rate", kind=float, above=0, most=100)
    epochs: float | None = setting(None, "passes over the data; may be a fraction", kind=float,
                                   above=0)
    max_steps: int | None = setting(
        None, "updates at most; 0 prints the budget and leaves an untrained run", kind=int, least=0
    )
    warmup: float | None = setting(
        0.1, "warm-up: under 1 a share of all updates, else a number of them", kind=float, least=0
    )
    schedule: str | None = setting(
        "linear",
        "learning rate after warm-up; legacy_stilts is that of the STILTs code, with its defect",
        choices=("linear", "constant", "legacy_stilts"),
    )
    optimizer: str | None = setting(
        "adamw", "how weights are updated", choices=("adamw", "adam_uncorrected", "sgd")
    )
    weight_decay: float | None = setting(
        0.01, "decoupled decay; never on biases and LayerNorm", kind=float, least=0
    )
    epsilon: float | None = setting(1e-6, "Adam's epsilon", kind=float, above=0)
    clip_norm: float | None = setting(
        1.0, "limit of the gradient's global norm; 0 for none", kind=float, least=0
    )
    precision: str = setting(
        "float32", "what training computes in", choices=("float32", "mixed_bfloat16")
    )
    strategy: str = setting(
        "none",
        "devices that share each batch: none (one device), mirrored (all of this machine), "
        "multi_worker (those of $TF_CONFIG), tpu (untested)",
        choices=("none", "mirrored", "multi_worker", "tpu"),
    )
    batching: str = setting(
        "grouped", "rows of like length together, or at random", choices=("grouped", "plain")
    )
    train_examples: int | None = setting(
        None, "train on so many rows (stratified, nested)", kind=int, least=1
    )
    train_fraction: float | None = setting(
        None, "train on this share of the rows", kind=float, above=0, most=1
    )
    evaluate_every: str = setting(
        "epoch", "epoch, a share of an epoch under 1, or a number of updates"
    )
    patience: int | None = setting(
        None, "stop after so many evaluations without improvement", kind=int, least=1
    )
    eval_batch_size: int = setting(64, "rows of one forward pass in evaluation", kind=int, least=1)
    save: str = setting("best", "weights to keep: best, last, all, or epochs such as 0,2")
    checkpoint_seconds: float = setting(
        300.0, "seconds between checkpoints to resume from; may change on --resume", kind=float,
        above=0,
    )
    seed: int = setting(0, "seed of the head, the order of rows and dropout", kind=int, least=0,
                        most=2**32 - 1)
    output: str | None = setting(None, "run folder [saved_models/<task>, then -2, -3 if taken]")
    resume: bool = setting(False, "go on with the run in --output", kind=bool)
    overwrite: bool = setting(False, "replace the run in --output", kind=bool)

    def to_dict(self) -> dict[str, Any]:
        """What `run.yaml` stores: everything but where and how the command was started."""
        return {k: v for k, v in asdict(self).items() if k not in _NOT_STORED}


# What makes a run part of a chain or a series is with those, in `experiment.yaml`.
OF_EXPERIMENTS = ("intermediate", "intermediate_recipe", "seeds")
OF_ONE_COMMAND = ("output", "resume", "overwrite")
_NOT_STORED = (*OF_ONE_COMMAND, *OF_EXPERIMENTS)
# A recipe says how to train; what is trained on, and where it goes, is said with each command.
_NOT_IN_RECIPES = (
    "task", "data", "train_file", "dev_file", "test_file", "text_fields", "label_field", "kind",
    "recipe", "strategy", "init", "init_parts", *_NOT_STORED,
)


def resolve(given: Mapping[str, Any], task: Task) -> TrainConfig:
    """Fills what the user did not give.

    Flags win over the named recipe, that over the settings of the `tiny` encoder or of the task,
    and those over the defaults of `TrainConfig`.

    Args:
        given: settings the user gave, checked.
        task: what is trained; its recipe is the default.

    Raises:
        UserError: for an unknown recipe, or settings that contradict each other.
    """
    recipe = read_recipe(given["recipe"], task.name) if given.get("recipe") else {}
    own = {k: v for k, v in asdict(task.recipe).items() if k != "source"}
    if {**recipe, **given}.get("encoder", "tiny") == "tiny":
        own = TINY | ({"epochs": TINY_PAIR_EPOCHS} if len(task.text_fields) == 2 else {})
    config = TrainConfig(**(own | recipe | dict(given) | {"task": task.name}))
    _check(config)
    return config


def read_recipe(name: str, task: str) -> dict[str, Any]:
    """Settings of a shipped recipe or a YAML file, those under ``tasks: <task>`` winning.

    Raises:
        UserError: for an unknown name, unreadable YAML, or an unknown or misplaced setting.
    """
    shipped = {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}
    path = shipped.get(name, Path(name))
    if name not in shipped and not path.is_file():
        raise UserError(
            f"--recipe: '{name}' is neither a shipped recipe ({', '.join(shipped)}) nor a file"
            f"{suggestion(name, shipped)}"
        )
    content = _settings(read_yaml(path) or {}, str(path))
    by_task = _settings(content.pop("tasks", None) or {}, f"{path}: tasks")
    settings = checked(content, TrainConfig, where=str(path))
    where = f"{path}: tasks: {task}"
    settings |= checked(_settings(by_task.get(task) or {}, where), TrainConfig, where=where)
    misplaced = [name for name in _NOT_IN_RECIPES if name in settings]
    if misplaced:
        raise UserError(f"{path}: '{misplaced[0]}' belongs on the command line, not in a recipe")
    return settings


def _settings(value: Any, where: str) -> dict[str, Any]:
    """The value as a mapping of names; keys without a value are left out."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected settings as 'name: value' lines")
    return {str(name): item for name, item in value.items() if item is not None}


def _check(config: TrainConfig) -> None:
    if config.train_examples is not None and config.train_fraction is not None:
        raise UserError("--train_examples and --train_fraction exclude each other; give one")
    for name in ("dev_file", "test_file", "text_fields", "label_field", "kind"):
        if getattr(config, name) is not None and config.train_file is None:
            raise UserError(f"--{name} goes with --train_file, your own data")
    if config.train_file is not None and config.data is not None:
        raise UserError("--data and --train_file go together with --intermediate alone; give one")
    if config.train_file is not None and config.dev_file is None and config.patience is not None:
        raise UserError("--patience needs --dev_file: without it nothing is evaluated")
    evaluation_interval(config.evaluate_every, updates_per_epoch=1)
    saved_epochs(config.save)


def text_fields(text: str | None) -> tuple[str, ...] | None:
    """Column names of a ``--text_fields`` setting."""
    return tuple(part.strip() for part in text.split(",")) if text else None


def evaluation_interval(text: str, updates_per_epoch: int) -> int:
    """Updates between evaluations for ``epoch``, a share of an epoch, or a number of updates."""
    try:
        value = 1.0 if text == "epoch" else float(text)
        if not value > 0 or (value >= 1 and value != int(value)):
            raise ValueError
    except (ValueError, OverflowError):
        raise UserError(
            f"--evaluate_every: expected epoch, a share under 1 or a whole number of updates, "
            f"not '{text}'"
        ) from None
    if text == "epoch" or value < 1:
        return max(1, round(value * updates_per_epoch))
    return int(value)


def saved_epochs(text: str) -> frozenset[int] | None:
    """Epochs whose weights are kept under ``epochs/``; None for all of them."""
    if text in ("best", "last"):
        return frozenset()
    if text == "all":
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(
            f"--save: unknown value '{text}'{suggestion(text, ('best', 'last', 'all'))} "
            "(expected best, last, all, or epochs such as 0,2)"
        )
    return frozenset(int(part) for part in parts)

