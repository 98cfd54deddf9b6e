"""Masked language modelling as a task, made of whatever text is at hand."""

from tfglue.tasks.task import Recipe, Task

NAME = "masked_lm"
KIND = "masked"

_METRICS = ("log_likelihood", "masked_accuracy", "perplexity")
_RECIPE = Recipe(
    max_length=128, batch_size=32, learning_rate=5e-5, epochs=3.0,
    source="the example of transformers for training on text",
)  # fmt: skip


def language_model_task(next_sentence: bool) -> Task:
    """The task: masked tokens, and with `next_sentence` whether two segments follow each other.

    Devlin et al. 2019, 3.1.
    """
    if next_sentence:
        fields, metrics = ("segment", "next_segment"), (*_METRICS, "next_sentence_accuracy")
    else:
        fields, metrics = ("text",), _METRICS
    return Task(name=NAME, kind=KIND, text_fields=fields, metrics=metrics, recipe=_RECIPE)
