"""Questions on passages: all of squad have an answer there, some of squad2 have none."""

import re
from collections.abc import Iterator

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.passages import SUBJECTS, draw_slots
from tfglue.tasks.sample.words import sentence
from tfglue.tasks.squad_question import SquadQuestion
from tfglue.tasks.task import Task

# Passages, and of each how many questions are asked with an answer and without one.
PASSAGES = {
    ("squad", "train"): (240, 3, 0),
    ("squad", "dev"): (40, 3, 0),
    ("squad2", "train"): (210, 3, 1),
    ("squad2", "dev"): (30, 2, 2),
}
_DETAILS_TOLD = 3
# As in the published files, several people answered the questions of dev.
_ANNOTATORS = {"train": 1, "dev": 3}

# Some passages have a second subject, so that the kind of answer alone does not find it.
_LONG_SHARE = 0.1
_ASIDE_SHARE = 0.06
_ASIDES = (
    "“Très bien!” 👍🏽",
    "東京から来ました。",
    "Ελλάδα 🎉🎉",
    "A naïve façade costs £5 ≈ €6…",
    "(see also: e\u0301tude)",
)
_ODD_GAP_SHARE = 0.08
_ODD_GAPS = ("  ", "\n", "\n\n", "\t", "\u00a0", "\u2003", "\u3000", " \u200b")

_MARK = re.compile(r"[<>\[\]]")

# Where an answer begins and ends in its passage.
Span = tuple[int, int]


def questions(task: Task, split: str, draw: Draw) -> Iterator[SquadQuestion]:
    """Yields the questions of one split, those on one passage together.

    Args:
        task: squad or squad2.
        split: train or dev.
        draw: choices of this split.
    """
    passages, answered, unanswered = PASSAGES[task.name, split]
    for number in range(passages):
        context, told, untold = _passage(draw)
        asked = draw.shuffled(told)[:answered]
        asked += [(question, []) for question in draw.shuffled(untold)[:unanswered]]
        for place, (question, spans) in enumerate(draw.shuffled(asked)):
            # The first is the one to train on, so it is always the shorter.
            spans = spans[:1] + [draw.one(spans) for _ in spans[:1] * (_ANNOTATORS[split] - 1)]
            answers = [(context[start:end], start) for start, end in spans]
            yield SquadQuestion(f"{split}-{number}-{place}", question, context, answers, not spans)


def _passage(draw: Draw) -> tuple[str, list[tuple[str, list[Span]]], list[str]]:
    """A passage, questions with the places of their answers, and questions without."""
    subjects = draw.two(SUBJECTS)[: 2 if draw.chance(_LONG_SHARE) else 1]
    context = ""
    answered: list[tuple[str, list[Span]]] = []
    unanswered: list[str] = []
    for subject in subjects:
        slots = draw_slots(draw)
        for order, (told, asked) in enumerate(draw.shuffled(subject.details)):
            question = sentence(asked.format(**slots))
            if order >= _DETAILS_TOLD:
                unanswered.append(question)
                continue
            it = (subject.short if order else subject.full).format(**slots)
            text, spans = _unmarked(told.format(it=it, **slots))
            context += _gap(draw) if context else ""
            answered.append((question, [(len(context) + a, len(context) + b) for a, b in spans]))
            context += sentence(text)
    return context, answered, unanswered


def _gap(draw: Draw) -> str:
    """What stands between two sentences."""
    gap = draw.one(_ODD_GAPS) if draw.chance(_ODD_GAP_SHARE) else " "
    return f"{gap}{draw.one(_ASIDES)} " if draw.chance(_ASIDE_SHARE) else gap


def _unmarked(marked: str) -> tuple[str, list[Span]]:
    """The text without marks, and what they stood around, the answer in ``<>`` first."""
    places: dict[str, int] = {}
    for removed, mark in enumerate(_MARK.finditer(marked)):
        places[mark[0]] = mark.start() - removed
    spans = [(places[begin], places[end]) for begin, end in ("<>", "[]") if begin in places]
    return _MARK.sub("", marked), spans
