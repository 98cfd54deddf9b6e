"""Tagged sentences as the text of a file of words in columns."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.tasks.sentence_file import CONLLU_COLUMNS, CONLLU_TAG, CONLLU_WORD, FIELD
from tfglue.tasks.task import ColumnFile


def tagged_text(
    examples: TaggedSentences, tags: Sequence[str], file: ColumnFile | None = None
) -> str:
    """The sentences with one tag a word, in the columns of their file.

    Sentences that come from a file keep its lines: comments, borders between documents and other
    columns stay, and only the tag's column changes. A file without such a column gets one at the
    end; CoNLL-U has one always. Reading the text gives the same words, and the tags.

    Args:
        examples: the sentences.
        tags: a tag for each of their words, all sentences in a row.
        file: what to write where there was no file to keep the lines of; by default a word and its
            tag a line, with a tab between them.

    Raises:
        ValueError: there are more or fewer tags than words.
    """
    if len(tags) != len(examples.words):
        raise ValueError(f"{len(tags)} tags for {len(examples.words)} words")
    blocks = []
    for row, (start, end) in enumerate(pairwise(examples.row_splits.tolist())):
        if examples.lines is None:
            lines = list(_new_lines(examples, row, tags[start:end], file))
        else:
            lines = list(examples.lines[row])
            for place, tag in zip(examples.line_of_word[start:end], tags[start:end], strict=True):
                lines[place] = _with_tag(lines[place], tag, examples.file)
        # The blank line behind the last sentence is part of these formats, too.
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def _new_lines(
    examples: TaggedSentences, row: int, tags: Sequence[str], file: ColumnFile | None
) -> Iterator[str]:
    words = examples.sentence(row)
    if file is None or not file.conllu:
        yield from (f"{word}\t{tag}" for word, tag in zip(words, tags, strict=True))
        return
    yield f"# sent_id = {examples.ids[row]}"
    for number, (word, tag) in enumerate(zip(words, tags, strict=True), 1):
        fields = [str(number), *["_"] * (CONLLU_COLUMNS - 1)]
        fields[CONLLU_WORD], fields[CONLLU_TAG] = word, tag
        yield "\t".join(fields)


def _with_tag(line: str, tag: str, file: ColumnFile) -> str:
    if file.conllu:
        fields = line.split("\t")
        fields[CONLLU_TAG if file.tag is None else file.tag] = tag
        return "\t".join(fields)
    if file.tag is None:
        line = line.strip(" \t")
        separator = " " if " " in line else "\t"
        return f"{line}{separator}{tag}"
    found = list(FIELD.finditer(line))[file.tag]
    return line[: found.start()] + tag + line[found.end() :]
