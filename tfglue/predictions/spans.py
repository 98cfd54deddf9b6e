"""Answers that are a part of a passage, or that there is none."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import softmax

from tfglue.data.questions import Questions
from tfglue.data.span_features import CLS_POSITION, SpanFeatures
from tfglue.files import json_text
from tfglue.metrics.question_scores import QuestionScores
from tfglue.metrics.span import official_scores, question_scores
from tfglue.metrics.span_plot import plot_answering
from tfglue.predictions.combination import combined_positions
from tfglue.predictions.predictions import Outputs, Predictions, nine_digits, tab_separated


@dataclass(frozen=True)
class Span:
    """A possible answer.

    Args:
        start, end: characters ``context[start:end]``; both 0 for no answer.
        text: those characters.
        start_logit, end_logit: what the model gave its first and last token.
    """

    start: int
    end: int
    text: str
    start_logit: float
    end_logit: float

    @property
    def score(self) -> float:
        """Sum of both logits."""
        return self.start_logit + self.end_logit


@dataclass(frozen=True)
class SpanPredictions(Predictions):
    """The best spans of each question (Devlin et al. 2019, 4.2 and 4.3).

    An answer begins in the window that shows most around its first token, ends after it in the same
    window, and is not longer than asked. Only such spans are ranked; Google's code takes the best
    starts and ends first and throws away what does not fit, which can leave none. Having no answer
    scores as [CLS] does in the window where that is least.

    Args:
        examples: `Questions`.
        features: `SpanFeatures`.
        outputs: logits (tokens, 2): start and end.
        n_best_size: starts and ends of a window that are combined, and answers that are kept.
        max_answer_length: tokens of an answer at most.
        null_threshold: no answer is given where its score beats the best answer's by more than
            this; None if every question has an answer.
    """

    n_best_size: int
    max_answer_length: int
    null_threshold: float | None

    examples: Questions
    features: SpanFeatures

    @cached_property
    def n_best(self) -> list[list[Span]]:
        """For each question its best answers, the best one first, each text once."""
        return [self._best_of(question) for question in range(len(self.examples))]

    @cached_property
    def null_spans(self) -> list[Span]:
        """For each question how having no answer scores."""
        first = self.features.row_splits[:-1] + CLS_POSITION
        logits = self.outputs.logits[first]
        scores = logits.sum(axis=1)
        splits = self.features.question_splits
        rows = [begin + np.argmin(scores[begin:end])
                for begin, end in pairwise(splits)]
        return [Span(0, 0, "", float(logits[row, 0]), float(logits[row, 1])) for row in rows]

    @cached_property
    def null_differences(self) -> np.ndarray:
        """float64 (questions,): by how much having no answer beats the best answer."""
        # Infinity, for a passage without a word, has no place in JSON.
        largest = float(np.finfo(np.float32).max)
        return np.array(
            [null.score - best[0].score if best else largest
             for null, best in zip(self.null_spans, self.n_best, strict=True)]
        )

    @cached_property
    def best_spans(self) -> list[Span]:
        """For each question the best answer, were there one."""
        return [best[0] if best else Span(0, 0, "", 0.0, 0.0) for best in self.n_best]

    @cached_property
    def answers(self) -> list[Span]:
        """For each question the answer given."""
        if self.null_threshold is None:
            return self.best_spans
        absent = self.null_differences > self.null_threshold
        return [
            null if none else best
            for none, null, best in zip(absent, self.null_spans, self.best_spans, strict=True)
        ]

    @cached_property
    def best_scores(self) -> QuestionScores:
        """Scores of the best answers, no question left unanswered."""
        return question_scores([span.text for span in self.best_spans], self._golds)

    def combined(self, others, mode):
        """The probabilities of start and end combined, each on its own, in every window.

        Answers are then found as any run's are, by the search over spans that are possible and by
        the mean of the thresholds, and not as the two most probable positions, however they lie to
        each other, which is what BERTVision took.
        """
        logits = [one.outputs.logits for one in (self, *others)]
        combined = combined_positions(logits, self.features.row_splits, mode)
        threshold = self.null_threshold
        if threshold is not None:
            threshold = float(np.mean([one.null_threshold for one in (self, *others)]))
        return replace(self, outputs=Outputs(combined, None), null_threshold=threshold)

    @property
    def answer_texts(self):
        """The texts of `answers`, empty where there is none."""
        return [span.text for span in self.answers]

    @property
    def gold_texts(self):
        """All gold answers, each once, between bars; empty where there is none."""
        return [
            " | ".join(dict.fromkeys(text for text, _ in golds)) for golds in self.examples.answers
        ]

    @property
    def right(self):
        """bool (questions,): whether the answer is an exact match."""
        return question_scores(self.answer_texts, self._golds).exact == 1

    def second_scores(self):
        """``exact_match`` and ``f1`` of the first of the n-best answers that is not the one given.

        Having no answer is one of them where that may be. Where there is no second answer, the
        scores are 0.
        """
        others = [
            next((span.text for span, _ in ranked if span.text != given.text), None)
            for given, ranked in zip(self.answers, self.ranked(), strict=True)
        ]
        found = question_scores([text or "" for text in others], self._golds)
        there = np.array([text is not None for text in others], bool)
        return {"exact_match": found.exact * there, "f1": found.f1 * there}

    def metrics(self):
        """``f1`` and ``exact_match``, fractions, as the official evaluation scores answers.

        Where questions may have no answer, also those of both kinds of questions.
        """
        scores = self.best_scores
        kinds = {"": np.ones(len(self.examples), bool)}
        if self.null_threshold is not None:
            scores = scores.with_threshold(self.null_differences, self.null_threshold)
            kinds |= {"has_answer_": scores.has_answer, "no_answer_": ~scores.has_answer}
        return {
            f"{prefix}{name}": float(values[chosen].mean())
            for prefix, chosen in kinds.items() if chosen.any()
            for name, values in (("f1", scores.f1), ("exact_match", scores.exact))
        }

    def records(self):
        """``id``, ``label`` (the answer), ``start`` and ``end`` in characters, ``score``.

        The score is the answer's probability among the best ones, having no answer among them where
        that may be.
        """
        return [
            {
                "id": question_id, "label": span.text, "start": span.start, "end": span.end,
                "score": nine_digits([dict(ranked)[span]])[0],
            }
            for question_id, span, ranked in zip(
                self.examples.ids, self.answers, self.ranked(), strict=True
            )
        ]

    def text(self):
        """The records as tab-separated text; white space in answers becomes a blank."""
        return tab_separated(
            [record | {"label": " ".join(record["label"].split())} for record in self.records()]
        )

    def files(self):
        """``predictions.json``, ``nbest_predictions.json``, ``null_odds.json``, ``official.json``.

        The formats are those of SQuAD's official evaluation and Google's code; the last one holds
        the official scores, in percent, the best thresholds among them.
        """
        ids = self.examples.ids
        texts = {name: span.text for name, span in zip(ids, self.answers, strict=True)}
        files = {"/predictions.json": json_text(texts)}
        best = {
            name: [_official(span, probability) for span, probability in ranked]
            for name, ranked in zip(ids, self.ranked(), strict=True)
        }
        files["/nbest_predictions.json"] = json_text(best)
        if self.null_threshold is not None:
            odds = dict(zip(ids, self.null_differences.tolist(), strict=True))
            files["/null_odds.json"] = json_text(odds)
        if self.examples.labelled:
            differences = None if self.null_threshold is None else self.null_differences
            official = official_scores(self.best_scores, differences, self.null_threshold)
            files["/official.json"] = json_text(official)
        return files

    def write(self, place):
        """Writes `files` and, where questions may have no answer, ``answering.png`` and its CSV."""
        super().write(place)
        labelled = self.examples.labelled and self.examples.answerable.any()
        if self.null_threshold is not None and labelled:
            plot_answering(
                self.best_scores, self.null_differences, place / "answering.png",
                title=f"{self.task.name} {place.name}", threshold=self.null_threshold,
            )

    @property
    def _golds(self) -> list[list[str]]:
        return [[text for text, _ in golds] for golds in self.examples.answers]

    def ranked(self) -> Iterator[list[tuple[Span, float]]]:
        """For each question all that was considered with its probability, best first."""
        for null, best in zip(self.null_spans, self.n_best, strict=True):
            spans = list(best)
            if self.null_threshold is not None:
                spans.append(null)
            spans = sorted(spans, key=lambda span: -span.score) or [Span(0, 0, "", 0.0, 0.0)]
            probabilities = softmax(np.array([span.score for span in spans]))
            yield list(zip(spans, probabilities.tolist(), strict=True))

    def _best_of(self, question: int) -> list[Span]:
        features, context = self.features, self.examples.context(question)
        found: list[tuple[float, int, int]] = []
        begin, end = features.question_splits[question : question + 2]
        for row in range(begin, end):
            found += self._candidates(*features.row_splits[row : row + 2])
        # The order of equals is that of the passage, so that it is the same everywhere.
        found.sort(key=lambda candidate: (-candidate[0], candidate[1], candidate[2]))
        best: dict[str, Span] = {}
        for _, first, last in found:
            if len(best) == self.n_best_size:
                break
            start, stop = int(features.starts[first]), int(features.ends[last])
            text = context[start:stop]
            logits = self.outputs.logits
            best.setdefault(
                text, Span(start, stop, text, float(logits[first, 0]), float(logits[last, 1]))
            )
        return list(best.values())

    def _candidates(self, begin: int, end: int) -> list[tuple[float, int, int]]:
        """Score, first and last token of possible answers in one window."""
        features, logits = self.features, self.outputs.logits
        of_passage = np.flatnonzero(features.starts[begin:end] >= 0) + begin
        firsts = of_passage[features.most_context[of_passage]]
        firsts = firsts[np.argsort(-logits[firsts, 0], kind="stable")[: self.n_best_size]]
        lasts = of_passage[np.argsort(-logits[of_passage, 1], kind="stable")[: self.n_best_size]]
        length = lasts[None, :] - firsts[:, None] + 1
        rows, columns = np.nonzero((length >= 1) & (length <= self.max_answer_length))
        firsts, lasts = firsts[rows], lasts[columns]
        scores = logits[firsts, 0].astype(np.float64) + logits[lasts, 1]
        return list(zip(scores.tolist(), firsts.tolist(), lasts.tolist(), strict=True))


def _official(span: Span, probability: float) -> dict[str, Any]:
    return {
        "text": span.text, "probability": probability, "start_logit": span.start_logit,
        "end_logit": span.end_logit,
    }
