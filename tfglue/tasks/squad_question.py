"""One question on a passage, as a file or a data set gives it."""

from typing import NamedTuple

from tfglue.tasks.tables import holds_tab_or_break

_LONGEST_ID = 80
_LONGEST_TEXT = 40
_PLACES_SHOWN = 3


class SquadQuestion(NamedTuple):
    """A question on a passage, and what makes it unfit for use.

    Args:
        id: what predictions are written under.
        text: the question.
        context: the passage.
        answers: gold answers, each with where it begins in the passage, in characters.
        impossible: whether it is marked as one that the passage does not answer.
        place: where it stands, such as ``data[0].paragraphs[2].qas[1]``; empty if nowhere.
    """

    id: str
    text: str
    context: str
    answers: list[tuple[str, int]]
    impossible: bool = False
    place: str = ""

    @property
    def name(self) -> str:
        """The question in messages."""
        return question_name(self.id, self.place)

    def problem(self, labelled: bool = True) -> str:
        """What is wrong with the question by itself, empty if nothing is.

        Args:
            labelled: whether answers count; without, they are not looked at.
        """
        if _is_blank(self.id):
            return "the id is blank"
        if holds_tab_or_break(self.id):
            return "the id holds a tab or line break"
        if _is_blank(self.text):
            return "the question is blank"
        if _is_blank(self.context):
            return "the passage is blank"
        if not labelled:
            return ""
        if self.impossible:
            return "is_impossible is true, and yet there are answers" if self.answers else ""
        if not self.answers:
            return "there are no answers, and is_impossible is not true"
        for number, (text, start) in enumerate(self.answers):
            if _is_blank(text):
                return f"answers[{number}]: the text is blank"
            # A negative start would count from the end.
            if start < 0 or not self.context.startswith(text, start):
                return f"answers[{number}]: {_misplaced(text, start, self.context)}"
        return ""


def question_name(question_id: str, place: str) -> str:
    """A question in messages, on one line whatever its id holds."""
    return f"question {_shown(question_id, _LONGEST_ID)}" + (f" ({place})" if place else "")


def _misplaced(text: str, start: int, context: str) -> str:
    """Tells an answer that is not where it should be from what is there."""
    if 0 <= start < len(context):
        instead = f"there stands {_shown(context[start : start + len(text)])}"
    else:
        instead = f"the passage has {len(context):,} characters"
    message = f"{_shown(text)} is not at character {start}, {instead}"
    places: list[str] = []
    found = context.find(text)
    while found >= 0 and len(places) <= _PLACES_SHOWN:
        places.append(str(found))
        found = context.find(text, found + 1)
    if not places:
        return f"{message}; it is nowhere in the passage"
    more = " and more" if len(places) > _PLACES_SHOWN else ""
    return f"{message}; it is at {', '.join(places[:_PLACES_SHOWN])}{more}"


def _shown(text: str, longest: int = _LONGEST_TEXT) -> str:
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def _is_blank(text: str) -> bool:
    return not text or text.isspace()
