"""Tagged sentences as rows: [CLS] pieces of the words [SEP], long sentences in windows."""

from dataclasses import dataclass

import numpy as np

from tfglue.data.features import NO_LABEL, Features
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tokenizer import BertTokenizer
from tfglue.data.windows import cut_windows


@dataclass(frozen=True, kw_only=True)
class TagFeatures(Features):
    """Rows of sentences; labels are tag ids, one for the first piece of each word.

    Args:
        word_of_token: int64 (tokens,), the number of the word that a token answers for, -1 for all
            others. Every word is answered for once, by its first piece in the window that shows
            most of what is around it.
        sentence_of_row: int64 (rows,), the number of the sentence that a row is of.
    """

    word_of_token: np.ndarray
    sentence_of_row: np.ndarray

    @property
    def example_of_row(self) -> np.ndarray:
        """Which sentence each row is of, int64 (rows,)."""
        return self.sentence_of_row


def tag_features(
    sentences: TaggedSentences, tokenizer: BertTokenizer, max_length: int
) -> TagFeatures:
    """Tokenizes words one by one and packs sentences into rows of at most `max_length` tokens.

    A word of which nothing is left after normalisation becomes ``[UNK]``, so that every word has
    its tag (the transferability code gives it none of the tokens, but all later words a wrong tag).
    Sentences that do not fit are cut into windows that overlap by half.
    """
    codes: dict[str, int] = {}
    words = sentences.words
    code_of = np.fromiter((codes.setdefault(w, len(codes)) for w in words), np.int64, len(words))
    pieces, piece_splits = tokenizer.tokenize_all(list(codes))
    counts = np.diff(piece_splits)
    # Nothing of them is left: their one piece stands behind all others.
    begins = np.where(counts == 0, len(pieces), piece_splits[:-1])[code_of]
    counts = np.maximum(counts, 1)[code_of]
    pieces = np.append(pieces, tokenizer.unk_id)

    word_splits = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    word_of_piece = np.repeat(np.arange(len(words)), counts)
    within = np.arange(word_splits[-1]) - word_splits[word_of_piece]
    all_pieces = pieces[begins[word_of_piece] + within]
    sentence_splits = word_splits[sentences.row_splits]
    room = np.full(len(sentences), max_length - 2)
    windows = cut_windows(np.diff(sentence_splits), room, max(1, (max_length - 2) // 2))

    row_splits = np.concatenate([[0], np.cumsum(windows.lengths + 2)]).astype(np.int64)
    token_ids = np.full(row_splits[-1], tokenizer.sep_id, np.int32)
    token_ids[row_splits[:-1]] = tokenizer.cls_id
    window, place = windows.places()
    source = sentence_splits[windows.sequence[window]] + place
    target = row_splits[window] + 1 + place - windows.starts[window]
    token_ids[target] = all_pieces[source]
    answers = (within[source] == 0) & windows.most_context()
    word_of_token = np.full(row_splits[-1], -1, np.int64)
    word_of_token[target[answers]] = word_of_piece[source[answers]]
    labels = None
    if sentences.labelled:
        labels = np.full(row_splits[-1], NO_LABEL, np.int32)
        labels[target[answers]] = sentences.tags[word_of_piece[source[answers]]]
    return TagFeatures(
        token_ids=token_ids,
        row_splits=row_splits,
        first_lengths=(windows.lengths + 2).astype(np.int32),
        labels=labels,
        label_per_token=True,
        word_of_token=word_of_token,
        sentence_of_row=windows.sequence,
    )
