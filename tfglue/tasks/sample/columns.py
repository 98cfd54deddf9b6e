"""How tagged sentences of the sample become the published files: every column of each."""

from collections.abc import Iterator, Sequence

from tfglue.tasks.sample.tagging import Word
from tfglue.tasks.task import Task

# Sentences of one document, where the published files mark documents.
_DOCUMENT = 25
_NO_SPACE_BEFORE = (".", ",", "!", ")")
_NO_SPACE_AFTER = ("$",)
# What joins the word before it to one token, which CoNLL-U writes as a range.
_JOINED = ("'s", "n't")


def column_text(task: Task, split: str, sentences: Sequence[Sequence[Word]]) -> str:
    """The text of a split's file, as CoNLL-2003, CoNLL-2000 or Universal Dependencies have it.

    Args:
        task: ``ner``, ``chunk`` or ``pos``.
        split: one of `task.files`.
        sentences: the words of each sentence.
    """
    blocks = []
    for number, words in enumerate(sentences):
        if task.files[split].conllu:
            lines = list(_universal(f"sample-{split}-{number + 1:04}", words))
        elif task.name == "ner":
            lines = [f"{word.form} {word.part} {word.phrase} {word.entity}" for word in words]
            if number % _DOCUMENT == 0:
                lines = ["-DOCSTART- -X- -X- O", "", *lines]
        else:
            lines = [f"{word.form} {word.part} {word.phrase}" for word in words]
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def _universal(name: str, words: Sequence[Word]) -> Iterator[str]:
    forms = [word.form for word in words]
    spaces = [_space(form, following) for form, following in zip(forms, [*forms[1:], "."],
                                                                 strict=True)]
    text = "".join(form + " " * space for form, space in zip(forms, spaces, strict=True))
    yield f"# sent_id = {name}"
    yield f"# text = {text.rstrip()}"
    for number, word in enumerate(words, 1):
        joined = forms[number] if number < len(forms) and forms[number] in _JOINED else ""
        if joined:
            yield _line(f"{number}-{number + 1}", word.form + joined)
        misc = "_" if spaces[number - 1] or joined or number == len(words) else "SpaceAfter=No"
        yield _line(str(number), word.form, word.universal, word.part, misc)


def _space(form: str, following: str) -> bool:
    apart = (*_NO_SPACE_BEFORE, *_JOINED)
    return form not in _NO_SPACE_AFTER and following not in apart


def _line(number: str, form: str, universal: str = "_", part: str = "_", misc: str = "_") -> str:
    # Lemma, features, head, relation and enhanced relations are left open.
    return "\t".join((number, form, "_", universal, part, "_", "_", "_", "_", misc))
