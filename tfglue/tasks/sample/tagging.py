"""Sentences whose words have parts of speech, phrases and entities: ner, chunk, pos.

One grammar serves all three tasks, as one annotated corpus would. Names of towns are surnames and
parts of other names, too, and some names are of people, towns or companies by turns, so that a word
alone does not tell its tag.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfglue.tasks.sample.draw import Draw
from tfglue.tasks.sample.words import COLOURS, NUMBERS, WEEKDAYS


@dataclass(frozen=True)
class Word:
    """One word of a sentence.

    Args:
        form: the word.
        part: its part of speech, as the Penn Treebank names it.
        universal: the same, as Universal Dependencies name it.
        phrase: its tag for chunking.
        entity: its tag for entity recognition.
    """

    form: str
    part: str
    universal: str
    phrase: str = "O"
    entity: str = "O"


_UNIVERSAL = {
    "CC": "CCONJ", "CD": "NUM", "DT": "DET", "IN": "ADP", "JJ": "ADJ", "LS": "X", "MD": "AUX",
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "POS": "PART", "PRP": "PRON", "PRP$": "PRON",
    "RB": "ADV", "RP": "ADP", "TO": "PART", "UH": "INTJ", "VB": "VERB", "VBD": "VERB",
    "VBG": "VERB", "VBZ": "VERB", "$": "SYM", ".": "PUNCT", ",": "PUNCT", ")": "PUNCT",
}  # fmt: skip

# Past form and base form.
_DEEDS = (
    ("bought", "buy"), ("sold", "sell"), ("painted", "paint"), ("repaired", "repair"),
    ("saw", "see"), ("carried", "carry"), ("cleaned", "clean"), ("enjoyed", "enjoy"),
)  # fmt: skip
_FEELINGS = ("tired", "happy", "afraid", "late", "ready", "quiet", "clever", "asleep")
_QUALITIES = (*COLOURS, "small", "big", "new", "heavy", "broken", "beautiful")
_PLURALS = ("horses", "dogs", "birds", "students", "guests", "tourists", "engineers", "girls")
_BUILDINGS = ("Hospital", "School", "Museum", "Library", "Theatre", "Station")
_PEOPLES = ("Arvan", "Belsian", "Corish", "Dunian")
_REASONS = ("because", "before", "after", "when")
# Names of nobody and nothing; any of them may be a person's, a town's or a company's.
_NAME_BEGINNINGS = ("Bar", "Cel", "Dor", "Fen", "Gal", "Hol", "Jor", "Kes", "Mir", "Tol", "Vel")
_NAME_ENDS = ("an", "bek", "dis", "ette", "ina", "lo", "mar", "nov", "ra", "stad", "ton", "wen")


def tagged(draw: Draw) -> list[Word]:
    """A sentence of one clause or two."""
    words = _opening(draw) + draw.one(_CLAUSES)(draw)
    joint = draw.weighted({"none": 0.8, "and": 0.1, "reason": 0.1})
    if joint == "and":
        words += [*_loose("and CC"), *draw.one(_CLAUSES)(draw)]
    elif joint == "reason":
        words += [*_phrase("SBAR", f"{draw.one(_REASONS)} IN SCONJ"), *draw.one(_CLAUSES)(draw)]
    first = words[0]
    words[0] = replace(first, form=first.form[0].upper() + first.form[1:])
    return words + _loose("! ." if words[0].part == "UH" else ". .")


def _opening(draw: Draw) -> list[Word]:
    kind = draw.weighted({"none": 0.8, "day": 0.06, "soon": 0.06, "oh": 0.04, "item": 0.04})
    if kind == "day":
        return [*_day(draw), *_loose(", ,")]
    if kind == "soon":
        adverb = draw.one(("soon", "often", "now"))
        return [*_phrase("ADVP", f"{adverb} RB"), *_loose(", ,")]
    if kind == "oh":
        return [*_phrase("INTJ", f"{draw.one(('oh', 'yes', 'well'))} UH"), *_loose(", ,")]
    if kind == "item":
        return [*_phrase("LST", f"{draw.one('123')} LS"), *_loose(") )")]
    return []


def _works(draw: Draw) -> list[Word]:
    if draw.chance(0.4):
        place = [*_phrase("PP", "for IN"), *_company(draw)]
        return [*_anybody(draw), *_phrase("VP", "works VBZ"), *place]
    verb = draw.one(("works VBZ", "studied VBD", "waited VBD", "arrived VBD"))
    return [*_anybody(draw), *_phrase("VP", verb), *_in_town(draw)]


def _did(draw: Draw) -> list[Word]:
    past, base = draw.one(_DEEDS)
    forms = {
        (f"{past} VBD",): 0.5,
        (f"{draw.one(('will', 'must', 'can'))} MD", f"{base} VB"): 0.2,
        ("did VBD AUX", "n't RB PART", f"{base} VB"): 0.15,
        ("wants VBZ", "to TO", f"{base} VB"): 0.15,
    }
    place = _in_town(draw) if draw.chance(0.3) else []
    return [*_anybody(draw), *_phrase("VP", *draw.weighted(forms)), *_something(draw), *place]


def _traded(draw: Draw) -> list[Word]:
    kind = draw.one(("hired", "shut", "raised", "cost"))
    if kind == "hired":
        rest = _phrase("NP", f"{draw.one(NUMBERS)} CD", "engineers NNS") + _day(draw)
        return [*_company(draw), *_phrase("VP", "hired VBD"), *rest]
    if kind == "shut":
        office = _phrase("NP", "its PRP$", f"{draw.one(('office', 'factory'))} NN")
        verb = [*_phrase("VP", "shut VBD"), *_phrase("PRT", "down RP")]
        return [*_company(draw), *verb, *office, *_in_town(draw)]
    if kind == "raised":
        price = [*_phrase("NP", "the DT", "price NN"), *_phrase("PP", "of IN")]
        goods = _phrase("NP", f"{draw.content('food')} NN")
        return [*_company(draw), *_phrase("VP", "raised VBD"), *price, *goods]
    price = _phrase("NP", "$ $", f"{draw.one(('5', '10', '20', '50'))} CD")
    return [*_thing(draw), *_phrase("VP", "cost VBD"), *price, *_in_town(draw)]


def _felt(draw: Draw) -> list[Word]:
    feeling = f"{draw.one(_FEELINGS)} JJ"
    state = ("very RB", feeling) if draw.chance(0.4) else (feeling,)
    verb = f"{draw.one(('was VBD', 'is VBZ'))} AUX"
    return [*_anybody(draw), *_phrase("VP", verb), *_phrase("ADJP", *state)]


def _won(draw: Draw) -> list[Word]:
    verb = draw.one(("enjoyed", "lost", "won"))
    cup = _phrase("NP", "the DT", f"{_name(draw, 'town')} NNP", "Cup NNP")
    return [*_anybody(draw), *_phrase("VP", f"{verb} VBD"), cup[0], *_named("MISC", cup[1:])]


def _met(draw: Draw) -> list[Word]:
    verb = f"{draw.one(('thanked', 'met', 'visited', 'saw'))} VBD"
    other = _person(draw) if draw.chance(0.6) else _stranger(draw)
    return [*_person(draw), *_phrase("VP", verb), *other, *_day(draw)]


_CLAUSES = (_works, _did, _did, _traded, _felt, _won, _met)


def _anybody(draw: Draw) -> list[Word]:
    return draw.one((_person, _person, _stranger, _pronoun))(draw)


def _person(draw: Draw) -> list[Word]:
    names = [_name(draw, "name")]
    if draw.chance(0.5):
        names.append(_name(draw, "town"))
    return _named("PER", _phrase("NP", *(f"{name} NNP" for name in names)))


def _stranger(draw: Draw) -> list[Word]:
    noun = f"{draw.content('person')} NN"
    if draw.chance(0.4):
        article, people, noun = _phrase("NP", "the DT", f"{draw.one(_PEOPLES)} JJ", noun)
        return [article, *_named("MISC", [people]), noun]
    return _phrase("NP", "the DT", noun)


def _pronoun(draw: Draw) -> list[Word]:
    return _phrase("NP", f"{draw.one(('he', 'she', 'it'))} PRP")


def _company(draw: Draw) -> list[Word]:
    names = [_name(draw, "company")]
    if draw.chance(0.4):
        names = [_name(draw, "town"), draw.one(_BUILDINGS)]
    return _named("ORG", _phrase("NP", *(f"{name} NNP" for name in names)))


def _name(draw: Draw, kind: str) -> str:
    source = draw.weighted({"own": 0.9, "any": 0.05, "new": 0.05})
    if source == "new":
        return draw.one(_NAME_BEGINNINGS) + draw.one(_NAME_ENDS)
    return draw.content(kind if source == "own" else draw.one(("name", "town", "company")))


def _something(draw: Draw) -> list[Word]:
    return draw.one((_thing, _thing, _many, _possession))(draw)


def _thing(draw: Draw) -> list[Word]:
    noun = f"{draw.content('thing')} NN"
    quality = (f"{draw.one(_QUALITIES)} JJ",) if draw.chance(0.5) else ()
    return _phrase("NP", f"{draw.one(('the', 'this', 'that'))} DT", *quality, noun)


def _many(draw: Draw) -> list[Word]:
    return _phrase("NP", f"{draw.one(NUMBERS)} CD", f"{draw.one(_PLURALS)} NNS")


def _possession(draw: Draw) -> list[Word]:
    return [*_person(draw), *_phrase("NP", "'s POS", f"{draw.content('thing')} NN")]


def _in_town(draw: Draw) -> list[Word]:
    place = f"{draw.one(('in', 'near'))} IN"
    town = _phrase("NP", f"{_name(draw, 'town')} NNP")
    return [*_phrase("PP", place), *_named("LOC", town)]


def _day(draw: Draw) -> list[Word]:
    return [*_phrase("PP", "on IN"), *_phrase("NP", f"{draw.one(WEEKDAYS)} NNP")]


def _loose(*words: str) -> list[Word]:
    """Words outside phrases, each written as form, part of speech and, if unusual, universal."""
    made = []
    for word in words:
        form, part, *universal = word.split(" ")
        made.append(Word(form, part, universal[0] if universal else _UNIVERSAL[part]))
    return made


def _phrase(name: str, *words: str) -> list[Word]:
    return [
        replace(word, phrase=f"{'I' if place else 'B'}-{name}")
        for place, word in enumerate(_loose(*words))
    ]


def _named(entity: str, words: Sequence[Word]) -> list[Word]:
    return [
        replace(word, entity=f"{'I' if place else 'B'}-{entity}")
        for place, word in enumerate(words)
    ]
