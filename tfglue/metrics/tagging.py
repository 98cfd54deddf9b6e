"""Metrics of tag sequences: entities found and tokens right, over a whole split.

The library seqeval is the reference of the tests and no dependency: unmaintained since 2020, it
comes as source alone, which does not build where a plain pip meets a recent setuptools.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sklearn.metrics import precision_recall_fscore_support

from tfglue.errors import UserError
from tfglue.metrics.entity import entities

Tags = Sequence[Sequence[str]]


class LabelScores(NamedTuple):
    """A row of a report: what was found of one label. Fractions are 0 where undefined.

    Attributes:
        label: entity type or tag.
        precision: share of what was predicted that is right.
        recall: share of what is in the gold tags that was found.
        f1: their harmonic mean.
        support: entities or tokens of this label in the gold tags.
    """

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def precision(gold: Tags, predicted: Tags) -> float:
    """Share of the predicted entities that are right in type and both ends; 0 without any.

    Args:
        gold: tags of every token, by sentence.
        predicted: the same of the model.

    Raises:
        UserError: sentences of different lengths, no token at all, or tags without the prefixes.
    """
    return _micro(gold, predicted).precision


def recall(gold: Tags, predicted: Tags) -> float:
    """Share of the gold entities that were found; else as `precision`."""
    return _micro(gold, predicted).recall


def entity_f1(gold: Tags, predicted: Tags) -> float:
    """Harmonic mean of `precision` and `recall` over all entities, the score of CoNLL-2003."""
    return _micro(gold, predicted).f1


def accuracy(gold: Tags, predicted: Tags) -> float:
    """Share of the tokens with the right tag, of any tag set; else as `precision`."""
    pairs = list(_tokens(gold, predicted))
    return sum(right == tag for right, tag in pairs) / len(pairs)


def per_label_report(gold: Tags, predicted: Tags) -> list[LabelScores]:
    """Scores of every entity type in either side's tags, by name; else as `precision`."""
    return [
        _scores(label, *counts) for label, counts in sorted(_counts(gold, predicted).items())
    ]


def token_label_report(gold: Tags, predicted: Tags) -> list[LabelScores]:
    """Scores of every tag as such, by name: for tags that mark no entities, as parts of speech."""
    right, tags = zip(*_tokens(gold, predicted), strict=True)
    labels = sorted({*right, *tags})
    columns = precision_recall_fscore_support(right, tags, labels=labels, zero_division=0)
    return [
        LabelScores(*row)
        for row in zip(labels, *(column.tolist() for column in columns), strict=True)
    ]


def _micro(gold: Tags, predicted: Tags) -> LabelScores:
    counts = _counts(gold, predicted).values()
    right, found, there = (sum(row[column] for row in counts) for column in range(3))
    return _scores("", right, found, there)


def _counts(gold: Tags, predicted: Tags) -> dict[str, tuple[int, int, int]]:
    """Label -> entities right, predicted, in the gold tags."""
    _check(gold, predicted)
    right, found, there = Counter(), Counter(), Counter()
    for sentence, tags in zip(gold, predicted, strict=True):
        in_gold, in_predicted = set(entities(sentence)), set(entities(tags))
        right.update(entity.label for entity in in_gold & in_predicted)
        found.update(entity.label for entity in in_predicted)
        there.update(entity.label for entity in in_gold)
    return {label: (right[label], found[label], there[label]) for label in {*found, *there}}


def _scores(label: str, right: int, found: int, there: int) -> LabelScores:
    return LabelScores(
        label,
        right / found if found else 0.0,
        right / there if there else 0.0,
        2 * right / (found + there) if found + there else 0.0,
        there,
    )


def _tokens(gold: Tags, predicted: Tags) -> Iterator[tuple[str, str]]:
    _check(gold, predicted)
    for sentence, tags in zip(gold, predicted, strict=True):
        yield from zip(sentence, tags, strict=True)


def _check(gold: Tags, predicted: Tags) -> None:
    if len(gold) != len(predicted):
        raise UserError(f"{len(predicted)} tagged sentences for {len(gold)}; give one for each")
    for number, (sentence, tags) in enumerate(zip(gold, predicted, strict=True), 1):
        if len(sentence) != len(tags):
            raise UserError(
                f"sentence {number} has {len(sentence)} tokens and {len(tags)} predicted tags; "
                "give every token one"
            )
    if not any(len(sentence) for sentence in gold):
        raise UserError("no token to score; give sentences with tags")
