"""What is found out before the first trial: data, encoder, and whether settings fit them."""

from collections.abc import Mapping
from dataclasses import dataclass

from tfglue.errors import UserError
from tfglue.experiment import written_out
from tfglue.preparation import Prepared, prepare
from tfglue.task_choice import Say
from tuning.dimension import Value
from tuning.plan import SearchPlan
from tuning.searchable import trial_settings

# What they may be depends on the encoder and the rows.
_PROBED = ("max_length", "freeze", "doc_stride", "max_query_length")


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
    for name in _PROBED:
        if name in plan.space:
            for value in plan.space[name].points(2):
                _prepared(plan, first | {name: value}, lambda line: None)
    for name, dimension in plan.space.items():
        for value in dimension.points(2):  # Settings of heads and adapters may exclude each other.
            trial_settings(plan.base, first | {name: value})
    one = prepared.tasks[plan.task]
    if "dev" not in one.examples:
        raise UserError("there are no rows to score trials on; give --tune_split or --dev_file")
    _warn_of_seen_rows(plan, prepared, say)
    config = plan.config
    if config.tuner == "hyperband":
        epochs = prepared.config.epochs
        if epochs != int(epochs) or epochs < config.factor:
            raise UserError(
                f"--epochs {epochs:g}: hyperband shares out whole epochs, --factor "
                f"({config.factor}) of them or more"
            )
    data = {split: facts["digest"] for split, facts in one.data_facts().items()}
    return Inputs(prepared.encoder_digest, data, prepared.config.epochs)


def _prepared(plan: SearchPlan, values: Mapping[str, Value], say: Say) -> Prepared:
    return prepare(written_out(trial_settings(plan.base, values)), say)


def _warn_of_seen_rows(plan: SearchPlan, prepared: Prepared, say: Say) -> None:
    """Says so where the encoder was trained on the very rows that trials are scored on."""
    initial, share = prepared.initial, plan.base.get("tune_split")
    if initial is None or not share:
        return
    before = initial.manifest
    trained = before["result"].get("updates", 0) > 0 and plan.task in before["tasks"]
    if trained and before["config"].get("tune_split") != share:
        say(
            f"warning: {initial.name} was trained on all rows of {plan.task}, those that trials "
            f"are scored on among them, so scores are too high; train it with --tune_split {share}"
        )
