"""What passages of the sample tell: subjects, what is told of each, and how it is asked for."""

from dataclasses import dataclass

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import NUMBERS, WEEKDAYS


@dataclass(frozen=True)
class Subject:
    """What passages may be about.

    Args:
        full: the subject where it comes first.
        short: the subject later on.
        details: sentences and the questions they answer. In a sentence, ``{it}`` is the subject,
            ``<>`` stands around the answer, and ``[]`` around a longer one that is right, too.
    """

    full: str
    short: str
    details: tuple[tuple[str, str], ...]


# Each detail of a subject has its own kind of answer (who, where, when, what, how much), which is
# what a tiny encoder can learn to tell apart.
SUBJECTS = (
    Subject(
        "the {building}",
        "it",
        (
            ("{it} was built [by <{name}>]", "who built the {building}?"),
            ("{it} stands [in <{town}>]", "where is the {building}?"),
            ("{it} was finished [in <{year}>]", "when was the {building} finished?"),
            ("{it} is made [of <{material}>]", "what is the {building} made of?"),
            ("{it} cost <{number} million pounds>", "how much did the {building} cost?"),
        ),
    ),
    Subject(
        "{name}",
        "{name}",
        (
            ("{it} was raised [by <{other_name}>]", "who raised {name}?"),
            ("{it} was born [in <{town}>]", "where was {name} born?"),
            ("{it} finished school [in <{year}>]", "when did {name} finish school?"),
            ("{it} likes <{topic}>", "what does {name} like?"),
            ("{it} earns <{number} thousand pounds>", "how much does {name} earn?"),
        ),
    ),
    Subject(
        "the {show}",
        "it",
        (
            ("{it} was made [by <{name}>]", "who made the {show}?"),
            ("people saw {it} [in <{town}>]", "where did people see the {show}?"),
            ("{it} opened [on <{weekday}>]", "when did the {show} open?"),
            ("{it} is about <{topic}>", "what is the {show} about?"),
            ("{it} cost <{number} pounds>", "how much did the {show} cost?"),
        ),
    ),
)

_YEARS = tuple(str(year) for year in range(1880, 2000, 10))
_MATERIALS = ("stone", "wood", "iron", "red brick")

# A few words are of the sort that makes places in characters hard to get right.
_ODD_SHARE = 0.05
_ODD = {
    "name": ("Zoë", "José", "Jose\u0301", "Søren", "Łukasz", "李明", "O’Brien"),
    "town": ("Zürich", "Łódź", "東京", "Co\u0301rdoba", "Besançon"),
    "topic": ("tai chi (太極拳)", "emoji 👍🏽 art", "déjà-vu"),
}


def draw_slots(draw: Draw) -> dict[str, str]:
    """A word for every slot of a subject's sentences; the two names differ."""
    slots = {kind: _word(draw, kind) for kind in ("name", "town", "topic", "building", "show")}
    slots["other_name"] = slots["name"]
    while slots["other_name"] == slots["name"]:
        slots["other_name"] = _word(draw, "name")
    slots["year"] = draw.one(_YEARS)
    slots["material"] = draw.one(_MATERIALS)
    slots["number"] = draw.one(NUMBERS)
    slots["weekday"] = draw.one(WEEKDAYS)
    return slots


def _word(draw: Draw, kind: str) -> str:
    if kind in _ODD and draw.chance(_ODD_SHARE):
        return draw.one(_ODD[kind])
    return draw.content(kind)
