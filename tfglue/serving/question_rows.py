"""Questions and passages as windows, made in the graph."""

from dataclasses import dataclass

import tensorflow as tf

from tfglue.data.aligned_text import AlignedText, align_text
from tfglue.data.span_features import SpanWindowing
from tfglue.data.tokenizer import BertTokenizer
from tfglue.serving.row_windows import RowWindows
from tfglue.serving.token_rows import TokenRows, first_of_each, with_special_tokens


@dataclass(frozen=True)
class QuestionRows:
    """`tfglue.data.span_features.SpanFeatures` inside the graph.

    Args:
        rows: the windows, those of one question side by side.
        question_of_row: int64 (rows,).
        passages: the distinct passages.
        passage_of_question: int32 (questions,).
        starts, ends: int32 (tokens,), characters of each token in its passage; -1 for tokens that
            are not of the passage.
        most_context: bool (tokens,), whether this window shows most of what is around the token.
    """

    rows: TokenRows
    question_of_row: tf.Tensor
    passages: AlignedText
    passage_of_question: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    most_context: tf.Tensor

    @property
    def questions(self) -> tf.Tensor:
        """How many there are, int64."""
        return tf.size(self.passage_of_question, out_type=tf.int64)


def question_rows(
    tokenizer: BertTokenizer, windowing: SpanWindowing, questions: tf.Tensor, contexts: tf.Tensor
) -> QuestionRows:
    """Cuts passages as `tfglue.data.span_features.span_features` does.

    In the graph a question that leaves no room for the passage is an InvalidArgumentError.

    Args:
        tokenizer: the encoder's.
        windowing: see there.
        questions, contexts: valid UTF-8 (questions,).
    """
    asked = tokenizer.tokenize(questions)
    distinct, passage = tf.unique(contexts)
    passages = align_text(tokenizer, distinct)
    most = tf.constant(windowing.max_query_length, tf.int64)
    asked = first_of_each(asked, tf.minimum(asked.row_lengths(), most))
    room = windowing.max_length - asked.row_lengths() - 3
    message = f"a question leaves no room for its passage in {windowing.max_length} tokens"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(room > 0), [message])]):
        lengths = tf.gather(passages.token_ids.row_lengths(), passage)
    windows = RowWindows.cut(lengths, room, windowing.doc_stride)
    first = tf.gather(passages.token_ids.row_starts(), passage)
    first = tf.gather(first, windows.sequence) + windows.starts
    shown = tf.ragged.range(first, first + windows.lengths)
    asked = tf.gather(asked, windows.sequence)
    rows = with_special_tokens(
        [asked, tf.gather(passages.token_ids.values, shown)], tokenizer.cls_id, tokenizer.sep_id
    )
    before = asked.row_lengths() + 2
    return QuestionRows(
        rows=rows,
        question_of_row=windows.sequence,
        passages=passages,
        passage_of_question=passage,
        starts=_of_passage(tf.gather(passages.starts, shown), before, -1),
        ends=_of_passage(tf.gather(passages.ends, shown), before, -1),
        most_context=_of_passage(
            shown.with_values(windows.most_context(lengths)), before, False
        ),
    )


def _of_passage(values: tf.RaggedTensor, before: tf.Tensor, other) -> tf.Tensor:
    """Values of the passage's tokens in each row, and `other` for the tokens around them."""
    others = tf.fill([tf.reduce_sum(before)], tf.constant(other, values.dtype))
    others = tf.RaggedTensor.from_row_lengths(others, before, validate=False)
    last = tf.fill([values.nrows(), 1], tf.constant(other, values.dtype))
    return tf.concat([others, values, last], axis=1).values
