"""A part of a passage that answers a question, or no answer."""

from abc import abstractmethod

import numpy as np
from keras import ops

from tfglue.config import TrainConfig
from tfglue.data.features import NO_LABEL
from tfglue.data.questions import Questions
from tfglue.data.span_features import CLS_POSITION, SpanWindowing, span_features
from tfglue.errors import UserError
from tfglue.kinds.kind import Calibration, Kind
from tfglue.metrics.null_threshold import best_threshold
from tfglue.models.encoder import MASKED_SCORE
from tfglue.predictions.spans import SpanPredictions
from tfglue.setting_values import has_negatives, null_threshold
from tfglue.tasks.task import Task

NULL_THRESHOLD = "null_score_diff_threshold"

_TUNING_SHARE = 0.1


class QuestionKind(Kind):
    """What kinds on questions and passages share: windows, what users type, what is tuned on."""

    def encode(self, task, examples, tokenizer, config, training=False):
        """Windows of at most `max_length` tokens."""
        return span_features(examples, tokenizer, self.windowing(task, config), training)

    def windowing(self, task: Task, config: TrainConfig) -> SpanWindowing:
        """How passages are cut."""
        return SpanWindowing(
            config.max_length, config.doc_stride, config.max_query_length,
            has_negatives(task, config),
        )

    @abstractmethod
    def threshold(
        self, task: Task, config: TrainConfig, calibration: Calibration
    ) -> float | None:
        """How far having no answer must win to be the answer; None where all have an answer."""

    def tuning_share(self, task, config):
        """A tenth, where a threshold is to be tuned."""
        tuned = has_negatives(task, config) and null_threshold(config) is None
        return _TUNING_SHARE if tuned else 0.0

    def typed(self, task, rows, origin):
        """Questions, each with the passage typed beside it.

        Raises UserError with origin and line for a blank one.
        """
        for number, row in enumerate(rows, start=1):
            for name, text in zip(task.text_fields, row, strict=True):
                if not text.strip():
                    raise UserError(f"{origin}:{number}: the {name} is blank")
        contexts = list(dict.fromkeys(context for _, context in rows))
        number = {context: place for place, context in enumerate(contexts)}
        return Questions(
            ids=[str(place) for place in range(len(rows))],
            origin=origin,
            texts=[question for question, _ in rows],
            contexts=contexts,
            context_of=np.array([number[context] for _, context in rows], np.int32),
            answers=None,
        )


class Span(QuestionKind):
    """Start and end of the answer, each by a softmax over the row's tokens.

    Devlin et al. 2019, 4.2, and 4.3 for questions without an answer, which point to [CLS].
    """

    every_token = True

    def num_outputs(self, task):
        """Start and end."""
        return 2

    def head_dropout(self, encoder):
        """None, as in Google's code."""
        return 0.0

    def losses(self, batch, logits):
        """Mean of the cross-entropies of start and end; 0 for windows without a label.

        Args:
            batch: labels are positions of the first and the last token, int32 (batch, 2).
            logits: (batch, time, 2).
        """
        mask = ops.cast(batch["padding_mask"], "float32")[:, :, None]
        # Padding is no place to point to, so that a loss does not depend on its neighbours' length.
        logits = ops.cast(logits, "float32") + (1 - mask) * MASKED_SCORE
        log_probabilities = ops.log_softmax(logits, axis=1)
        labels = ops.cast(batch["labels"], "int32")
        places = ops.maximum(labels, 0)[:, None, :]
        losses = -ops.mean(ops.take_along_axis(log_probabilities, places, axis=1)[:, 0], axis=-1)
        return ops.where(ops.all(labels != NO_LABEL, axis=-1), losses, 0.0)

    def predictions(self, task, examples, features, outputs, config, calibration):
        """The best spans of each question."""
        return SpanPredictions(
            task, examples, features, outputs, config.n_best_size, config.max_answer_length,
            self.threshold(task, config, calibration),
        )

    def threshold(self, task, config, calibration):
        """The given one, or what was tuned, on the difference of scores."""
        if not has_negatives(task, config):
            return None
        given = null_threshold(config)
        return calibration.get(NULL_THRESHOLD, 0.0) if given is None else given

    def classes(self, features):
        """Windows with and without the answer."""
        return (features.labels[:, 0] == CLS_POSITION).astype(np.int32)

    def floor(self, task, examples):
        """The F1 of never giving an answer."""
        return float(1 - examples.answerable.mean())

    def calibrate(self, predictions):
        """The threshold with the best F1."""
        scores = predictions.best_scores
        best = best_threshold(
            scores.f1, scores.has_answer, scores.answered, predictions.null_differences
        )
        return {NULL_THRESHOLD: best.value}
