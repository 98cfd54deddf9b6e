"""Requests that a server answers when it has loaded the model, before it takes others."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.serving.prediction_requests import Request
from tfglue.serving.served_task import ServedTask
from tfglue.serving.signatures import Signature

_BATCHES = (1, 8)
_SHORT = 8
_SENTENCE = "the people of a small town by the sea had never seen so many ships in one day"


def warmup_requests(
    signatures: Sequence[Signature], tasks: Mapping[str, ServedTask], tokenizer: BertTokenizer
) -> list[Request]:
    """For each signature short and long texts, alone and several at once.

    Long ones fill a row. The sentences are ours: nothing of the data that was trained on.
    """
    found = []
    for signature in signatures:
        names = [signature.task] if signature.task else list(tasks)
        for batch in _BATCHES:
            for words in (_SHORT, max(tasks[name].config.max_length for name in names)):
                inputs = example_inputs(signature, tasks, tokenizer, batch, words)
                found.append((signature.name, inputs))
    return found


def example_inputs(
    signature: Signature,
    tasks: Mapping[str, ServedTask],
    tokenizer: BertTokenizer,
    batch: int,
    words: int,
) -> dict[str, np.ndarray]:
    """Inputs of a signature: a batch of texts of so many words.

    Args:
        signature: what is asked.
        tasks: how each task is answered.
        tokenizer: the encoder's.
        batch: how many texts.
        words: words of each; rows of token ids are cut to the run's length.
    """
    if signature.form == "mixed":
        names = [list(tasks)[number % len(tasks)] for number in range(batch)]
        texts = [[_text(_words(key, words)) for key in tasks[name].inputs] for name in names]
        return {
            "task": _strings(names), "text_a": _strings([own[0] for own in texts]),
            "text_b": _strings([own[1] if len(own) > 1 else "" for own in texts]),
        }
    if signature.form == "token_ids":
        rows = np.full((batch, min(words, tasks[signature.task].config.max_length)),
                       tokenizer.unk_id, np.int32)
        rows[:, 0], rows[:, -1] = tokenizer.cls_id, tokenizer.sep_id
        return {name: rows if name == "token_ids" else 0 * rows for name in signature.specs}
    texts = {
        name: np.array([[word.encode() for word in _text(words).split()]] * batch, object)
        if name == "words" else _strings([_text(_words(name, words))] * batch)
        for name in tasks[signature.task].inputs
    }
    return {"examples": serialized(texts)} if signature.form == "examples" else texts


def serialized(texts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Inputs of a signature on text as `tf.train.Example`, each serialised: bytes (batch,)."""
    rows = []
    for row in range(len(next(iter(texts.values())))):
        values = {
            name: [text for text in np.atleast_1d(column[row]) if text or column.ndim == 1]
            for name, column in texts.items()
        }
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=own))
            for name, own in values.items()
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        rows.append(example.SerializeToString())
    return np.array(rows, object)


def _words(name: str, words: int) -> int:
    """Questions stay short, so that there is room for the passage."""
    return min(words, _SHORT) if name == "question" else words


def _text(words: int) -> str:
    known = _SENTENCE.split()
    return " ".join(known[number % len(known)] for number in range(words))


def _strings(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts], object)
