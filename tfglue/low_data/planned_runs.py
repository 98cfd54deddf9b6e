"""What every training of learning curves will be: its rows, updates and evaluations."""

import gc
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tfglue.budget import Budget
from tfglue.config import OF_DISTILLATION, TrainConfig
from tfglue.data.examples import Examples
from tfglue.errors import UserError
from tfglue.low_data.curve_plan import Cell, CurvePlan
from tfglue.low_data.sizes import Sizes
from tfglue.low_data.speed import Speed
from tfglue.low_data.start import Start
from tfglue.manifest import identity_of
from tfglue.preparation import Prepared, chosen_rows, prepare, with_training_rows
from tfglue.resolution import resolve
from tfglue.run_folder import RunFolder
from tfglue.run_plan import RunPlan
from tfglue.setting_values import evaluation_interval
from tfglue.task_choice import Say, choose_tasks
from tfglue.tasks.task import Task
from tfglue.teachers import find_teachers
from tfglue.trainer import Training
from tfglue.training.devices import open_strategy

_OF_TEACHERS = ("teachers", *OF_DISTILLATION)
# What makes a start, and what goes with it.
_OF_STARTS = ("encoder", "init", "init_parts")


@dataclass(frozen=True)
class PlannedRun:
    """One start at one size.

    Args:
        examples: rows it is trained on.
        share: of all training rows.
        updates: it makes, if nothing stops it early.
        evaluations: passes over the dev rows, that at the end included.
        seconds: about how long it takes here.
        identity: what decides its result, see `tfglue.manifest.identity`; of the first seed.
    """

    examples: int
    share: float
    updates: int
    evaluations: int
    seconds: float
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class PlannedCurve:
    """All of them.

    Args:
        task: what is trained.
        config: complete settings, but for what differs by start, size and seed.
        dev_rows: examples that are scored.
        runs: (name of start, size) -> what is planned.
        budgets: name of start -> parameters.
        kept_weights: sets of weights a run keeps beside its last.
        taught_by: teacher -> digest of what it answers from.
    """

    task: Task
    config: TrainConfig
    dev_rows: int
    runs: Mapping[tuple[str, float], PlannedRun]
    budgets: Mapping[str, Budget]
    kept_weights: int
    taught_by: Mapping[str, str]

    def run(self, cell: Cell) -> PlannedRun:
        """What is planned for a training."""
        return self.runs[cell.start.name, cell.size]


def planned_curve(plan: CurvePlan, say: Say) -> PlannedCurve:
    """Reads data and encoders, finds what is wrong with them, and measures how fast it goes.

    Args:
        plan: what is asked for.
        say: takes lines on the data.

    Raises:
        UserError: for any mistake in settings, data, encoders or runs; nothing has been written.
    """
    first = plan.starts[0]
    ((task, source),) = choose_tasks(plan.training, say)
    if "dev" not in source.splits():
        raise UserError(
            f"{task.name}: there are no dev rows to score; add --dev_file, or --tune_split 0.1"
        )
    train = source.read("train")
    configs = {
        size: resolve(plan.cell_settings(first, size, plan.seeds[0]), task)
        for size in plan.sizes.values
    }
    counts, total = _counts(task, train, configs, plan.sizes)
    taught_by = {}
    largest = configs[plan.sizes.values[-1]]
    if largest.teachers:
        rows, _ = chosen_rows(task, train, largest)
        for teacher in find_teachers(largest.teachers, [task]):
            teacher.check(task, train.take(rows))
            taught_by[teacher.name] = teacher.digest()
    runs, budgets, speeds, kept, prepared = {}, {}, {}, 0, None
    with open_strategy(largest.strategy).scope():
        for start in plan.starts:
            try:
                begun = time.monotonic()
                settings = {
                    size: plan.cell_settings(start, size, plan.seeds[0])
                    for size in plan.sizes.values
                }
                own = prepare(settings[plan.sizes.values[-1]], lambda line: None)
                if prepared is not None:
                    _check_alike(prepared.config, own.config, first, start)
                prepared = prepared or own
                of_sizes = {
                    size: with_training_rows(own, given)
                    for size, given in settings.items()
                }
                with TemporaryDirectory(prefix="tfglue-curve-") as folder:
                    training = Training(
                        _untaught(own), RunFolder(Path(folder) / "run"), None, (), lambda line: None
                    )
                    ready = time.monotonic() - begun
                    shape = repr(sorted(own.encoder_config.items()))
                    if shape not in speeds:
                        speeds[shape] = Speed.measured(training, of_sizes, ready)
            except UserError as error:
                raise UserError(f"--start {start.name}: {error}") from None
            budgets[start.name] = Budget.of(training.model)
            for size, sized in of_sizes.items():
                planned = RunPlan(sized)
                kept = max(kept, planned.kept_weights)
                evaluations = _evaluations(planned, sized.config)
                runs[start.name, size] = PlannedRun(
                    counts[size], counts[size] / total, planned.total_updates, evaluations,
                    speeds[shape].seconds(size, planned.total_updates, evaluations),
                    identity_of(sized),
                )
            del training, of_sizes
            gc.collect()  # A model and its graphs refer to each other.
    dev_rows = len(prepared.tasks[task.name].examples["dev"])
    return PlannedCurve(task, prepared.config, dev_rows, runs, budgets, kept, taught_by)


def _untaught(prepared: Prepared) -> Prepared:
    """What was prepared, to be timed without teachers, who are not asked for that."""
    return replace(prepared, config=replace(prepared.config, **dict.fromkeys(_OF_TEACHERS)))


def _counts(
    task: Task, train: Examples, configs: Mapping[float, TrainConfig], sizes: Sizes
) -> tuple[dict[float, int], int]:
    """Size -> rows that are trained on; and how many there are in all."""
    whole, _ = chosen_rows(task, train, _whole(configs[sizes.values[0]]))
    total = len(train) if whole is None else len(whole)
    counts: dict[float, int] = {}
    before = np.empty(0, np.int64)
    for size, config in configs.items():
        if sizes.setting == "train_examples" and size > total:
            raise UserError(
                f"--train_examples {Sizes.name(size)}: {task.name} has {total} training rows; "
                "name no more"
            )
        rows, _ = chosen_rows(task, train, config)
        if len(rows) == len(before):
            smaller = list(configs)[len(counts) - 1]
            raise UserError(
                f"--{sizes.setting}: {Sizes.name(smaller)} and {Sizes.name(size)} are the same "
                f"{len(rows)} of the {total} training rows of {task.name}; leave one out"
            )
        # A picture of other rows would be another picture, so this is never taken on trust.
        assert np.array_equal(rows[: len(before)], before)
        counts[size], before = len(rows), rows
    return counts, total


def _whole(config: TrainConfig) -> TrainConfig:
    return TrainConfig(**{**asdict(config), "train_examples": None, "train_fraction": None})


def _check_alike(one: TrainConfig, other: TrainConfig, first: Start, start: Start) -> None:
    """Raises UserError where two starts would be trained with different settings."""
    differ = [
        f"{name} {getattr(one, name)} and {value}" for name, value in asdict(other).items()
        if name not in _OF_STARTS and getattr(one, name) != value
    ]
    if differ:
        flags = " ".join(f"--{item.split()[0]}" for item in differ)
        raise UserError(
            f"it would not be trained as {first.name} is: {', '.join(differ)} (the built-in tiny "
            f"encoder has settings of its own); give {flags}"
        )


def _evaluations(planned: RunPlan, config: TrainConfig) -> int:
    interval = evaluation_interval(config.evaluate_every, planned.updates_per_epoch)
    # The end is scored, and once more with the weights that are kept.
    return -(-planned.total_updates // interval) + 1


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], seed: int) -> list[str]:
    """Names of what decides a result and is not alike, for a run of some seed."""
    names = []
    for name, value in wanted.items():
        other = found.get(name)
        if name == "config":
            left = {**value, "seed": seed}
            names += [n for n in left.keys() | other.keys() if left.get(n) != other.get(n)]
        elif name in ("encoder", "language_model") and seed != wanted["config"]["seed"]:
            continue  # Random weights are drawn by the seed.
        elif name != "teaching" and value != other:
            names.append(name)
    return sorted(names)
