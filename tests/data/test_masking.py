"""What is masked: shares, whole words, special tokens, and a function of seed and epoch."""

import numpy as np
import pytest

from tfglue.data.batches import Padding, padded_batch
from tfglue.data.features import NO_LABEL, Features
from tfglue.data.masking import MASKED_LABELS, MASKED_POSITIONS, MASKED_TOKEN_IDS, Masking
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError

MASK_ID, CLS, SEP = 4, 2, 3
VOCABULARY = 2000
CONTINUES = np.arange(VOCABULARY) >= 1400


def masking(rate=0.15, whole_words=False, seed=0, name="text"):
    special = np.arange(VOCABULARY) < 5
    return Masking(rate, whole_words, seed, name, MASK_ID, special, CONTINUES)


def features(rows=3000, shortest=3, longest=60, seed=1, **options):
    random = np.random.default_rng(seed)
    lengths = random.integers(shortest, longest, rows)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    token_ids = random.integers(5, VOCABULARY, splits[-1]).astype(np.int32)
    token_ids[splits[:-1]], token_ids[splits[1:] - 1] = CLS, SEP
    token_ids[random.random(splits[-1]) < 0.02] = 1  # [UNK] here and there.
    return Features(
        token_ids=token_ids, row_splits=splits, first_lengths=lengths.astype(np.int32),
        labels=np.zeros(rows, np.int32), **options,
    )


def words_of(rows: Features):
    """The word of every token by a loop, -1 for special tokens: the reference."""
    words, found = -1, np.full(len(rows.token_ids), -1)
    for begin, end in zip(rows.row_splits[:-1], rows.row_splits[1:], strict=True):
        before_is_ordinary = False
        for place in range(begin, end):
            ordinary = rows.token_ids[place] >= 5
            if ordinary:
                if not (before_is_ordinary and CONTINUES[rows.token_ids[place]]):
                    words += 1
                found[place] = words
            before_is_ordinary = ordinary
    return found


@pytest.mark.parametrize("whole_words", [False, True])
def test_shares_are_those_of_the_paper(whole_words):
    rows = features(shortest=20)
    drawn = masking(whole_words=whole_words).draw(rows.token_ids, rows.row_splits, epoch=0)
    gold = rows.token_ids[drawn.places]
    ordinary = (rows.token_ids >= 5).sum()
    count = len(drawn.places)
    assert abs(count / ordinary - 0.15) < 0.005
    assert abs(np.mean(drawn.replacements == MASK_ID) - 0.8) < 4 * np.sqrt(0.16 / count)
    kept = np.mean(drawn.replacements == gold)
    assert abs(kept - 0.1) < 4 * np.sqrt(0.09 / count)
    others = drawn.replacements[(drawn.replacements != MASK_ID) & (drawn.replacements != gold)]
    assert others.min() >= 5 and abs(others.mean() - (VOCABULARY + 5) / 2) < 60
    assert (gold >= 5).all() and (np.diff(drawn.places) > 0).all()


def test_a_row_has_its_share_and_one_at_least():
    rows = features()
    counts = masking().draw(rows.token_ids, rows.row_splits, epoch=0).counts
    for count, begin, end in zip(counts, rows.row_splits[:-1], rows.row_splits[1:], strict=True):
        ordinary = int((rows.token_ids[begin:end] >= 5).sum())
        expected = max(1.0, 0.15 * ordinary) if ordinary else 0
        assert int(expected) <= count <= np.ceil(expected)


def test_every_token_is_masked_as_often_as_others():
    rows = features(rows=200, shortest=20)
    times = np.zeros(len(rows.token_ids))
    for epoch in range(200):
        times[masking().draw(rows.token_ids, rows.row_splits, epoch).places] += 1
    share = times[rows.token_ids >= 5] / 200
    assert abs(share.mean() - 0.15) < 0.003
    assert share.min() > 0.02 and share.max() < 0.32  # Five deviations.


def test_whole_words_are_masked_as_wholes():
    rows = features()
    drawn = masking(whole_words=True).draw(rows.token_ids, rows.row_splits, epoch=0)
    words = words_of(rows)
    masked = np.zeros(len(words), bool)
    masked[drawn.places] = True
    chosen = set(words[drawn.places])
    assert -1 not in chosen
    assert np.array_equal(masked, np.isin(words, list(chosen)))
    apart = masking().draw(rows.token_ids, rows.row_splits, epoch=0)
    assert len(apart.places) < np.isin(words, words[apart.places]).sum()


def test_it_is_a_function_of_seed_name_and_epoch():
    rows = features(rows=100)

    def places(epoch=0, **options):
        return masking(**options).draw(rows.token_ids, rows.row_splits, epoch).places.tolist()

    assert places() == places()
    others = [places(1), places(seed=1), places(name="other")]
    assert all(other != places() for other in others)


def test_features_draw_anew_for_every_epoch():
    rows = features(rows=50, masking=masking())
    first, second = rows.of_epoch(0).masked, rows.of_epoch(1).masked
    assert first.places.tolist() != second.places.tolist()
    assert rows.masked is None
    plain = features(rows=50)
    assert plain.of_epoch(3) is plain


@pytest.mark.parametrize("padding", [Padding(), Padding(row_multiple=4, lengths=(64, 128))])
def test_a_batch_has_masked_ids_and_what_stood_there(padding):
    rows = features(rows=40, masking=masking()).of_epoch(2)
    chosen = np.array([7, 3, 21])
    batch = {name: value.numpy() for name, value in padded_batch(rows, chosen, padding).items()}
    plain = padded_batch(features(rows=40), chosen, padding)
    assert np.array_equal(batch["token_ids"], plain["token_ids"].numpy())
    masked = rows.masked
    for place, row in enumerate(chosen):
        begin, end = rows.row_splits[row : row + 2]
        expected = rows.token_ids[begin:end].copy()
        own = slice(masked.row_splits[row], masked.row_splits[row + 1])
        expected[masked.places[own] - begin] = masked.replacements[own]
        assert np.array_equal(batch[MASKED_TOKEN_IDS][place, : end - begin], expected)
        count = masked.counts[row]
        positions = batch[MASKED_POSITIONS][place]
        labels = batch[MASKED_LABELS][place]
        assert np.array_equal(positions[:count], masked.places[own] - begin)
        assert np.array_equal(labels[:count], rows.token_ids[masked.places[own]])
        assert (labels[count:] == NO_LABEL).all() and (positions[count:] == 0).all()
    assert batch[MASKED_LABELS].shape[1] % (8 if padding.lengths else 1) == 0


def test_rows_of_special_tokens_alone_have_nothing_masked():
    rows = Features(
        token_ids=np.array([CLS, SEP, CLS, 1, SEP], np.int32), row_splits=np.array([0, 2, 5]),
        first_lengths=np.array([2, 3], np.int32), labels=np.zeros(2, np.int32), masking=masking(),
    ).of_epoch(0)
    assert rows.masked.counts.tolist() == [0, 0]
    batch = padded_batch(rows, np.array([0, 1]))
    assert (batch[MASKED_LABELS].numpy() == NO_LABEL).all()


def test_a_vocabulary_without_mask_is_refused():
    tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"], lower_case=True)
    with pytest.raises(UserError, match=r"no \[MASK\]"):
        Masking.of(tokenizer, 0.15, False, 0, "text")
