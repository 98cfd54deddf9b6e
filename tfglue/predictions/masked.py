"""What a masked language model finds in a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfglue.data.text_rows import TextRows
from tfglue.data.text_sections import TextSections
from tfglue.errors import UserError
from tfglue.predictions.predictions import Predictions, nine_digits, tab_separated


@dataclass(frozen=True)
class MaskedPredictions(Predictions):
    """How many of the masked tokens of each row are found, and how probable they were.

    Args:
        examples: `TextSections`.
        features: `TextRows`, with what is masked in them.
        outputs: as `MaskedHead` gives them.
    """

    examples: TextSections
    features: TextRows

    def combined(self, others, mode):
        """Raises UserError: which words they prefer is not kept."""
        raise UserError("language models do not answer together; an ensemble is of runs of a task")

    @property
    def answer_texts(self) -> list[str]:
        """How many are found in each row."""
        return [str(count) for count in self._right]

    @property
    def gold_texts(self) -> list[str]:
        """How many there are."""
        return [str(count) for count in self.features.masked.counts]

    def metrics(self):
        """Mean log-probability of a masked token, share of them that is found, perplexity, which is
        exp of the first one's negative, and share of pairs that are right.
        """
        terms = max(int(self.features.masked.counts.sum()), 1)
        losses = float(self.outputs.logits[:, 0].sum(dtype=np.float64))
        found = {
            "log_likelihood": -losses / terms,
            "masked_accuracy": float(self._right.sum()) / terms,
            # Of a model that knows nothing it would overflow.
            "perplexity": float(np.exp(min(losses / terms, 700.0))),
        }
        if len(self.task.text_fields) == 2:
            right = self.outputs.logits[:, 2:].argmax(axis=1) == self.features.labels
            found["next_sentence_accuracy"] = float(np.mean(right))
        return found

    def records(self):
        """For every row of the model: ``id``, ``masked``, ``found`` and ``cross_entropy``."""
        losses = nine_digits(self.outputs.logits[:, 0])
        columns: Sequence = (self.features.masked.counts.tolist(), self._right.tolist(), losses)
        return [
            {"id": str(row), "masked": masked, "found": found, "cross_entropy": loss}
            for row, (masked, found, loss) in enumerate(zip(*columns, strict=True))
        ]

    def text(self):
        """The records as a table."""
        return tab_separated(self.records())

    def files(self):
        """One table."""
        return {".tsv": self.text()}

    @cached_property
    def _right(self) -> np.ndarray:
        return np.rint(self.outputs.logits[:, 1]).astype(np.int64)
