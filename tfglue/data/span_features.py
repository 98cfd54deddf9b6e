"""Questions and passages as windows: [CLS] question [SEP] part of the passage [SEP]."""

from dataclasses import dataclass

import numpy as np

from tfglue.data.aligned_tokens import AlignedTokens
from tfglue.data.features import NO_LABEL, Features
from tfglue.data.questions import Questions
from tfglue.data.token_cache import tokenize_aligned, tokenize_column
from tfglue.data.tokenizer import BertTokenizer
from tfglue.data.windows import Windows, cut_windows
from tfglue.errors import UserError

CLS_POSITION = 0
"""Where a window without the answer points to."""


@dataclass(frozen=True, kw_only=True)
class SpanFeatures(Features):
    """Windows of questions, those of one question side by side.

    Labels are the positions of the answer's first and last token in the row, int32 (rows, 2).

    Args:
        question_splits: int64 (questions + 1,), which rows are of which question.
        starts, ends: int32 (tokens,), characters ``context[start:end]`` of each token; -1 for
            tokens that are not of the passage.
        most_context: bool (tokens,), whether this window shows most of what is around the token.
    """

    question_splits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    most_context: np.ndarray

    @property
    def example_of_row(self) -> np.ndarray:
        """Which question each row is of, int64 (rows,)."""
        return np.repeat(np.arange(len(self.question_splits) - 1), np.diff(self.question_splits))


@dataclass(frozen=True)
class SpanWindowing:
    """How questions become windows.

    Args:
        max_length: tokens of a row at most.
        doc_stride: tokens from the beginning of a window to the next.
        max_query_length: tokens of a question; longer ones are cut.
        negatives: whether a window without the answer has a label, [CLS], or none.
    """

    max_length: int
    doc_stride: int
    max_query_length: int
    negatives: bool


def span_features(
    questions: Questions, tokenizer: BertTokenizer, windowing: SpanWindowing, training: bool = False
) -> SpanFeatures:
    """Cuts passages into windows and finds the answers in them.

    The answer is the first gold one. Its tokens are those that hold any of its characters, so that
    nothing has to be searched, as Google's code does on words of blanks. A window has the answer if
    it shows all of it.

    Args:
        questions: with or without answers.
        tokenizer: the encoder's.
        windowing: see there.
        training: leave out windows that have no label.

    Raises:
        UserError: a question leaves no room for the passage.
    """
    asked, asked_splits = tokenize_column(tokenizer, questions.texts)
    passages = tokenize_aligned(tokenizer, questions.contexts)
    asked_lengths = np.minimum(np.diff(asked_splits), windowing.max_query_length)
    room = windowing.max_length - asked_lengths - 3
    _check_room(questions, room, windowing)
    passage_lengths = np.diff(passages.row_splits)[questions.context_of]
    windows = cut_windows(passage_lengths, room, windowing.doc_stride)
    labels = None
    if questions.labelled:
        labels = _labels(questions, passages, windows, asked_lengths, windowing.negatives)
    most_context = windows.most_context()
    if training:
        kept = np.all(labels != NO_LABEL, axis=1)
        most_context = most_context[np.repeat(kept, windows.lengths)]
        windows, labels = windows.take(np.flatnonzero(kept)), labels[kept]

    asked_in_window = asked_lengths[windows.sequence]
    lengths = asked_in_window + windows.lengths + 3
    row_splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    token_ids = np.full(row_splits[-1], tokenizer.sep_id, np.int32)
    token_ids[row_splits[:-1]] = tokenizer.cls_id
    shown_asked = Windows(windows.sequence, np.zeros_like(windows.starts), asked_in_window)
    window, place = shown_asked.places()
    source = asked_splits[windows.sequence[window]] + place
    token_ids[row_splits[window] + 1 + place] = asked[source]
    window, place = windows.places()
    passage = questions.context_of[windows.sequence[window]]
    source = passages.row_splits[passage] + place
    target = row_splits[window] + 2 + asked_in_window[window] + place - windows.starts[window]
    token_ids[target] = passages.token_ids[source]
    starts, ends = (np.full(row_splits[-1], -1, np.int32) for _ in range(2))
    starts[target], ends[target] = passages.starts[source], passages.ends[source]
    best = np.zeros(row_splits[-1], bool)
    best[target] = most_context
    rows_of_question = np.bincount(windows.sequence, minlength=len(questions))
    return SpanFeatures(
        token_ids=token_ids,
        row_splits=row_splits,
        first_lengths=(asked_in_window + 2).astype(np.int32),
        labels=labels,
        truncated=int(np.count_nonzero(np.diff(asked_splits) > windowing.max_query_length)),
        question_splits=np.concatenate([[0], np.cumsum(rows_of_question)]).astype(np.int64),
        starts=starts,
        ends=ends,
        most_context=best,
    )


def _labels(
    questions: Questions,
    passages: AlignedTokens,
    windows: Windows,
    asked_lengths: np.ndarray,
    negatives: bool,
) -> np.ndarray:
    """First and last token of the answer in each window's row, int32 (windows, 2)."""
    first, last = np.full((2, len(questions)), -1, np.int64)
    for question, golds in enumerate(questions.answers):
        if golds:
            text, start = golds[0]
            begin, end = passages.row_splits[questions.context_of[question] :][:2]
            first[question] = np.searchsorted(passages.ends[begin:end], start, side="right")
            last[question] = np.searchsorted(passages.starts[begin:end], start + len(text)) - 1
    first, last = first[windows.sequence], last[windows.sequence]
    shown = (first >= windows.starts) & (last < windows.starts + windows.lengths) & (last >= first)
    offset = asked_lengths[windows.sequence] + 2 - windows.starts
    labels = np.stack([first, last], axis=1) + offset[:, None]
    absent = CLS_POSITION if negatives else NO_LABEL
    return np.where((shown & (first >= 0))[:, None], labels, absent).astype(np.int32)


def _check_room(questions: Questions, room: np.ndarray, windowing: SpanWindowing) -> None:
    if np.all(room >= 1):
        return
    worst = int(np.argmin(room))
    taken = windowing.max_length - 3 - room[worst]
    raise UserError(
        f"{questions.origin}: question {questions.ids[worst]} takes {taken} tokens of "
        f"--max_length {windowing.max_length} and leaves no room for the passage; shorten it, or "
        "train with a higher --max_length or a lower --max_query_length"
    )
