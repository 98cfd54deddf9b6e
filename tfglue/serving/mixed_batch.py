"""Batches of several tasks, answered inside the graph."""

from collections.abc import Mapping

import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.serving.forward import Forward
from tfglue.serving.served_task import Asked, ServedTask, Tensors
from tfglue.serving.served_texts import ServedTexts
from tfglue.serving.token_rows import TokenRows

_BLANKS = {tf.string: "", tf.float32: 0.0, tf.int32: -1}
"""Stands for what a task does not answer."""


class MixedBatch:
    """Answers rows of which each names its task.

    Texts of tasks without adapters go through the encoder together; all others task by task.

    Args:
        tasks: task name -> how it is answered.
        tokenizer: the encoder's.
        forward: the model.
    """

    def __init__(
        self, tasks: Mapping[str, ServedTask], tokenizer: BertTokenizer, forward: Forward
    ):
        self.tasks = dict(tasks)
        self.tokenizer = tokenizer
        self.forward = forward

    def specs(self) -> dict[str, tf.TensorSpec]:
        """``task``, ``text_a`` and ``text_b`` (batch,); tasks on one text have an empty second."""
        names = ("task", "text_a", "text_b")
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}

    def __call__(self, inputs: Tensors) -> Tensors:
        """Answers of all rows, by the names that any of the tasks has for them.

        What a task does not answer is empty, 0 or -1. In the graph an unknown task is an
        InvalidArgumentError that names it, and so is a second text where a task reads one.
        """
        with tf.control_dependencies(self._checks(inputs)):
            task = tf.identity(inputs["task"])
        rows, asked = {}, {}
        for name, served in self.tasks.items():
            rows[name] = tf.where(task == name)[:, 0]
            texts = tuple(tf.gather(inputs[key], rows[name]) for key in ("text_a", "text_b"))
            asked[name] = served.ask(self.tokenizer, served.from_texts(texts))
        logits = self._logits(asked)
        found = {
            name: served.answer(asked[name], logits[name]) for name, served in self.tasks.items()
        }
        return _joined(list(found.values()), list(rows.values()))

    def _checks(self, inputs: Tensors) -> list[tf.Operation]:
        names = tf.constant(list(self.tasks))
        known = tf.reduce_any(inputs["task"][:, None] == names, axis=1)
        unknown = tf.boolean_mask(inputs["task"], ~known)
        single = [name for name, served in self.tasks.items() if len(served.task.text_fields) == 1]
        of_single = tf.reduce_any(inputs["task"][:, None] == tf.constant(single, tf.string), axis=1)
        spare = tf.boolean_mask(inputs["task"], of_single & (inputs["text_b"] != ""))
        listed = ", ".join(self.tasks)
        return [
            tf.debugging.Assert(tf.size(found) == 0, [message, found])
            for message, found in (
                (f"unknown task (known: {listed}):", unknown),
                ("text_b must be empty, since one text is read by:", spare),
            )
        ]

    def _logits(self, asked: Mapping[str, Asked]) -> dict[str, tf.Tensor]:
        """Logits of each task for its own rows."""
        together = [
            name for name, served in self.tasks.items()
            if isinstance(served, ServedTexts) and self.forward.shares_passes(name)
        ]
        found = {
            name: self.forward([name], one.rows)[0]
            for name, one in asked.items() if name not in together
        }
        if together:
            rows = [asked[name].rows for name in together]
            sizes = [tf.size(own.first_lengths) for own in rows]
            of_all = self.forward(together, _concatenated(rows))
            for place, name in enumerate(together):
                found[name] = tf.split(of_all[place], sizes, num=len(sizes))[place]
        return found


def _concatenated(rows: list[TokenRows]) -> TokenRows:
    lengths = tf.concat([own.lengths for own in rows], axis=0)
    splits = tf.concat([[0], tf.cumsum(tf.cast(lengths, tf.int64))], axis=0)
    return TokenRows(
        tf.concat([own.token_ids for own in rows], axis=0), splits,
        tf.concat([own.first_lengths for own in rows], axis=0),
    )


def _joined(outputs: list[Tensors], rows: list[tf.Tensor]) -> Tensors:
    """Outputs of all tasks, each row where it was asked."""
    place = tf.argsort(tf.concat(rows, axis=0))
    joined = {}
    for name in dict.fromkeys(name for one in outputs for name in one):
        like = next(one[name] for one in outputs if name in one)
        blank = tf.constant(_BLANKS[like.dtype], like.dtype)
        parts = []
        for one, own in zip(outputs, rows, strict=True):
            missing = tf.fill(tf.concat([tf.shape(own), [0] * (like.shape.rank - 1)], 0), blank)
            parts.append(one.get(name, missing))
        if like.shape.rank == 2:
            width = tf.reduce_max([tf.shape(part)[1] for part in parts])
            parts = [_widened(part, width, blank) for part in parts]
        joined[name] = tf.gather(tf.concat(parts, axis=0), place)
    return joined


def _widened(part: tf.Tensor, width: tf.Tensor, blank: tf.Tensor) -> tf.Tensor:
    return tf.pad(part, [[0, 0], [0, width - tf.shape(part)[1]]], constant_values=blank)
