"""The signatures of an export: what clients call, by name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError, suggestion
from tfglue.serving.forward import Forward
from tfglue.serving.mixed_batch import MixedBatch
from tfglue.serving.served_task import ServedTask, Tensors
from tfglue.serving.token_rows import TokenRows
from tfglue.serving.valid_text import valid_text
from tfglue.setting_values import task_list

FORMS = ("strings", "token_ids", "examples", "mixed")
"""What may be asked: text; rows of token ids; serialised `tf.train.Example`; text of any task."""

DEFAULT = "serving_default"


@dataclass(frozen=True)
class Signature:
    """One of the functions that a SavedModel has for clients.

    Args:
        name: what clients call it by.
        form: one of `FORMS`.
        task: the task it answers; empty for all of them.
        function: maps tensors by name to tensors by name.
        specs: the inputs.
    """

    name: str
    form: str
    task: str
    function: Callable[[Tensors], Tensors]
    specs: Mapping[str, tf.TensorSpec]


def chosen_forms(text: str | None, num_tasks: int) -> tuple[str, ...]:
    """The forms that ``--signatures`` names, and text; all that a run can have if None.

    Raises:
        UserError: a name is unknown, or the run cannot have it.
    """
    possible = FORMS if num_tasks > 1 else FORMS[:-1]
    names = possible if text is None else ("strings", *task_list(text))
    for name in names:
        if name not in FORMS:
            raise UserError(
                f"--signatures: unknown form '{name}'{suggestion(name, FORMS)} "
                f"(known: {', '.join(FORMS)})"
            )
        if name not in possible:
            raise UserError(
                f"--signatures: '{name}' is for runs of several tasks, and this run has one; "
                f"leave it out (possible: {', '.join(possible)})"
            )
    return tuple(form for form in FORMS if form in names)


def build_signatures(
    tasks: Mapping[str, ServedTask],
    tokenizer: BertTokenizer,
    forward: Forward,
    forms: Sequence[str],
) -> list[Signature]:
    """All signatures of a run.

    A run of one task has ``serving_default`` (text), ``token_ids`` and ``examples``. One of several
    has ``<task>``, ``<task>_token_ids``, ``<task>_examples`` for each of them, and for mixed
    batches ``serving_default``.
    """
    found = []
    if "mixed" in forms:
        mixed = MixedBatch(tasks, tokenizer, forward)
        found.append(
            Signature(DEFAULT, "mixed", "", lambda inputs: mixed(_valid(inputs)), mixed.specs())
        )
    for name, served in tasks.items():
        answers = _of_text(name, served, tokenizer, forward)
        names = {"strings": name, "token_ids": f"{name}_token_ids", "examples": f"{name}_examples"}
        if len(tasks) == 1:
            names = {"strings": DEFAULT, "token_ids": "token_ids", "examples": "examples"}
        functions = {
            "strings": (answers, served.specs()),
            "token_ids": _of_token_ids(name, served, tokenizer, forward),
            "examples": _of_examples(served, answers),
        }
        found += [
            Signature(names[form], form, name, *functions[form])
            for form in functions if form in forms
        ]
    return found


def _valid(inputs: Tensors) -> Tensors:
    return {name: valid_text(strings) for name, strings in inputs.items()}


def _of_text(
    name: str, served: ServedTask, tokenizer: BertTokenizer, forward: Forward
) -> Callable[[Tensors], Tensors]:
    def answers(inputs: Tensors) -> Tensors:
        asked = served.ask(tokenizer, _valid(inputs))
        return served.answer(asked, forward([name], asked.rows)[0])

    # One function, which the signatures that take text have in common.
    return tf.function(answers, input_signature=[served.specs()], autograph=False)


def _of_examples(served: ServedTask, answers: Callable[[Tensors], Tensors]):
    def parsed(inputs: Tensors) -> Tensors:
        found = tf.io.parse_example(inputs["examples"], served.features())
        return answers(served.from_examples(found))

    return parsed, {"examples": tf.TensorSpec([None], tf.string, name="examples")}


def _of_token_ids(name: str, served: ServedTask, tokenizer: BertTokenizer, forward: Forward):
    names = ("token_ids", "segment_ids") if served.segments else ("token_ids",)

    def answers(inputs: Tensors) -> Tensors:
        rows = _rows(inputs, tokenizer, forward.model.encoder.max_sequence_length)
        return served.answer_rows(rows, forward([name], rows)[0])

    return answers, {name: tf.TensorSpec([None, None], tf.int32, name=name) for name in names}


def _rows(inputs: Tensors, tokenizer: BertTokenizer, positions: int) -> TokenRows:
    """Rows of ids (batch, time), filled up with [PAD].

    In the graph ids outside the vocabulary, rows longer than the encoder has positions and segment
    ids other than zeros with ones behind them are InvalidArgumentErrors.
    """
    token_ids = inputs["token_ids"]
    place = tf.range(tf.shape(token_ids)[1])
    last = tf.reduce_max(tf.where(token_ids != tokenizer.pad_id, place + 1, 0), axis=1)
    lengths = tf.maximum(last, 1)
    segments = inputs.get("segment_ids", tf.zeros_like(token_ids))
    shown = place < lengths[:, None]
    first_lengths = tf.reduce_sum(tf.cast(shown & (segments == 0), tf.int32), axis=1)
    expected = tf.cast(place >= first_lengths[:, None], tf.int32)
    in_vocabulary = (token_ids >= 0) & (token_ids < len(tokenizer.vocabulary))
    fits = (tf.shape(token_ids)[1] >= 1) & tf.reduce_all(lengths <= positions)
    checks = [
        tf.debugging.Assert(holds, [message])
        for holds, message in (
            (fits, f"token_ids: 1 to {positions} tokens a row"),
            (tf.reduce_all(in_vocabulary),
             f"token_ids: ids from 0 to {len(tokenizer.vocabulary) - 1}"),
            (tf.reduce_all((segments == expected) | ~shown),
             "segment_ids: zeros for the first text, then ones for the second"),
        )
    ]
    with tf.control_dependencies(checks):
        rows = tf.RaggedTensor.from_tensor(token_ids, lengths=tf.cast(lengths, tf.int64))
    return TokenRows.of(rows, first_lengths)
