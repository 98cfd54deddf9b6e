"""Answers that are a tag for each word."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import softmax

from tfglue.data.tag_features import TagFeatures
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tagged_text import tagged_text
from tfglue.files import json_text
from tfglue.metrics import tagging
from tfglue.metrics.classification import f1
from tfglue.predictions.combination import combined_classes
from tfglue.predictions.predictions import Outputs, Predictions, nine_digits

METRICS = {
    "entity_f1": tagging.entity_f1, "precision": tagging.precision, "recall": tagging.recall,
    "accuracy": tagging.accuracy,
}
"""Metrics of tags by name; ``f1`` is one, too, of tasks with two tags."""


@dataclass(frozen=True)
class TagPredictions(Predictions):
    """The most probable tag of each word, as its first piece says it.

    Args:
        examples: `TaggedSentences`.
        features: `TagFeatures`.
        outputs: logits (tokens, tags).
    """

    examples: TaggedSentences
    features: TagFeatures

    @cached_property
    def word_logits(self) -> np.ndarray:
        """(words, tags), of the outputs' type."""
        logits = np.empty(
            (len(self.examples.words), len(self.task.labels)), self.outputs.logits.dtype
        )
        logits[self.features.word_of_token[self._answering]] = self.outputs.logits[self._answering]
        return logits

    def combined(self, others, mode):
        """The tags' probabilities combined, word by word; rows and pieces may differ."""
        of_words = combined_classes([one.word_logits for one in (self, *others)], mode)
        logits = np.zeros((len(self.features.token_ids), len(self.task.labels)))
        logits[self._answering] = of_words[self.features.word_of_token[self._answering]]
        return replace(self, outputs=Outputs(logits, None))

    @property
    def answer_texts(self):
        """The tags of every sentence, between blanks."""
        return [" ".join(tags) for tags in self._by_sentence(self.tags)]

    @property
    def gold_texts(self):
        """The gold tags of every sentence, between blanks."""
        return [" ".join(tags) for tags in self._by_sentence(self._gold)]

    @property
    def right(self):
        """bool (sentences,): whether all tags of the sentence are right."""
        wrong = np.concatenate([[0], np.cumsum(self.values != self.examples.tags)])
        return np.diff(wrong[self.examples.row_splits]) == 0

    @cached_property
    def values(self) -> np.ndarray:
        """Tag ids, (words,)."""
        return np.argmax(self.word_logits, axis=-1)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float64 (words, tags)."""
        return softmax(self.word_logits.astype(np.float64), axis=-1)

    @cached_property
    def scores(self) -> np.ndarray:
        """Probabilities of these tags, (words,)."""
        return self.probabilities.max(axis=-1)

    @cached_property
    def tags(self) -> list[str]:
        """The tag of every word."""
        return [self.task.labels[value] for value in self.values]

    def metrics(self):
        """The task's metrics over all words, or over all entities that the tags spell."""
        gold, predicted = self._by_sentence(self._gold), self._by_sentence(self.tags)
        return {
            # Where there are two tags, as of right and wrong words, F1 is that of the second.
            name: f1(self.examples.tags, self.values) if name == "f1"
            else METRICS[name](gold, predicted)
            for name in self.task.metrics
        }

    def records(self):
        """``id``, ``words``, ``labels``, and ``probabilities`` of these labels."""
        columns = (self.examples.words, self.tags, nine_digits(self.scores))
        return [
            {"id": sentence_id, "words": words, "labels": tags, "probabilities": sure}
            for sentence_id, words, tags, sure in zip(
                self.examples.ids, *map(self._by_sentence, columns), strict=True
            )
        ]

    def text(self):
        """The columns of the file that the words came from, with these tags."""
        return tagged_text(self.examples, self.tags)

    def files(self):
        """The answers in the columns of the file that the words came from; a report by label."""
        file = self.examples.file
        suffix = ".conllu" if file is not None and file.name.endswith(".conllu") else ".txt"
        files = {f"/predictions{suffix}": self.text()}
        if self.examples.labelled:
            gold, predicted = self._by_sentence(self._gold), self._by_sentence(self.tags)
            spelled = "entity_f1" in self.task.metrics
            report = tagging.per_label_report if spelled else tagging.token_label_report
            rows = [row._asdict() for row in report(gold, predicted)]
            files["/report.json"] = json_text(rows)
        return files

    @property
    def _answering(self) -> np.ndarray:
        """The tokens that answer for a word."""
        return np.flatnonzero(self.features.word_of_token >= 0)

    @property
    def _gold(self) -> list[str]:
        return [self.task.labels[tag] for tag in self.examples.tags]

    def _by_sentence(self, values: list) -> list[list]:
        splits = self.examples.row_splits
        return [values[begin:end] for begin, end in pairwise(splits)]
