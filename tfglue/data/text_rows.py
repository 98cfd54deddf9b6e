"""Rows of plain text for a masked language model: packed sentences, or pairs of segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from tfglue.data.features import Features, TokenColumn, pack
from tfglue.data.masking import Masking
from tfglue.data.text_sections import TextSections
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError

IS_NEXT, IS_RANDOM = 0, 1
"""Labels of pairs, as in published checkpoints."""

_CHUNK_SENTENCES = 8192


@dataclass(frozen=True, kw_only=True)
class TextRows(Features):
    """Rows whose losses are those of their masked tokens.

    Labels are int32 (rows,): of pairs `IS_NEXT` or `IS_RANDOM`, of single texts 0, which says
    nothing.
    """

    @cached_property
    def loss_terms(self) -> np.ndarray:
        """int64 (rows,): masked tokens of each row, in this epoch."""
        return self.masked.counts


@dataclass(frozen=True)
class Sentences:
    """Tokens of sentences, without special ones, in their order.

    Args:
        values: flat int32 ids.
        splits: int64 (sentences + 1,), borders of sentences.
        stretches: int64 (sentences,), equal for sentences of a document between which none is
            left out.
        documents: int64 (sentences,), the document of each.
    """

    values: np.ndarray
    splits: np.ndarray
    stretches: np.ndarray
    documents: np.ndarray

    @classmethod
    def of(cls, examples: TextSections, tokenizer: BertTokenizer) -> "Sentences":
        """Reads and tokenizes the text, so many sentences at a time."""
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        sections: list[int] = []
        documents: list[int] = []
        stream = examples.read()
        while chunk := list(islice(stream, _CHUNK_SENTENCES)):
            found, splits = tokenizer.tokenize_all([text for _, _, text in chunk])
            values.append(found)
            lengths.append(np.diff(splits))
            sections.extend(section for section, _, _ in chunk)
            documents.extend(document for _, document, _ in chunk)
        all_lengths = np.concatenate(lengths)
        holding = all_lengths > 0  # Of some characters the tokenizer leaves nothing.
        document_of = np.array(documents, np.int64)[holding]
        gaps = np.diff(np.array(sections, np.int64)[holding], prepend=-2) > 1
        begins = gaps | (np.diff(document_of, prepend=-1) != 0)
        return cls(
            np.concatenate(values),
            np.concatenate([[0], np.cumsum(all_lengths[holding])]).astype(np.int64),
            np.cumsum(begins),
            document_of,
        )

    def gathered(self, spans: list[tuple[int, int]]) -> TokenColumn:
        """The tokens from one place to before another, of every span a row."""
        begins, ends = np.array(spans, np.int64).reshape(-1, 2).T
        splits = np.concatenate([[0], np.cumsum(ends - begins)]).astype(np.int64)
        places = np.arange(splits[-1]) + np.repeat(begins - splits[:-1], ends - begins)
        return self.values[places], splits


def text_rows(
    examples: TextSections, tokenizer: BertTokenizer, max_length: int, masking: Masking,
    pairs: bool,
) -> TextRows:
    """Packs text into rows of at most `max_length` tokens.

    Without `pairs` a row has as many sentences of a document as fit, one after the other, and
    nothing is left out: a sentence that is too long goes on in the next row. With them see
    `_pairs`.

    Args:
        examples: the text.
        tokenizer: the encoder's.
        max_length: tokens of a row at most, special ones included.
        masking: how tokens are masked.
        pairs: whether rows are pairs of segments, half of them of other documents.

    Raises:
        UserError: there are no tokens in the text, or nothing is left of it once a part is held
            out, or pairs are asked of one document.
    """
    if not len(examples):
        raise UserError(
            f"{examples.origin}: one section of text cannot be both trained and scored; give more "
            "text, or --dev_fraction 0"
        )
    sentences = Sentences.of(examples, tokenizer)
    if not len(sentences.values):
        raise UserError(f"{examples.origin}: holds no tokens; expected a sentence a line")
    if pairs:
        columns, labels = _pairs(sentences, max_length - 3, masking.seed, examples.origin)
    else:
        columns = [(sentences.values, _row_splits(sentences, max_length - 2))]
        labels = np.zeros(len(columns[0][1]) - 1, np.int32)
    packed = pack(
        columns, max_length=max_length, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id,
        labels=labels,
    )
    return TextRows(
        token_ids=packed.token_ids,
        row_splits=packed.row_splits,
        first_lengths=packed.first_lengths,
        labels=labels,
        truncated=packed.truncated,
        masking=masking,
    )


def _row_splits(sentences: Sentences, room: int) -> np.ndarray:
    """Where the flat tokens are cut into rows."""
    splits, filled, place = [0], 0, 0
    new_stretch = np.diff(sentences.stretches, prepend=0) != 0
    lengths = np.diff(sentences.splits)
    for length, begins in zip(lengths.tolist(), new_stretch.tolist(), strict=True):
        if filled and (begins or filled + length > room):
            splits.append(place)
            filled = 0
        while length > room:
            place, length = place + room, length - room
            splits.append(place)
        filled, place = filled + length, place + length
    if filled:
        splits.append(place)
    return np.array(splits, np.int64)


def _pairs(
    sentences: Sentences, room: int, seed: int, origin: str
) -> tuple[list[TokenColumn], np.ndarray]:
    """Segments of following sentences, the second of half of them from another document.

    As in Google's code: sentences that follow each other are gathered until the row is full and
    split at a random place; where the second part is replaced, it is left for the next row. What
    does not fit is cut off. Differs from it: two sentences are gathered at least, where there are
    two left, and where one is left alone, so that its second segment cannot but be random, a later
    pair follows on. There short rows, or short documents, make three pairs of four random.
    The pairs are drawn once; what is masked in them is drawn anew in every epoch.

    Raises:
        UserError: there is one document alone.
    """
    random = np.random.default_rng([seed, 0x4E5350])
    begins, ends = _runs(sentences.stretches)
    # Stretches of a document stand side by side.
    document_of = sentences.documents[begins]
    first, last = (np.searchsorted(document_of, document_of, side) for side in ("left", "right"))
    if first[-1] == 0:
        raise UserError(
            f"--next_sentence: {origin} has one document, and random segments come from others; "
            "separate documents by blank lines, give more of them (--dev_fraction says how many "
            "are held out), or leave --next_sentence out"
        )
    splits = sentences.splits
    firsts, seconds, labels = [], [], []

    owed = 0  # Pairs that had to be random, less those that follow on in their place.

    def stop(sentence: int, end: int, room: int, least: int) -> int:
        """Up to which sentence the row is full."""
        full = int(np.searchsorted(splits, splits[sentence] + room, side="left"))
        return min(end, max(sentence + least, full))

    for stretch, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        while begin < end:
            after = stop(begin, end, room, least=2)
            alone = after - begin == 1
            middle = after if alone else begin + int(random.integers(1, after - begin))
            drawn_random = random.random() < 0.5
            if alone and not drawn_random:
                owed += 1
            elif drawn_random and not alone and owed:
                owed, drawn_random = owed - 1, False
            if alone or drawn_random:
                own = int(last[stretch] - first[stretch])
                other = int(random.integers(len(begins) - own))
                other += own if other >= first[stretch] else 0
                start = int(random.integers(begins[other], ends[other]))
                left = room - int(splits[middle] - splits[begin])
                second = start, stop(start, int(ends[other]), max(1, left), least=1)
                labels.append(IS_RANDOM)
                follows = middle
            else:
                second, follows = (middle, after), after
                labels.append(IS_NEXT)
            firsts.append((splits[begin], splits[middle]))
            seconds.append((splits[second[0]], splits[second[1]]))
            begin = follows
    return [sentences.gathered(firsts), sentences.gathered(seconds)], np.array(labels, np.int32)


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of equal values begin, and before what they end."""
    borders = np.flatnonzero(np.diff(values, prepend=values[0] - 1) != 0)
    return borders, np.append(borders[1:], len(values))


def row_facts(examples: TextSections, rows: TextRows, pairs: bool) -> Iterator[str]:
    """What people are told of the rows beside how many sections there are."""
    documents = len(np.unique(examples.documents))
    yield f"{examples.sentences.sum():,} sentences of {documents:,} documents"
    noun = "pairs" if pairs else "rows"
    share = f", {np.mean(rows.labels == IS_RANDOM):.0%} random" if pairs else ""
    yield f"in {len(rows):,} {noun}{share}"
