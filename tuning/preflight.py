"""What is found out before the first trial: data, encoder, and whether settings fit them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from tfglue.errors import UserError
from tfglue.experiment import written_out
from tfglue.preparation import Prepared, prepare, with_settings
from tfglue.run_folder import RunFolder
from tfglue.run_plan import RunPlan
from tfglue.setting_values import evaluation_interval
from tfglue.task_choice import Say, choose_tasks
from tfglue.teachers import find_teachers
from tfglue.trainer import untrained
from tuning.dimension import Value
from tuning.plan import SearchPlan
from tuning.searchable import trial_settings

_OF_ROWS_AND_ENCODER = (
    "max_length", "freeze", "keep_layers", "doc_stride", "max_query_length",
    "null_score_diff_threshold",
)
"""Settings for which rows or encoder are made anew; all others go with those that are there."""

_NOWHERE = RunFolder("nowhere")


@dataclass(frozen=True)
class Inputs:
    """What all trials are made of.

    Args:
        encoder: digest of its weights.
        data: split -> digest of its rows.
        epochs: that a run trains, unless it is searched.
    """

    encoder: str
    data: Mapping[str, str]
    epochs: float

    @property
    def whole_epochs(self) -> int:
        """The epochs for Hyperband, where `preflight` has found them to be whole."""
        return int(self.epochs)


def preflight(plan: SearchPlan, say: Say) -> Inputs:
    """Reads data and encoder, and tries what would fail only in some trial.

    Args:
        plan: the search.
        say: takes each line of what is found.

    Raises:
        UserError: data or encoder cannot be read, or do not fit a value of the space.
    """
    first = {name: dimension.points(2)[0] for name, dimension in plan.space.items()}

    def about_data(line: str) -> None:
        if not line.startswith("settings:"):  # Those of one trial of many.
            say(line)

    prepared = _prepared(plan, first, about_data)
    one = prepared.tasks[plan.task]
    if "dev" not in one.examples:
        raise UserError("there are no rows to score trials on; give --tune_split or --dev_file")
    _check_dev(plan)
    if prepared.config.teachers:
        for teacher in find_teachers(prepared.config.teachers, [one.task]):
            teacher.check(one.task, one.examples["train"])
    warn_of_seen_rows(plan, prepared, say)
    if plan.config.tuner == "hyperband":
        _check_epochs(plan.config.factor, prepared)
    _try_values(plan, first, prepared)
    data = {split: facts["digest"] for split, facts in one.data_facts().items()}
    return Inputs(prepared.encoder_digest, data, prepared.config.epochs)


def _check_dev(plan: SearchPlan) -> None:
    """Raises UserError if the best of the search could not be scored on dev in the end."""
    if not plan.scored_on_dev_once:
        return
    whole = {name: value for name, value in plan.base.items() if name != "tune_split"}
    ((_, source),) = choose_tasks(whole, lambda line: None)
    splits = [split for split in source.splits() if split.startswith("dev")]
    if not splits:
        raise UserError(
            f"{source.description}: no dev split, on which the best settings are scored at the end"
        )
    for split in splits:
        if not source.read(split).labelled:
            raise UserError(f"{source.description}: {split} has no labels to score the best on")


def _check_epochs(factor: int, prepared: Prepared) -> None:
    """Raises UserError if Hyperband could not pause runs where it means to."""
    config = prepared.config
    if config.epochs != int(config.epochs) or config.epochs < factor:
        raise UserError(
            f"--epochs {config.epochs:g}: hyperband shares out whole epochs, --factor ({factor}) "
            "of them or more"
        )
    per_epoch = RunPlan(prepared).updates_per_epoch
    if per_epoch % evaluation_interval(config.evaluate_every, per_epoch):
        raise UserError(
            f"--evaluate_every {config.evaluate_every}: hyperband pauses runs at the end of an "
            f"epoch, of {per_epoch} updates here, and there must be an evaluation; leave it out"
        )


def _try_values(plan: SearchPlan, first: Mapping[str, Value], prepared: Prepared) -> None:
    """Makes the model of a trial with every value, of ranges with their ends, beside the first."""
    untrained(prepared, _NOWHERE)
    for name, dimension in plan.space.items():
        for value in dimension.points(2):
            values = first | {name: value}
            if name in _OF_ROWS_AND_ENCODER:
                changed = _prepared(plan, values, lambda line: None)
            else:
                changed = with_settings(prepared, _given(plan, values))
            untrained(changed, _NOWHERE)
    for values in _pairs_of_parts(plan):
        _given(plan, first | values)


def _prepared(plan: SearchPlan, values: Mapping[str, Value], say: Say) -> Prepared:
    return prepare(_given(plan, values), say)


def _given(plan: SearchPlan, values: Mapping[str, Value]) -> dict[str, Any]:
    return written_out(trial_settings(plan.base, values))


def _pairs_of_parts(plan: SearchPlan) -> Iterator[dict[str, Value]]:
    """Values of two settings of a head or an adapter, which may exclude each other."""
    parts = [(name, one.points(2)) for name, one in plan.space.items() if "." in name]
    for (one, some), (other, others) in combinations(parts, 2):
        for values in product(some, others):
            yield dict(zip((one, other), values, strict=True))


def warn_of_seen_rows(plan: SearchPlan, prepared: Prepared, say: Say) -> None:
    """Says so where the encoder was trained on the very rows that trials are scored on.

    Larger shares hold out all rows that smaller ones do.
    """
    initial, share = prepared.initial, plan.base.get("tune_split")
    if initial is None or not share:
        return
    steps = list(initial.manifest["parents"])
    if initial.manifest["result"].get("updates", 0) > 0:
        steps.append({
            "run": initial.name, "tasks": list(initial.manifest["tasks"]),
            "tune_split": initial.manifest["config"].get("tune_split"),
        })
    for step in steps:
        if plan.task in step["tasks"] and (step.get("tune_split") or 0) < share:
            say(
                f"warning: {step['run']} was trained on rows of {plan.task} that trials are scored "
                f"on, so scores are too high; train it with --tune_split {share:g}"
            )
