import json
import os
import random
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference"
SHARED = ROOT.parent / "shared" / "data"
GOLDEN = json.loads((REFERENCE / "tokenizer_golden.json").read_text(encoding="utf-8"))
TEXTS = GOLDEN["texts"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
SMALL = [*SPECIAL, "the", "end", "##s", "[", "]", "sep", "a", "##b"]


def golden_tokenizer(name):
    return BertTokenizer(GOLDEN[name]["vocabulary"], lower_case=name == "uncased")


def ids_of(tokenizer, texts):
    values, row_splits = tokenizer.tokenize_all(texts)
    return [part.tolist() for part in np.split(values, row_splits[1:-1])] if texts else []


def reference_of(tokenizer):
    pytest.importorskip("tokenizers")
    script = runpy.run_path(str(REFERENCE / "make_tokenizer_golden.py"))
    return script["reference_tokenizer"](tokenizer.vocabulary, tokenizer.lower_case)


def assert_same_ids(tokenizer, texts):
    encodings = reference_of(tokenizer).encode_batch(texts, add_special_tokens=False)
    ids = ids_of(tokenizer, texts)
    different = [
        (ascii(text), ours, theirs.ids)
        for text, ours, theirs in zip(texts, ids, encodings, strict=True)
        if ours != theirs.ids
    ]
    assert not different, f"{len(different)} of {len(texts)}: {different[:3]}"


@pytest.fixture(scope="module", params=["uncased", "cased"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(name):
    return golden_tokenizer(name)


def test_ids_of_tricky_texts_equal_the_golden_ones(name, tokenizer):
    for text, ours, expected in zip(
        TEXTS, ids_of(tokenizer, TEXTS), GOLDEN[name]["ids"], strict=True
    ):
        assert ours == expected, ascii(text)


def test_the_golden_file_is_what_its_script_writes():
    pytest.importorskip("tokenizers")
    script = runpy.run_path(str(REFERENCE / "make_tokenizer_golden.py"))
    assert json.loads(json.dumps(script["golden"]())) == GOLDEN


def test_ids_equal_the_transformers_fast_tokenizer_where_no_special_token_is_written(
    name, tokenizer, tmp_path
):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path)
    fast = transformers.BertTokenizerFast.from_pretrained(tmp_path)
    texts = [text for text in TEXTS if not any(token in text for token in [*SPECIAL, "[MASK]"])]
    assert ids_of(tokenizer, texts) == fast(texts, add_special_tokens=False)["input_ids"]


def test_random_unicode_between_vocabulary_words_gives_the_reference_ids(tokenizer):
    rng = random.Random(7)
    marks = [chr(code) for code in range(0x300, 0x370)]

    def part():
        kind = rng.randrange(6)
        if kind == 0:
            return chr(rng.choice([rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)]))
        if kind == 1:
            return rng.choice(marks)
        if kind == 2:
            return rng.choice("ΣΑİIıſKÅéß한字") * rng.choice([1, 2, 99, 100, 101])
        if kind == 3:
            return rng.choice([" ", "\n", "\u00a0", "", "'", "-"])
        return rng.choice(tokenizer.vocabulary)

    texts = ["".join(part() for _ in range(rng.randrange(12))) for _ in range(4000)]
    assert_same_ids(tokenizer, texts)


def test_random_vocabularies_split_words_as_the_reference_does():
    rng = random.Random(11)
    for _ in range(8):
        pieces = {"".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(12)}
        parts = {"##" + "".join(rng.choices("abc", k=rng.randint(1, 4))) for _ in range(12)}
        tokenizer = BertTokenizer([*SPECIAL, *sorted(pieces), *sorted(parts)], lower_case=True)
        words = ["".join(rng.choices("abc", k=rng.randint(1, 12))) for _ in range(300)]
        assert_same_ids(tokenizer, words)


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param(range(0x3100), id="up to kana"),
        pytest.param(range(0x110000), id="all of Unicode", marks=pytest.mark.long),
    ],
)
def test_every_character_inside_a_word_gives_the_reference_ids(tokenizer, codes):
    characters = [chr(code) for code in codes if not 0xD800 <= code < 0xE000]
    assert_same_ids(tokenizer, [f"a{character}b" for character in characters])


# Capitals and composed letters that joined Unicode in 2020 or later: the `tokenizers` library
# knows the lower case of some that TensorFlow's Unicode tables lack, and the other way round.
# No vocabulary of BERT's time holds them, so that both tokenizers say [UNK].
LATER_LETTERS = (
    "1C89 2C2F A7C0-A7DC 10570-10595 105C9-105E4 10D50-10D65 11383-113C8 11938 16121-16128 "
    "16D68-16D6A 16EA0-16EB8"
)


@pytest.mark.slow
def test_every_character_normalises_as_in_the_reference_but_for_letters_younger_than_bert():
    normalizers = pytest.importorskip("tokenizers.normalizers")
    from tfglue.data.normalization import clean, fold_case

    spans = [span.split("-") for span in LATER_LETTERS.split()]
    later = {c for span in spans for c in range(int(span[0], 16), int(span[-1], 16) + 1)}
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code not in later]
    texts = [f"A{chr(code)}B" for code in codes]
    reference = normalizers.BertNormalizer(handle_chinese_chars=False, lowercase=True)
    normal = fold_case(clean(tf.constant(texts))).numpy()
    assert [text.decode() for text in normal] == [reference.normalize_str(t) for t in texts]


@pytest.mark.slow
def test_the_unicode_ranges_are_what_their_script_writes():
    pytest.importorskip("tokenizers")
    script = runpy.run_path(str(REFERENCE / "make_unicode_ranges.py"))
    assert script["TARGET"].read_text(encoding="utf-8") == script["module_text"]()


@pytest.fixture(scope="module")
def real_texts():
    if not (SHARED / "glue").exists():
        pytest.skip("needs the vocabularies and data sets of ../shared/data")
    pytest.importorskip("tokenizers")
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "tokenizer_parity.py"))
    texts = [text for _, texts in benchmark["corpora"](SHARED) for text in texts[::80]]
    assert len(texts) > 10_000
    return texts


def test_real_sentences_give_the_reference_ids(name, real_texts):
    tokenizer = BertTokenizer.from_file(SHARED / "vocab" / f"bert-base-{name}-vocab.txt")
    assert tokenizer.lower_case == (name == "uncased")
    assert_same_ids(tokenizer, real_texts)


def test_special_tokens_in_the_text_are_plain_text(tokenizer):
    texts = ["[CLS] [SEP]", "the end[SEP]the [PAD] [MASK]", "##s [unk]"]
    special_ids = {tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id}
    for text in texts:
        (ids,) = ids_of(tokenizer, [text])
        assert not special_ids & set(ids)
    uncased = BertTokenizer(SMALL, lower_case=True)
    tokens = uncased.ids_to_tokens(ids_of(uncased, ["[SEP]"])[0])
    assert tokens == ["[", "sep", "]"]


def test_one_graph_function_serves_tf_function_tf_data_and_saved_model(tokenizer, tmp_path):
    eager = tokenizer.tokenize(tf.constant(TEXTS))
    assert eager.dtype == tf.int32
    assert eager.shape.as_list() == [len(TEXTS), None]
    expected = eager.to_list()

    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(7).map(tokenizer.tokenize)
    assert [row for batch in dataset for row in batch.to_list()] == expected

    module = tf.Module()
    module.serve = tf.function(
        lambda texts: tokenizer.tokenize(texts).to_tensor(-1),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, tmp_path)
    dense = tf.saved_model.load(tmp_path).serve(tf.constant(TEXTS))
    assert tf.RaggedTensor.from_tensor(dense, padding=-1).to_list() == expected


def test_a_corpus_of_several_chunks_gives_the_ids_of_its_single_texts(tokenizer):
    texts = [f"{TEXTS[index % len(TEXTS)]} {index}" for index in range(4500)]
    values, row_splits = tokenizer.tokenize_all(texts)
    assert (values.dtype, row_splits.dtype) == (np.int32, np.int64)
    assert (row_splits[0], row_splits[-1], len(row_splits)) == (0, len(values), 4501)
    for row in (0, 2047, 2048, 4095, 4096, 4499):
        alone = tokenizer.tokenize(tf.constant([texts[row]])).values.numpy()
        np.testing.assert_array_equal(values[row_splits[row] : row_splits[row + 1]], alone)


def test_no_texts_give_no_ids(tokenizer):
    values, row_splits = tokenizer.tokenize_all([])
    assert values.shape == (0,) and row_splits.tolist() == [0]
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_broken_bytes_make_their_word_unknown_and_leave_the_others_alone(tokenizer):
    texts = [b"hello \xff\xfe world", b"hello\xe4\xb8 world", b"\xed\xa0\x80, hello"]
    hello, world, comma, unknown = map(tokenizer.vocabulary.index, ["hello", "world", ",", "[UNK]"])
    assert tokenizer.tokenize(tf.constant(texts)).to_list() == [
        [hello, unknown, world],
        [unknown, world],
        [unknown, comma, hello],
    ]


def test_lone_surrogates_are_deleted_like_control_characters():
    tokenizer = BertTokenizer(SMALL, lower_case=True)
    assert ids_of(tokenizer, ["the\ud800 \udfffend"]) == ids_of(tokenizer, ["the end"])


@pytest.mark.slow
def test_a_turkish_locale_does_not_change_the_ids(tmp_path):
    golden_tokenizer("uncased").save(tmp_path)
    program = (
        "from tfglue.data.tokenizer import BertTokenizer\n"
        f"tokenizer = BertTokenizer.from_file({str(tmp_path / 'vocab.txt')!r})\n"
        "print(tokenizer.tokenize_all(['Hello ISTANBUL I'])[0].tolist())"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ids_of(golden_tokenizer("uncased"), ["Hello ISTANBUL I"])[0]


def test_saving_and_reading_keeps_everything_that_the_ids_depend_on(name, tokenizer, tmp_path):
    tokenizer.save(tmp_path / "tokenizer")
    again = BertTokenizer.from_file(tmp_path / "tokenizer" / "vocab.txt")
    assert again.vocabulary == tokenizer.vocabulary
    assert again.lower_case == tokenizer.lower_case
    assert again.digest() == tokenizer.digest()


def test_the_digest_changes_with_vocabulary_order_and_case():
    digests = {
        BertTokenizer(vocabulary, lower_case).digest()
        for vocabulary in (SMALL, [*SMALL, "more"], [*SMALL[:-2], *SMALL[:-3:-1]])
        for lower_case in (True, False)
    }
    assert len(digests) == 6


def test_ids_of_special_tokens_are_their_lines():
    tokenizer = BertTokenizer(["a", "[SEP]", "[CLS]", "[UNK]", "[PAD]"], lower_case=True)
    ids = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id)
    assert ids == (4, 3, 2, 1)
    assert tokenizer.ids_to_tokens(np.array([2, 0, 1])) == ["[CLS]", "a", "[SEP]"]
    assert ids_of(tokenizer, ["A b"]) == [[0, 3]]


def test_only_line_feeds_end_a_token_and_a_carriage_return_before_one_is_dropped(tmp_path):
    odd = [*SPECIAL, "\u2028", "\x85", "##\u00a0", "a\x0b", "end"]
    path = tmp_path / "vocab.txt"
    path.write_bytes("\r\n".join([*odd, ""]).encode())
    assert BertTokenizer.from_file(path).vocabulary == tuple(odd)


@pytest.mark.parametrize(
    ("tokens", "config", "argument", "expected"),
    [
        (["the"], None, None, True),
        (["The"], None, None, False),
        (["É"], None, None, False),
        (["[MASK]"], None, None, True),
        (["The"], {"do_lower_case": True}, None, True),
        (["the"], {"do_lower_case": False}, None, False),
        (["The"], {"model_max_length": 512}, None, False),
        (["the"], {"do_lower_case": True, "strip_accents": None}, False, False),
        (["the"], {"do_lower_case": False, "strip_accents": False}, None, False),
    ],
)
def test_lower_case_comes_from_the_argument_then_the_config_then_the_vocabulary(
    tmp_path, tokens, config, argument, expected
):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL, *tokens]), encoding="utf-8")
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert BertTokenizer.from_file(path, argument).lower_case is expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"[PAD]\n\xff\n", "vocab.txt:2: not UTF-8"),
        ("\n".join([*SPECIAL, "a", "b", "a"]).encode(), "vocab.txt:7: token 'a' is in line 5"),
        ("\n".join([*SPECIAL, "", "b"]).encode(), "vocab.txt:5: empty"),
        (b"[PAD]\n[UNK]\n[SEP]\na", r"no \[CLS\] in it"),
        (b"a\nb\nc", r"no \[PAD\] and no \[UNK\] and no \[CLS\] and no \[SEP\]"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_one_clear_error(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        BertTokenizer.from_file(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[]", "expected a JSON object"),
        ("{", "not valid JSON"),
        ('{"do_lower_case": "yes"}', "do_lower_case must be true or false"),
        ('{"do_lower_case": false, "strip_accents": true}', "strip_accents is not supported"),
        ('{"do_lower_case": true, "strip_accents": false}', "strip_accents is not supported"),
        ('{"tokenize_chinese_chars": false}', "tokenize_chinese_chars false is not supported"),
    ],
)
def test_a_config_that_asks_for_another_tokenizer_is_an_error(tmp_path, config, message):
    (tmp_path / "vocab.txt").write_text("\n".join(SMALL))
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(UserError, match=f"tokenizer_config.json.*{message}"):
        BertTokenizer.from_file(tmp_path / "vocab.txt")


def test_a_vocabulary_given_as_a_list_is_checked_too():
    with pytest.raises(UserError, match="vocabulary:5: token 'a' is in line 4"):
        BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "a", "a"], lower_case=True)


def test_many_tokenizers_in_one_process_are_no_reason_for_a_warning(caplog):
    for number in range(8):
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", f"##{number}"]
        ids, _ = BertTokenizer(vocabulary, lower_case=True).tokenize_all([f"a{number}"])
        assert ids.tolist() == [4, 5]
    assert "retracing" not in caplog.text
