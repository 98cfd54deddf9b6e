"""Files with a word a line (CoNLL-2000, CoNLL-2003, CoNLL-U) as streams of sentences."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfglue.errors import UserError
from tfglue.tasks.task import ColumnFile
from tfglue.tasks.text_lines import raise_problem, read_lines

CONLLU_COLUMNS = 10
CONLLU_WORD, CONLLU_TAG = 1, 3

# Words may hold other white space, such as the blank that does not break a line.
FIELD = re.compile(r"[^ \t]+")

_DOCUMENT_BORDER = "-DOCSTART-"
# Ids end up in tab-separated prediction files.
_SENTENCE_ID = re.compile(r"#[ \t]*sent_id[ \t]*=[ \t]*(\S[^\t]*)")
_NOTHING = "_"
_NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")


@dataclass
class Sentence:
    """One sentence of a file.

    Args:
        number: which of the file's sentences it is, from 0; those with problems count.
        line: the file's line of its first line.
        lines: its lines, comments and the document borders before it included.
        places: for each word, which of `lines` it stands in.
        words: the words.
        tags: their tags as written; empty where the file has none.
        name: what a comment gives as ``sent_id``, or an empty string.
    """

    number: int
    line: int
    lines: list[str]
    places: list[int]
    words: list[str]
    tags: list[str]
    name: str = ""


class SentenceFile:
    """One file of words in columns, read sentence by sentence.

    Blank lines end sentences, many of them as one does. Plain columns are separated by blanks or
    tabs, and a line that begins with ``-DOCSTART-`` is a border between documents. CoNLL-U has ten
    columns separated by tabs, comments, and lines for ranges and for empty nodes, which hold no
    words. All are UTF-8, with or without a byte-order mark.

    Args:
        path: the file.
        file: where words and tags stand.
        labelled: whether the tags are wanted.
        on_problem: called with ``"path:line: message"`` for the first bad line of each sentence
            that is left out; by default the first one raises UserError.

    Attributes:
        width: number of columns, which is that of the first word.
        has_tags: whether the tag's column is among them.

    Raises UserError for a file that is missing, without words, or without the declared columns.
    """

    def __init__(
        self,
        path: Path | str,
        file: ColumnFile,
        labelled: bool = True,
        on_problem: Callable[[str], None] | None = None,
    ):
        self.path = Path(path)
        self._file = file
        problems: list[str] = []
        self._on_problem = problems.append
        line, first = next(self._word_lines(), (0, []))
        self._on_problem = on_problem or raise_problem
        if not line:
            # Of a file that is no text at all, the first line says so.
            raise UserError(next(iter(problems), f"{path}: there are no words in the file"))
        self.width = CONLLU_COLUMNS if file.conllu else len(first)
        place = None if file.tag is None else file.tag + self.width * (file.tag < 0)
        self.has_tags = place is not None and place != file.word and 0 <= place < self.width
        if file.word >= self.width:
            raise UserError(
                f"{path}:{line}: expected a word in column {file.word + 1}, found {self.width} "
                "columns, separated by blanks or tabs"
            )
        if labelled and file.labelled and not self.has_tags:
            column = "the last column" if file.tag == -1 else f"column {file.tag + 1}"
            raise UserError(
                f"{path}:{line}: expected a tag in {column}, behind the word; found {self.width} "
                "columns, separated by blanks or tabs"
            )
        self._tag = place if labelled else None

    def problem(self, line: int, message: str) -> None:
        """Reports a problem of one line: raises UserError, or calls `on_problem`."""
        self._on_problem(f"{self.path}:{line}: {message}")

    def __iter__(self) -> Iterator[Sentence]:
        for number, (line, lines) in enumerate(self._blocks()):
            sentence = Sentence(number, line, lines, [], [], [])
            if self._parse(sentence):
                yield sentence

    def _parse(self, sentence: Sentence) -> bool:
        """Adds the words of a sentence's lines, up to the first bad line; whether all are good."""
        for place, text in enumerate(sentence.lines):
            if text is None:
                return False
            fields = self._fields(text)
            if fields:
                problem = self._add(sentence, place, fields)
                if problem:
                    self.problem(sentence.line + place, problem)
                    return False
            elif self._file.conllu and not sentence.name:
                found = _SENTENCE_ID.fullmatch(text)
                sentence.name = found[1].rstrip() if found else ""
        if not sentence.words:
            self.problem(sentence.line, "no words below the comments; a word needs its own line")
        return bool(sentence.words)

    def _add(self, sentence: Sentence, place: int, fields: list[str]) -> str:
        """Adds the word of a line to its sentence, or says what is wrong with the line."""
        if len(fields) != self.width:
            if self._file.conllu:
                return f"expected {CONLLU_COLUMNS} columns separated by tabs, found {len(fields)}"
            return f"expected {self.width} columns as in the first line, found {len(fields)}"
        if self._file.conllu and fields[0] != str(len(sentence.words) + 1):
            if _NO_WORD.fullmatch(fields[0]):
                return ""
            return (
                f"expected word number {len(sentence.words) + 1}, found '{fields[0]}'; a blank "
                "line ends a sentence"
            )
        word = fields[self._file.word]
        if not word.strip():
            return "the word is blank"
        if self._tag is not None:
            tag = fields[self._tag]
            if not tag.strip() or (tag == _NOTHING and self._file.conllu):
                return "the word has no tag"
            sentence.tags.append(tag)
        sentence.places.append(place)
        sentence.words.append(word)
        return ""

    def _fields(self, text: str | None) -> list[str]:
        """The columns of a line; none where the line holds no word."""
        if text is None:
            return []
        if self._file.conllu:
            return [] if text.startswith("#") else text.split("\t")
        return [] if text.startswith(_DOCUMENT_BORDER) else FIELD.findall(text)

    def _word_lines(self) -> Iterator[tuple[int, list[str]]]:
        """Lines that hold words, and their columns."""
        for line, lines in self._blocks():
            for place, text in enumerate(lines):
                fields = self._fields(text)
                if fields:
                    yield line + place, fields

    def _blocks(self) -> Iterator[tuple[int, list[str | None]]]:
        """The lines of each sentence below their line number; None for what is no text.

        A document border and the blank lines below it belong to the sentence that follows.
        """
        first = 0
        lines: list[str | None] = []
        begun = False
        for line, text in read_lines(self.path, self.problem):
            blank = text is not None and not text.strip(" \t")
            border = not (text is None or self._file.conllu) and text.startswith(_DOCUMENT_BORDER)
            if begun and (blank or border):
                yield first, lines
                lines, begun = [], False
            if blank and not lines:
                continue
            if not lines:
                first = line
            lines.append(text)
            begun = begun or not (blank or border)
        if begun:
            yield first, lines
