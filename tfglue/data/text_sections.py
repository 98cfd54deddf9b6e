"""Plain text as examples: sections of documents, whose sentences are read from disk when asked."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfglue.data.examples import Examples
from tfglue.errors import UserError
from tfglue.tasks.text_lines import raise_problem, read_lines

_SECTION_SENTENCES = 16


@dataclass(frozen=True, kw_only=True)
class TextSections(Examples):
    """Sections of text files, in the order of the files.

    A sentence is a line, a blank line ends a document, and so does the end of a file. A section is
    a document, or of a longer one so many sentences that follow each other; so even one long
    document can be split. The text itself is not held.

    Args:
        ids, origin, skipped: as in `Examples`; an id is ``file:line`` of the first sentence.
        paths: the files.
        numbers: int64 (sections,), each one's place among all sections of the files.
        documents: int64 (sections,), the number of its document.
        sentences: int64 (sections,), how many it has.
        words: int64 (sections,), how many words between white space.
        digests: SHA-256 of each one's text.
    """

    paths: tuple[Path, ...]
    numbers: np.ndarray
    documents: np.ndarray
    sentences: np.ndarray
    words: np.ndarray
    digests: tuple[bytes, ...]

    @property
    def labelled(self) -> bool:
        """Always: the tokens that are masked are the labels."""
        return True

    @property
    def strata(self) -> np.ndarray:
        """All alike."""
        return np.zeros(len(self), np.int64)

    @property
    def shown_texts(self) -> list[str]:
        """Where each section begins."""
        return self.ids

    @property
    def word_counts(self) -> np.ndarray:
        """int64 (sections,): words between white space."""
        return self.words

    def take(self, rows: np.ndarray) -> "TextSections":
        """The chosen sections; their text is read in the order of the files."""
        return TextSections(
            ids=[self.ids[row] for row in rows],
            origin=self.origin,
            skipped=self.skipped,
            paths=self.paths,
            numbers=self.numbers[rows],
            documents=self.documents[rows],
            sentences=self.sentences[rows],
            words=self.words[rows],
            digests=tuple(self.digests[row] for row in rows),
        )

    def unlabelled(self) -> "TextSections":
        """The same: there are no labels but the text."""
        return self

    def content(self) -> list[bytes]:
        """Digests of the text."""
        return [b"".join(self.digests), self.documents.astype("<i8").tobytes()]

    def read(self) -> Iterator[tuple[int, int, str]]:
        """Yields section, document and text of every sentence, read from disk.

        Raises:
            UserError: the files hold fewer sections than when they were first read.
        """
        wanted = np.sort(self.numbers)
        seen = -1
        for sentence in _sentences(self.paths):
            seen = sentence.section
            place = np.searchsorted(wanted, seen)
            if place < len(wanted) and wanted[place] == seen:
                yield seen, sentence.document, sentence.text
        if len(wanted) and seen < wanted[-1]:
            raise UserError(f"{self.origin}: changed while it was read; start again")


@dataclass(frozen=True)
class _Sentence:
    section: int
    document: int
    place: str
    text: str


def read_sections(paths: Sequence[Path]) -> TextSections:
    """Reads text files through, and keeps what they hold but for the text.

    Raises:
        UserError: a file is missing, a folder, not UTF-8 (with its line), or holds no text.
    """
    ids, documents, sentences, words, digests = [], [], [], [], []
    for sentence in _sentences(paths):
        if sentence.section == len(ids):
            ids.append(sentence.place)
            documents.append(sentence.document)
            sentences.append(0)
            words.append(0)
            digests.append(hashlib.sha256())
        sentences[-1] += 1
        words[-1] += len(sentence.text.split())
        digests[-1].update(f"{sentence.text}\n".encode())
    return TextSections(
        ids=ids,
        origin=", ".join(map(str, paths)),
        paths=tuple(paths),
        numbers=np.arange(len(ids)),
        documents=np.array(documents, np.int64),
        sentences=np.array(sentences, np.int64),
        words=np.array(words, np.int64),
        digests=tuple(digest.digest() for digest in digests),
    )


def _sentences(paths: Sequence[Path]) -> Iterator[_Sentence]:
    """Every sentence of the files with its section and document, both counted from 0."""
    section = document = -1
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; name text files, a sentence a line")
        in_document = in_section = 0
        found = False

        def problem(line: int, message: str, path: Path = path) -> None:
            raise_problem(f"{path}:{line}: {message}")

        for line, text in read_lines(path, problem):
            text = text.strip()
            if not text:
                in_document = 0
                continue
            if not in_document:
                document += 1
            if not in_document or in_section == _SECTION_SENTENCES:
                section, in_section = section + 1, 0
            in_document, in_section, found = in_document + 1, in_section + 1, True
            yield _Sentence(section, document, f"{path}:{line}", text)
        if not found:
            raise UserError(f"{path}: holds no text; expected a sentence a line")
