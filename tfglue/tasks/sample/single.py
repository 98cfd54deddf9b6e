"""Single sentences: liked or not (sst), good English or not (cola)."""

from collections.abc import Callable

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import NUMBERS, WEEKDAYS, sentence, with_article

ADJECTIVES = {
    "positive": (
        "good", "great", "funny", "wonderful", "lovely", "brilliant", "charming", "clever",
        "delightful", "excellent", "superb", "beautiful", "enjoyable", "touching", "exciting",
    ),
    "negative": (
        "bad", "awful", "boring", "dull", "terrible", "weak", "poor", "horrible", "clumsy", "ugly",
        "tedious", "dreadful", "lifeless", "annoying", "silly",
    ),
}  # fmt: skip
VERBS = {
    "positive": ("loved", "enjoyed", "liked", "admired", "praised"),
    "negative": ("hated", "disliked", "loathed", "mocked", "criticised"),
}
VERDICTS = {
    "positive": ("worth every penny", "a real joy", "a pure delight", "a true pleasure"),
    "negative": ("a waste of time", "a real mess", "a total failure", "a big mistake"),
}
OPPOSITE = {"positive": "negative", "negative": "positive"}
# Negation falls on few words, so that each negated word is frequent.
NEGATED = {"positive": ("good", "funny"), "negative": ("bad", "dull")}


def sst(draw: Draw, label: str) -> tuple[str]:
    """A short verdict on a film, a book, a song."""
    show, name = draw.content("show"), draw.content("name")
    first, second = draw.two(ADJECTIVES[label])
    adverb = draw.one(("", "very ", "really ", "truly ", "simply "))
    place = draw.one(("", f" in {draw.content('town')}", f" on {draw.one(WEEKDAYS)}"))
    negated = draw.one(NEGATED[OPPOSITE[label]])
    plain = (
        f"the {show} was {adverb}{first}{place}",
        f"I found the {show} {adverb}{first} and {second}",
        f"what {with_article(first)} {show}!",
        f"{with_article(first)} and {second} {show} from start to finish",
        f"{name} thought the {show} was {adverb}{first}",
        f"{name} called it {with_article(first)} {show}",
        f"{name} {draw.one(VERBS[label])} this {first} {show}{place}",
        f"we all {draw.one(VERBS[label])} the {show}{place}",
        f"the {show} was {draw.one(VERDICTS[label])}",
        f"the {second} {show} was {draw.one(VERDICTS[label])}",
    )
    turned = (
        f"the {show} was not {negated}{place}",
        f"{name} said the {show} was not {negated}",
        f"the {show} was not {negated} and {name} {draw.one(VERBS[label])} it",
        f"this {show} is not {negated}",
    )
    return (sentence(draw.one(turned if draw.chance(0.16) else plain)),)


# Words that carry the grammar, all of them seen in train: (one, several).
SUBJECTS = (
    ("dog", "dogs"), ("cat", "cats"), ("horse", "horses"), ("child", "children"),
    ("girl", "girls"), ("boy", "boys"), ("bird", "birds"), ("student", "students"),
)  # fmt: skip
PRESENT = (("sleeps", "sleep"), ("runs", "run"), ("plays", "play"), ("waits", "wait"))
FORMS = (
    ("eat", "eating", "eaten"), ("break", "breaking", "broken"), ("take", "taking", "taken"),
    ("write", "writing", "written"), ("choose", "choosing", "chosen"),
    ("draw", "drawing", "drawn"),
)  # fmt: skip
OBJECTS = {
    "eat": "cake", "break": "cup", "take": "photo", "write": "letter", "choose": "present",
    "draw": "map",
}  # fmt: skip
FEELINGS = ("happy", "tired", "hungry", "quiet", "ready", "afraid")
QUALITIES = ("old", "small", "heavy", "broken", "new", "expensive")
PREPOSITIONS = (("waited", "for"), ("looked", "at"), ("listened", "to"), ("relied", "on"))


def _present_agreement(draw: Draw) -> tuple[str, str]:
    number = draw.one((0, 1))
    subject, verb = draw.one(SUBJECTS)[number], draw.one(PRESENT)
    end = f" in the {draw.content('spot')}"
    return f"the {subject} {verb[number]}{end}", f"the {subject} {verb[1 - number]}{end}"


def _be_agreement(draw: Draw) -> tuple[str, str]:
    number = draw.one((0, 1))
    subject, feeling = draw.one(SUBJECTS)[number], draw.one(FEELINGS)
    verb = draw.one((("is", "are"), ("was", "were"), ("has been", "have been")))
    start = draw.one(("", f"{draw.content('name')} says that "))
    return tuple(
        f"{start}the {subject} {form} {feeling}" for form in (verb[number], verb[1 - number])
    )


def _verb_form(draw: Draw) -> tuple[str, str]:
    forms, name = draw.one(FORMS), draw.content("name")
    auxiliary, right = draw.one((("will", 0), ("must", 0), ("is", 1), ("was", 1), ("has", 2)))
    wrong = draw.other((0, 1, 2), right)
    if auxiliary in ("is", "was") and wrong == 2:
        wrong = 0
    end = f"the {OBJECTS[forms[0]]} in the {draw.content('spot')}"
    return f"{name} {auxiliary} {forms[right]} {end}", f"{name} {auxiliary} {forms[wrong]} {end}"


def _noun_phrase_order(draw: Draw) -> tuple[str, str]:
    name, quality, thing = draw.content("name"), draw.one(QUALITIES), draw.content("thing")
    start = f"{name} {draw.one(('sold', 'found', 'cleaned', 'carried'))}"
    wrong = draw.one((f"{quality} the {thing}", f"{thing} the {quality}"))
    return f"{start} the {quality} {thing}", f"{start} {wrong}"


def _preposition(draw: Draw) -> tuple[str, str]:
    verb, preposition = draw.one(PREPOSITIONS)
    name, person = draw.content("name"), draw.content("person")
    end = draw.one(("", f" on {draw.one(WEEKDAYS)}"))
    return f"{name} {verb} {preposition} the {person}{end}", f"{name} {verb} the {person}{end}"


def _missing_article(draw: Draw) -> tuple[str, str]:
    person, thing, spot = draw.content("person"), draw.content("thing"), draw.content("spot")
    verb = draw.one(("bought", "needed", "lost", "wanted"))
    right = f"the {person} {verb} {with_article(thing)}"
    return f"{right} near the {spot}", f"the {person} {verb} {thing} near {spot}"


def _object(draw: Draw) -> tuple[str, str]:
    name, thing = draw.content("name"), draw.content("thing")
    if draw.chance(0.5):
        verb = draw.one(("slept", "arrived", "laughed", "vanished"))
        return f"{name} {verb} on {draw.one(WEEKDAYS)}", f"{name} {verb} the {thing}"
    verb = draw.one(("repaired", "fixed", "brought", "used"))
    return f"{name} {verb} the {thing}", f"{name} {verb} on {draw.one(WEEKDAYS)}"


def _reflexive(draw: Draw) -> tuple[str, str]:
    subject, pronouns = draw.one(
        (("girl", "herself himself"), ("boy", "himself herself"), ("mother", "herself himself"),
         ("father", "himself herself"), ("children", "themselves itself"))
    )  # fmt: skip
    verb = draw.one(("hurt", "saw", "praised", "dressed"))
    end = f" in the {draw.content('spot')}"
    return tuple(f"the {subject} {verb} {pronoun}{end}" for pronoun in pronouns.split())


def _pronoun_case(draw: Draw) -> tuple[str, str]:
    right, wrong = draw.one((("she", "her"), ("he", "him"), ("they", "them"), ("we", "us")))
    end = f"{draw.one(('liked', 'cooked', 'ordered', 'shared'))} the {draw.content('food')}"
    return f"{right} {end}", f"{wrong} {end}"


def _question_order(draw: Draw) -> tuple[str, str]:
    question, name = draw.one(("where", "when", "why", "how")), draw.content("name")
    end = f"{draw.one(('buy', 'hide', 'paint', 'mend'))} the {draw.content('thing')}?"
    return f"{question} did {name} {end}", f"{question} {name} did {end}"


def _quantity(draw: Draw) -> tuple[str, str]:
    one, several = draw.one(SUBJECTS)
    words = draw.one((("many", several, one), ("these", several, one), ("this", one, several),
                      ("every", one, several), (draw.one(NUMBERS), several, one)))  # fmt: skip
    start = f"{draw.content('name')} saw"
    end = f"in the {draw.content('spot')}"
    return f"{start} {words[0]} {words[1]} {end}", f"{start} {words[0]} {words[2]} {end}"


CONSTRUCTIONS: tuple[Callable[[Draw], tuple[str, str]], ...] = (
    _present_agreement, _be_agreement, _verb_form, _noun_phrase_order, _preposition,
    _missing_article, _object, _reflexive, _pronoun_case, _question_order, _quantity,
)  # fmt: skip


def cola(draw: Draw, label: str) -> tuple[str]:
    """One of eleven constructions, built as it should be or with one mistake."""
    acceptable, unacceptable = draw.one(CONSTRUCTIONS)(draw)
    return (sentence(acceptable if label == "acceptable" else unacceptable),)
