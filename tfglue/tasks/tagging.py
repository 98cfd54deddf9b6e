"""Sequence labelling: the tasks of Vu et al. 2020, who took theirs from Liu et al. 2019.

The data of three of them can be had: CoNLL-2003, CoNLL-2000 and the English Web Treebank. The
others are licensed; whoever has them puts ``train.txt`` and ``dev.txt``, a word a line with its tag
behind it, into a folder of the task's name, or names the folder with ``--data TASK=DIR``.
"""

from tfglue.tasks.sentence_file import CONLLU_TAG, CONLLU_WORD
from tfglue.tasks.tags import ENTITY_METRICS, OUTSIDE
from tfglue.tasks.task import ColumnFile, Recipe, Task, TfdsSource

_RECIPE = Recipe(
    max_length=128, batch_size=32, learning_rate=5e-5, epochs=6.0,
    source="task-transferability's README (Vu et al. 2020)",
)  # fmt: skip
_PHRASES = (
    "ADJP", "ADVP", "CONJP", "INTJ", "LST", "NP", "PP", "PRT", "SBAR", "UCP", "VP",
)  # fmt: skip


def _begin_and_inside(*names: str) -> tuple[str, ...]:
    return (OUTSIDE, *(f"{prefix}-{name}" for name in names for prefix in "BI"))


NER = Task(
    name="ner",
    kind="tag",
    text_fields=("words",),
    labels=_begin_and_inside("MISC", "PER", "ORG", "LOC"),
    metrics=ENTITY_METRICS,
    folders=("conll2003",),
    # Copies under other names (eng.train, dev.txt) can be given with --train_file and --dev_file.
    files={
        "train": ColumnFile("train.txt", rows=14041),
        "dev": ColumnFile("valid.txt", rows=3250),
        "test": ColumnFile("test.txt", rows=3453),
    },
    tfds=TfdsSource(
        "conll2003",
        {"train": "train", "dev": "dev", "test": "test"},
        text=("tokens",),
        label="ner",
    ),
    recipe=_RECIPE,
    aliases=("conll2003",),
)

CHUNK = Task(
    name="chunk",
    kind="tag",
    text_fields=("words",),
    # Declared, since one of them (I-LST) occurs in the test file alone.
    labels=_begin_and_inside(*_PHRASES),
    metrics=ENTITY_METRICS,
    held_out=0.1,
    folders=("conll2000",),
    files={
        "train": ColumnFile("train.txt", rows=8936),
        "test": ColumnFile("test.txt", rows=2012),
    },
    recipe=_RECIPE,
    aliases=("conll2000", "chunking"),
)

POS = Task(
    name="pos",
    kind="tag",
    text_fields=("words",),
    labels=(
        "ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
        "PUNCT", "SCONJ", "SYM", "VERB", "X",
    ),
    metrics=("accuracy",),
    folders=("ud_ewt", "UD_English-EWT"),
    files={
        split: ColumnFile(f"en_ewt-ud-{split}.conllu", CONLLU_WORD, CONLLU_TAG, rows)
        for split, rows in {"train": 12544, "dev": 2001, "test": 2077}.items()
    },
    tfds=TfdsSource(
        "universal_dependencies/en_ewt",
        {"train": "train", "dev": "dev", "test": "test"},
        text=("tokens",),
        label="upos",
    ),
    recipe=_RECIPE,
    aliases=("pos_ewt",),
)  # fmt: skip


def _brought(
    name: str, *aliases: str, metrics: tuple[str, ...] = ("accuracy",), labels: tuple[str, ...] = ()
) -> Task:
    """A task whose files nobody can download; its tags are found in them unless they are known."""
    return Task(
        name=name,
        kind="tag",
        text_fields=("words",),
        labels=labels,
        metrics=metrics,
        folders=(name,),
        files={split: ColumnFile(f"{split}.txt") for split in ("train", "dev", "test")},
        recipe=_RECIPE,
        aliases=aliases,
    )


TASKS = (
    NER,
    CHUNK,
    POS,
    _brought("st", "semantic_tagging"),
    _brought("ccg"),
    _brought("parent"),
    _brought("gparent", "grandparent"),
    _brought("ggparent", "great_grandparent"),
    _brought("pos_ptb", "ptb"),
    # Most words are right ("c"), so that accuracy says little of how well errors ("i") are found.
    _brought("ged", metrics=("f1", "accuracy"), labels=("c", "i")),
    # Conjuncts are stretches of words, marked with B- and I- tags.
    _brought("conj", metrics=ENTITY_METRICS),
)
