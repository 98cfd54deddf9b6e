"""Which tokens a masked language model has to find again, as a function of seed and epoch."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfglue.data.features import NO_LABEL
from tfglue.data.tokenizer import BertTokenizer

MASKED_TOKEN_IDS = "masked_token_ids"
"""In a batch: its token ids with masked ones replaced, int32 (batch, time)."""

MASKED_POSITIONS = "masked_positions"
"""In a batch: places of masked tokens, int32 (batch, most of a row); 0 behind the last of a row."""

MASKED_LABELS = "masked_labels"
"""In a batch: the ids that stood there, of the same shape; `NO_LABEL` behind the last of a row."""

# Devlin et al. 2019, 3.1: of the tokens to be found again, so many become [MASK], and so many
# another token; the others stay.
_MASKED, _RANDOM = 0.8, 0.1

_CHUNK_TOKENS = 1 << 20  # Bounds the memory of a draw.
_STEP = 8  # Widths of batches on devices that compile a program for each are multiples of this.


@dataclass(frozen=True)
class MaskedTokens:
    """The masked tokens of all rows, in their order.

    Args:
        places: int64 (masked,), where they stand in the flat token ids.
        replacements: int32 (masked,), what stands in their place.
        row_splits: int64 (rows + 1,), which of them are of which row.
    """

    places: np.ndarray
    replacements: np.ndarray
    row_splits: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """How many each row has, int64 (rows,)."""
        return np.diff(self.row_splits)

    def padded(
        self, rows: np.ndarray, padded_ids: np.ndarray, token_ids: np.ndarray, starts: np.ndarray,
        fixed_sizes: bool = False,
    ) -> dict[str, np.ndarray]:
        """What a padded batch has of them.

        Args:
            rows: of the batch.
            padded_ids: their ids, (batch, time).
            token_ids: flat ids of all rows.
            starts: where the rows of the batch begin in those.
            fixed_sizes: round the width up, so that few widths occur.

        Returns:
            `MASKED_TOKEN_IDS`, `MASKED_POSITIONS` and `MASKED_LABELS`.
        """
        counts = self.counts[rows]
        width = max(1, int(counts.max()))
        width += -width % _STEP if fixed_sizes else 0
        row, slot = np.nonzero(np.arange(width) < counts[:, None])
        index = self.row_splits[rows][row] + slot
        places = self.places[index]
        masked_ids = padded_ids.copy()
        masked_ids[row, places - starts[row]] = self.replacements[index]
        positions = np.zeros((len(rows), width), np.int32)
        labels = np.full((len(rows), width), NO_LABEL, np.int32)
        positions[row, slot] = places - starts[row]
        labels[row, slot] = token_ids[places]
        return {
            MASKED_TOKEN_IDS: masked_ids, MASKED_POSITIONS: positions, MASKED_LABELS: labels
        }


@dataclass(frozen=True)
class Masking:
    """Draws what is masked: BERT's 80, 10 and 10 % (Devlin et al. 2019, 3.1), anew in every epoch.

    Special tokens (``[CLS]``, ``[SEP]``, ``[PAD]``, ``[UNK]``, ``[MASK]``) are neither masked nor
    put in a token's place. Of a row with n other tokens, rate * n are masked on average, and one at
    least on average; Google's code rounds that number, so that short rows have more than their
    share.

    Args:
        rate: share of the tokens that are masked.
        whole_words: whether all pieces of a word are masked, or none.
        seed: with the epoch and the name, all that decides what is drawn for given rows.
        name: of what is masked, so that tasks of one run are masked independently.
        mask_id: stands for most masked tokens.
        special: bool (vocabulary,), which ids are special tokens.
        continues_word: bool (vocabulary,), which ids go on with the word before them.
    """

    rate: float
    whole_words: bool
    seed: int
    name: str
    mask_id: int
    special: np.ndarray
    continues_word: np.ndarray

    @classmethod
    def of(
        cls, tokenizer: BertTokenizer, rate: float, whole_words: bool, seed: int, name: str
    ) -> "Masking":
        """How rows of a tokenizer are masked.

        Raises:
            UserError: its vocabulary has no ``[MASK]``.
        """
        special = np.zeros(len(tokenizer.vocabulary), bool)
        special[[tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id]] = True
        special[tokenizer.mask_id] = True
        return cls(
            rate, whole_words, seed, name, tokenizer.mask_id, special, tokenizer.continues_word
        )

    def draw(self, token_ids: np.ndarray, row_splits: np.ndarray, epoch: int) -> MaskedTokens:
        """What is masked in an epoch.

        Args:
            token_ids: flat int32 ids of all rows.
            row_splits: int64 (rows + 1,), their borders.
            epoch: from 0.
        """
        random = np.random.default_rng([self.seed, epoch, zlib.crc32(self.name.encode())])
        places, replacements = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for begin, end in _chunks(row_splits):
            first, last = row_splits[begin], row_splits[end]
            found = self._chosen(token_ids[first:last], row_splits[begin : end + 1] - first, random)
            places.append(found + first)
            replacements.append(self._replaced(token_ids[found + first], random))
        all_places = np.concatenate(places)
        return MaskedTokens(
            all_places, np.concatenate(replacements), np.searchsorted(all_places, row_splits)
        )

    def _chosen(
        self, token_ids: np.ndarray, row_splits: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Places of the masked tokens of some rows, in order."""
        rows = len(row_splits) - 1
        row_of_token = np.repeat(np.arange(rows), np.diff(row_splits))
        ordinary = ~self.special[token_ids]
        begins = ordinary.copy()
        if self.whole_words:
            goes_on = self.continues_word[token_ids]
            goes_on[1:] &= ordinary[:-1]
            goes_on[row_splits[:-1]] = False
            begins &= ~goes_on
        places = np.flatnonzero(ordinary)
        word_of_place = np.cumsum(begins)[places] - 1
        row_of_word = row_of_token[np.flatnonzero(begins)]
        # Words of a row in random order, as many as fit; the last one perhaps, by how much of it
        # fits, so that the expected number of tokens is exact.
        order = np.lexsort((random.random(len(row_of_word)), row_of_word))
        lengths = np.bincount(word_of_place, minlength=len(row_of_word))[order]
        counts = np.bincount(row_of_token[places], minlength=rows)
        before_row = np.cumsum(counts) - counts
        row_of_word = row_of_word[order]
        before = np.cumsum(lengths) - lengths - before_row[row_of_word]
        room = np.maximum(1.0, self.rate * counts)[row_of_word]
        chosen = np.zeros(len(order), bool)
        chosen[order] = before + random.random(len(order)) * lengths < room
        return places[chosen[word_of_place]]

    def _replaced(self, token_ids: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """What stands in the place of masked tokens."""
        drawn = random.random(len(token_ids))
        ordinary = np.flatnonzero(~self.special)
        others = ordinary[random.integers(len(ordinary), size=len(token_ids))]
        others = np.where(drawn < _MASKED + _RANDOM, others, token_ids)
        return np.where(drawn < _MASKED, self.mask_id, others).astype(np.int32)


def _chunks(row_splits: np.ndarray) -> Iterator[tuple[int, int]]:
    """Rows from `begin` to before `end`, as many as have about `_CHUNK_TOKENS` tokens."""
    begin, rows = 0, len(row_splits) - 1
    while begin < rows:
        end = int(np.searchsorted(row_splits, row_splits[begin] + _CHUNK_TOKENS, side="right")) - 1
        end = min(max(end, begin + 1), rows)
        yield begin, end
        begin = end
