"""Questions about passages: the examples of span tasks."""

from dataclasses import dataclass, replace

import numpy as np

from tfglue.data.examples import Examples, encoded

Answer = tuple[str, int]
"""An answer's text, and where it begins in the passage, in characters."""


@dataclass(frozen=True, kw_only=True)
class Questions(Examples):
    """Questions with the passages they are asked of.

    Args:
        ids, origin, skipped: as in `Examples`.
        texts: the questions.
        contexts: the passages, each once.
        context_of: int32 (questions,), the passage of each question.
        answers: the gold answers of each question, the one to train on first; an empty list where
            the passage holds no answer. None if unlabelled.
    """

    texts: list[str]
    contexts: list[str]
    context_of: np.ndarray
    answers: list[list[Answer]] | None

    @property
    def labelled(self) -> bool:
        """Whether the answers are known."""
        return self.answers is not None

    @property
    def answerable(self) -> np.ndarray:
        """bool (questions,): whether the passage holds an answer."""
        return np.array([bool(golds) for golds in self.answers], bool)

    @property
    def strata(self) -> np.ndarray:
        """Answerable and unanswerable questions."""
        return self.answerable.astype(np.int32)

    @property
    def groups(self) -> np.ndarray:
        """Questions on one passage belong together."""
        return self.context_of

    @property
    def shown_texts(self) -> list[str]:
        """The questions."""
        return self.texts

    @property
    def word_counts(self) -> np.ndarray:
        """int64 (questions,): words of the passage."""
        of_contexts = np.array([len(context.split()) for context in self.contexts], np.int64)
        return of_contexts[self.context_of]

    def context(self, question: int) -> str:
        """The passage of a question."""
        return self.contexts[self.context_of[question]]

    def take(self, rows: np.ndarray) -> "Questions":
        """The chosen questions, in the order of `rows`, and all passages."""
        return Questions(
            ids=[self.ids[row] for row in rows],
            origin=self.origin,
            skipped=self.skipped,
            texts=[self.texts[row] for row in rows],
            contexts=self.contexts,
            context_of=self.context_of[rows],
            answers=None if self.answers is None else [self.answers[row] for row in rows],
        )

    def unlabelled(self) -> "Questions":
        """The questions without answers."""
        return replace(self, answers=None)

    def content(self) -> list[bytes]:
        """Questions, passages and answers."""
        answers = self.answers or []
        flat = [f"{start} {text}" for golds in answers for text, start in golds]
        counts = np.array([len(golds) for golds in answers], np.int64)
        columns = (self.texts, self.contexts, flat)
        return [*map(encoded, columns), self.context_of.astype(np.int32).tobytes(),
                counts.tobytes()]
