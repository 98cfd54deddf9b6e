"""Plain text as sections and rows: what is packed where, what is held out, and pairs."""

import numpy as np
import pytest

from tfglue.data.held_out import split_held_out
from tfglue.data.masking import Masking
from tfglue.data.text_rows import IS_NEXT, IS_RANDOM, Sentences, text_rows
from tfglue.data.text_sections import read_sections
from tfglue.data.text_source import open_text
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError

WORDS = [f"{a}{b}" for a in "bcdfghklmn" for b in "aeiou"]


@pytest.fixture(scope="module")
def tokenizer():
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer([*special, *WORDS], lower_case=True)


def text_of(documents, seed=0, longest=9):
    """Documents of so many sentences; each sentence is of random words."""
    random = np.random.default_rng(seed)
    return [
        [" ".join(random.choice(WORDS, random.integers(2, longest))) for _ in range(count)]
        for count in documents
    ]


def written(path, documents):
    path.write_text("\n\n\n".join("\n".join(document) for document in documents) + "\n")
    return path


def masking(tokenizer, seed=0):
    return Masking.of(tokenizer, 0.15, False, seed, "text")


def rows_of(examples, tokenizer, max_length=16, pairs=False, seed=0):
    return text_rows(examples, tokenizer, max_length, masking(tokenizer, seed), pairs)


def shown(rows, tokenizer):
    return [
        " ".join(tokenizer.ids_to_tokens(rows.token_ids[begin:end]))
        for begin, end in zip(rows.row_splits[:-1], rows.row_splits[1:], strict=True)
    ]


def test_rows_hold_the_whole_text_in_its_order(tmp_path, tokenizer):
    documents = text_of([5, 40, 1, 23])
    first, second = documents[:2], documents[2:]
    paths = [written(tmp_path / "a.txt", first), written(tmp_path / "b.txt", second)]
    examples = read_sections(paths)
    assert examples.sentences.tolist() == [5, 16, 16, 8, 1, 16, 7]
    assert examples.documents.tolist() == [0, 1, 1, 1, 2, 3, 3]
    assert examples.ids[0] == f"{paths[0]}:1" and examples.ids[4] == f"{paths[1]}:1"
    rows = shown(rows_of(examples, tokenizer), tokenizer)
    # The reference packs by hand: a row ends where the next sentence does not fit, or a document.
    expected = []
    for document in documents:
        row = []
        for sentence in document:
            words = sentence.split()
            if len(row) + len(words) > 14:
                expected.append(row)
                row = []
            row = row + words
        expected.append(row)
    assert rows == [" ".join(["[CLS]", *row, "[SEP]"]) for row in expected]


def test_long_sentences_go_on_in_the_next_row(tmp_path, tokenizer):
    sentence = " ".join(WORDS[:33])
    rows = rows_of(read_sections([written(tmp_path / "a", [[sentence, "ba ca"]])]), tokenizer)
    assert rows.lengths.tolist() == [16, 16, 9]
    inner = [token for row in shown(rows, tokenizer) for token in row.split()[1:-1]]
    assert " ".join(inner) == f"{sentence} ba ca"


def test_what_is_held_out_is_in_no_row_of_the_others(tmp_path, tokenizer):
    documents = [[f"{WORDS[d]} {WORDS[s % 50]}" for s in range(60)] for d in range(9)]
    path = written(tmp_path / "a.txt", documents)
    task, source = open_text(str(path), next_sentence=False, dev_fraction=0.1)
    train, dev = source.read("train"), source.read("dev")
    assert task.text_fields == ("text",)
    assert set(train.numbers) | set(dev.numbers) == set(range(36))
    assert not set(train.numbers) & set(dev.numbers) and len(dev) == 4
    assert train.sentences.sum() + dev.sentences.sum() == 540
    kept, aside = split_held_out(read_sections([path]), 0.1)
    assert np.array_equal(dev.numbers, aside) and len(kept) == len(train)
    for part in (train, dev):
        found = Sentences.of(part, tokenizer)
        assert len(found.splits) - 1 == part.sentences.sum()
        # A row never joins sentences with others missing between them.
        borders = np.flatnonzero(np.diff(found.stretches))
        gaps = (np.diff(part.numbers) > 1) | (np.diff(part.documents) > 0)
        assert len(borders) == gaps.sum()
    assert train.digest() != dev.digest()


def test_a_digest_is_of_the_text_and_its_documents(tmp_path):
    documents = text_of([4, 4])
    one = read_sections([written(tmp_path / "a", documents)])
    again = read_sections([written(tmp_path / "a", documents)])
    assert one.digest() == again.digest()
    joined = read_sections([written(tmp_path / "a", [documents[0] + documents[1]])])
    changed = read_sections([written(tmp_path / "a", text_of([4, 4], seed=1))])
    assert len({one.digest(), joined.digest(), changed.digest()}) == 3


@pytest.mark.parametrize("sizes", [[30] * 20, [3] * 120, [1, 2] * 150])
def test_pairs_follow_each_other_or_are_of_other_documents(tmp_path, tokenizer, sizes):
    # Words say of which document they are; numbers are their places in it.
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    names = [f"{a}{b}{c}" for a in "bcdfghklmn" for b in "aeiou" for c in "bcdfgh"]
    places = [f"{number}" for number in range(400)]
    tokens = BertTokenizer([*special, *names, *places], lower_case=True)
    documents = [
        [f"{names[number]} {3 * s} {3 * s + 1} {3 * s + 2}" for s in range(size)]
        for number, size in enumerate(sizes)
    ]
    rows = rows_of(
        read_sections([written(tmp_path / "a", documents)]), tokens, max_length=24, pairs=True
    )
    share = np.mean(rows.labels == IS_RANDOM)
    possible = np.mean(np.array(sizes) > 1) == 1
    assert abs(share - 0.5) < (0.07 if possible else 0.3)
    assert (rows.lengths <= 24).all() and len(rows) > 100
    for row, label in enumerate(rows.labels):
        begin, end = rows.row_splits[row : row + 2]
        words = tokens.ids_to_tokens(rows.token_ids[begin:end])
        border = rows.first_lengths[row]
        first, second = words[1 : border - 1], words[border:-1]
        assert words[0] == "[CLS]" and words[border - 1] == words[-1] == "[SEP]"
        documents_of = [{w for w in part if not w.isdigit()} for part in (first, second)]
        numbers = [[int(w) for w in part if w.isdigit()] for part in (first, second)]
        for own in numbers:
            assert own == list(range(own[0], own[0] + len(own)))
        if label == IS_NEXT:
            assert documents_of[0] == documents_of[1]
            # The first segment may have lost its end where both were too long.
            assert numbers[1][0] >= numbers[0][-1] + 1 and numbers[1][0] % 3 == 0
            if rows.lengths[row] < 24:
                assert numbers[1][0] == numbers[0][-1] + 1
        else:
            assert not documents_of[0] & documents_of[1]
    again = rows_of(
        read_sections([tmp_path / "a"]), tokens, max_length=24, pairs=True
    )
    other = rows_of(
        read_sections([tmp_path / "a"]), tokens, max_length=24, pairs=True, seed=1
    )
    assert np.array_equal(again.token_ids, rows.token_ids)
    assert not np.array_equal(other.labels[:50], rows.labels[:50])


def test_one_document_has_no_others_to_draw_from(tmp_path, tokenizer):
    examples = read_sections([written(tmp_path / "a", text_of([40]))])
    with pytest.raises(UserError, match="has one document"):
        rows_of(examples, tokenizer, pairs=True)


def test_mistakes_are_said_with_file_and_line(tmp_path, tokenizer):
    def problem(*paths):
        with pytest.raises(UserError) as error:
            read_sections(paths)
        return str(error.value)

    good = written(tmp_path / "good.txt", text_of([3]))
    empty, blank, binary = (tmp_path / name for name in ("empty", "blank", "binary"))
    empty.write_bytes(b"")
    blank.write_text("\n \n\n")
    binary.write_bytes(b"one line\nand \xff\xfe\n")
    assert "empty: holds no text" in problem(good, empty)
    assert "blank: holds no text" in problem(blank)
    assert "binary:2: not UTF-8 (byte 0xff)" in problem(binary)
    assert "is a folder" in problem(tmp_path)
    assert "nothing.txt: no such file" in problem(tmp_path / "nothing.txt")
    with pytest.raises(UserError, match="named twice"):
        open_text(f"{good},{good}", False, 0.0)
    with pytest.raises(UserError, match="names no file"):
        open_text(" , ", False, 0.0)


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path, tokenizer):
    path = written(tmp_path / "a", text_of([40]))
    examples = read_sections([path])
    written(path, text_of([3]))
    with pytest.raises(UserError, match="changed while it was read"):
        rows_of(examples, tokenizer)
