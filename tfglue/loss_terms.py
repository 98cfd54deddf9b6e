"""Which terms a run's loss has beside the tasks' own, by its settings."""

from collections.abc import Mapping

from tfglue.config import TrainConfig
from tfglue.kinds.kind import OTHER
from tfglue.preparation import PreparedTask
from tfglue.training.adversarial import Smoothing
from tfglue.training.distillation import SOFT_TARGETS, Distillation
from tfglue.training.hidden_matching import TEACHER_STATES, HiddenMatching
from tfglue.training.loss_term import LossTerm
from tfglue.training.masked_words import MaskedWords
from tfglue.training.smart_config import read_smart


def loss_terms(config: TrainConfig, tasks: Mapping[str, PreparedTask]) -> list[LossTerm]:
    """The terms that the settings ask for; one of weight 0 is none.

    Args:
        config: settings of the run.
        tasks: task name -> what was prepared for it, teachers' answers included.
    """
    terms: list[LossTerm] = []
    smart = read_smart(config.smart)
    if smart is not None and smart.weight:
        terms.append(Smoothing(smart, [n for n, one in tasks.items() if one.kind.answers != OTHER]))
    if config.distill_weight:
        taught = _tasks_with(tasks, SOFT_TARGETS)
        terms.append(Distillation(config.distill_weight, config.temperature, taught))
    if config.match_hidden:
        terms.append(HiddenMatching(config.match_hidden, _tasks_with(tasks, TEACHER_STATES)))
    if config.mlm_weight:
        per_row = {n: float(one.features["train"].loss_terms.mean()) for n, one in tasks.items()}
        terms.append(MaskedWords(config.mlm_weight, per_row))
    return terms


def unsmoothed(config: TrainConfig, tasks: Mapping[str, PreparedTask]) -> list[str]:
    """A line for every task that goes without the smoothing that others have."""
    if read_smart(config.smart) is None:
        return []
    return [
        f"{name}: no smoothing, it is of kind {one.task.kind}"
        for name, one in tasks.items() if one.kind.answers == OTHER
    ]


def _tasks_with(tasks: Mapping[str, PreparedTask], target: str) -> list[str]:
    return [n for n, one in tasks.items() if target in one.features["train"].targets]
