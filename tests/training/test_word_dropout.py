import numpy as np
import pytest

from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batches import padded_batch
from tfglue.errors import UserError
from tfglue.training.seeds import dropout_seed
from tfglue.training.word_dropout import WordDropout


class Vocabulary:
    """Ids of the special tokens of `small_features`, whose ids are 1 to 49."""

    unk_id, cls_id, sep_id = 0, 7, 8


def test_a_share_of_the_tokens_becomes_unknown_and_special_tokens_and_padding_stay():
    batch = padded_batch(small_features(rows=400), np.arange(400))
    before = batch["token_ids"].numpy()
    after = WordDropout(0.3, Vocabulary)(batch, dropout_seed(0, 1, 0))["token_ids"].numpy()
    real = batch["padding_mask"].numpy() == 1
    special = (before == 7) | (before == 8)
    assert special.any() and np.array_equal(after[special], before[special])
    changed = before != after
    assert not changed[~real].any() and set(after[changed]) == {0}
    share = changed[real & ~special].mean()
    assert share == pytest.approx(0.3, abs=0.03)


def test_which_tokens_is_a_function_of_the_seed():
    batch = padded_batch(small_features(), np.arange(30))
    drop = WordDropout(0.3, Vocabulary)
    one, same, other = (
        drop(batch, dropout_seed(0, update, 0))["token_ids"].numpy() for update in (1, 1, 2)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.slow
def test_training_sees_the_changed_tokens():
    batch = padded_batch(small_features(), np.arange(16))
    drop, seed = WordDropout(0.4, Vocabulary), dropout_seed(0, 0, 0)
    found = []
    for given, dropout in ((batch, drop), (drop(batch, seed), None)):
        model = small_model()
        small_step(model, word_dropout=dropout)("nli", [given], 16, [seed])
        found.append(values(model))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_that_are_no_share_are_refused(rate):
    with pytest.raises(UserError, match="--word_dropout"):
        WordDropout(rate, Vocabulary)
