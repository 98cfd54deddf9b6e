import numpy as np
import pytest

from tfglue.data import token_cache as cache
from tfglue.data.tokenizer import BertTokenizer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "blue", "##s"]
TEXTS = ["red blue reds", "blue", "", "green"] * 10


class Counting(BertTokenizer):
    """Counts how often a corpus is tokenized."""

    calls = 0

    def tokenize_all(self, texts):
        self.calls += 1
        return super().tokenize_all(texts)


@pytest.fixture
def large(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "_SMALLEST", 1)
    monkeypatch.setenv("TFGLUE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_time_is_read_and_equal(large):
    tokenizer = Counting(WORDS, lower_case=True)
    first = cache.tokenize_column(tokenizer, TEXTS)
    second = cache.tokenize_column(tokenizer, TEXTS)
    assert tokenizer.calls == 1
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert second[0].dtype == np.int32 and second[1].dtype == np.int64


def test_other_texts_or_another_tokenizer_are_not_confused(large):
    tokenizer = Counting(WORDS, lower_case=True)
    cache.tokenize_column(tokenizer, TEXTS)
    cache.tokenize_column(tokenizer, [*TEXTS[:-1], "red"])
    other = Counting(WORDS, lower_case=False)
    cache.tokenize_column(other, TEXTS)
    assert (tokenizer.calls, other.calls) == (2, 1)


def test_damage_is_computed_again(large):
    tokenizer = Counting(WORDS, lower_case=True)
    expected = cache.tokenize_column(tokenizer, TEXTS)
    (path,) = large.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:50])
    again = cache.tokenize_column(tokenizer, TEXTS)
    assert tokenizer.calls == 2
    assert np.array_equal(expected[0], again[0])


def test_small_columns_leave_the_cache_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("TFGLUE_CACHE", str(tmp_path / "cache"))
    cache.tokenize_column(Counting(WORDS, lower_case=True), TEXTS)
    assert not (tmp_path / "cache").exists()
