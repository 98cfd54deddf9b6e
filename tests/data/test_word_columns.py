"""Files of words in columns: what is read, what is wrong with them, and writing tags back."""

from dataclasses import replace

import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.reading import read_file
from tfglue.data.sources import open_source
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tagged_text import tagged_text
from tfglue.data.word_columns import read_sentences
from tfglue.errors import UserError
from tfglue.tasks.task import ColumnFile, Task

MINE = Task("mine", "tag", ("words",), ("accuracy",), ("O", "B-PER", "I-PER", "B-LOC"))
POS = replace(MINE, labels=("DET", "NOUN", "VERB", "PUNCT"))
PLAIN = ColumnFile("x.txt")
CONLLU = ColumnFile("x.conllu", 1, 3)

CONLL_2003 = """-DOCSTART- -X- -X- O

Ann NNP B-NP B-PER
Lee NNP I-NP I-PER
left VBD B-VP O

# # O O
in IN B-PP O
Oslo NNP B-NP B-LOC


-DOCSTART- -X- -X- O

. . O O

"""


def line(number, word, tag, misc="_"):
    return f"{number}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t{misc}\n"


UNIVERSAL = (
    "# newdoc id = d\n# sent_id = a-1\n"
    + line("1-2", "Thecat", "_", "SpaceAfter=No") + line(1, "The", "DET") + line(2, "cat", "NOUN")
    + line("2.1", "that", "VERB") + line(3, "sat", "VERB")
    + "\n# sent_id = a-2\n# text = It.\n" + line(1, "#", "NOUN") + line(2, ".", "PUNCT") + "\n"
)  # fmt: skip


def write(folder, text, name="x.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder, text, task=MINE, file=PLAIN, **options):
    return read_sentences(write(folder, text, file.name), file, task, **options)


def sentences(examples):
    return [examples.sentence(row) for row in range(len(examples))]


def test_conll_2003_is_words_and_tags_between_documents(tmp_path):
    examples = read(tmp_path, CONLL_2003)
    assert sentences(examples) == [["Ann", "Lee", "left"], ["#", "in", "Oslo"], ["."]]
    assert examples.tags.tolist() == [1, 2, 0, 0, 0, 3, 0]
    assert examples.ids == ["0", "1", "2"]
    assert examples.origin == str(tmp_path / "x.txt")
    assert (examples.tags.dtype, examples.row_splits.dtype) == (np.int32, np.int64)
    lines = [[examples.lines[row][place] for place in examples.line_of_word[start:end]]
             for row, (start, end) in enumerate([(0, 3), (3, 6), (6, 7)])]  # fmt: skip
    assert [[text.split()[0] for text in row] for row in lines] == sentences(examples)


def test_conllu_skips_ranges_and_empty_nodes_and_takes_the_names_of_sentences(tmp_path):
    examples = read(tmp_path, UNIVERSAL, POS, CONLLU)
    assert sentences(examples) == [["The", "cat", "sat"], ["#", "."]]
    assert examples.tags.tolist() == [0, 1, 2, 1, 3]
    assert examples.ids == ["a-1", "a-2"]


@pytest.mark.parametrize("names", [("a", "a"), ("a", ""), ("a\tb", "c")])
def test_names_that_cannot_tell_sentences_apart_give_way_to_numbers(tmp_path, names):
    blocks = [f"# sent_id = {name}\n" * bool(name) + line(1, "x", "NOUN") for name in names]
    assert read(tmp_path, "\n".join(blocks), POS, CONLLU).ids == ["0", "1"]


def test_blank_lines_line_ends_byte_order_mark_and_a_missing_end_change_nothing(tmp_path):
    expected = read(tmp_path, "a O\nb  B-PER\n\nc O\n\n")
    for text in ("\n\n\na\tO\nb \t B-PER \n \t\n\n\nc O", "a O\r\nb B-PER\r\n\r\nc O\r\n",
                 b"\xef\xbb\xbfa O\nb B-PER\n\nc O\n"):  # fmt: skip
        assert read(tmp_path, text).digest() == expected.digest()


def test_only_blanks_and_tabs_separate_plain_columns(tmp_path):
    examples = read(tmp_path, "10\u00a0000 O\nx\u2028y\x85 B-PER\n")
    assert examples.words == ["10\u00a0000", "x\u2028y\x85"]


def test_tags_are_left_aside_where_nobody_wants_them_or_there_are_none(tmp_path):
    for examples in (
        read(tmp_path, "a nonsense\n", labelled=False),
        read(tmp_path, "a nonsense\n", file=replace(PLAIN, tag=None)),
        read(tmp_path, "a\nb\n\nc\n", labelled=False),
    ):
        assert not examples.labelled and examples.tags is None
    assert sentences(examples) == [["a", "b"], ["c"]]


def test_words_and_tags_may_stand_in_other_columns(tmp_path):
    file = ColumnFile("x.txt", word=1, tag=2)
    examples = read(tmp_path, "0 a O x\n1 b B-LOC x\n", file=file)
    assert (examples.words, examples.tags.tolist()) == (["a", "b"], [0, 3])


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        ("a x O\nb O\n", PLAIN, r":2: expected 3 columns as in the first line, found 2"),
        ("a O\n\nb O O\n", PLAIN, r":3: expected 2 columns as in the first line, found 3"),
        ("a O\n\nb B-PRE\n", PLAIN, r":3: unknown label 'B-PRE', expected .*mean 'B-PER'"),
        ("a O\n\u00a0 O\n", PLAIN, ":2: the word is blank"),
        ("a\nb\n", PLAIN, ":1: expected a tag in the last column, .*found 1 columns"),
        ("a O\n", ColumnFile("x.txt", 0, 3), ":1: expected a tag in column 4, .*found 2 columns"),
        ("a O\n", ColumnFile("x.txt", 2), ":1: expected a word in column 3, found 2 columns"),
        (b"a O\n\nb\xff O\n", PLAIN, r":3: not UTF-8 \(byte 0xff\)"),
        (b"a O\n\nb\0 O\n", PLAIN, ":3: holds a NUL byte"),
        ("", PLAIN, "x.txt: there are no words in the file"),
        (b"Zo\xeb O\n", PLAIN, r"x.txt:1: not UTF-8 \(byte 0xeb\)"),
        (b"\0\0\n\0", PLAIN, "x.txt:1: holds a NUL byte"),
        ("-DOCSTART- -X- O\n\n\n", PLAIN, "x.txt: there are no words"),
        (line(1, "a", "NOUN") + "2 b NOUN\n", CONLLU, ":2: expected 10 columns .*tabs, found 1"),
        (line(1, "a", "NOUN") + "\n# text = b\n\n", CONLLU, ":3: no words below the comments"),
        (line(1, "a", "NOUN") + line(1, "b", "NOUN"), CONLLU, ":2: expected word number 2, found"),
        (line(1, "a", "NOUN") + line("x", "b", "NOUN"), CONLLU, ":2: expected word number 2"),
        (line(1, "", "NOUN"), CONLLU, ":1: the word is blank"),
        (line(1, "a", "_"), CONLLU, ":1: the word has no tag"),
        (line(1, "a", "NOUNS"), CONLLU, ":1: unknown label 'NOUNS'.*did you mean 'NOUN'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_and_line(tmp_path, text, file, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text, POS if file.conllu else MINE, file)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_sentences(tmp_path / "none.txt", PLAIN, MINE)
    with pytest.raises(UserError, match="cannot be read"):
        read_sentences(tmp_path, PLAIN, MINE)


def test_every_bad_sentence_is_collected_on_request_and_left_out(tmp_path):
    text = b"a O\n\nb\nc\n\nd O\n\ne\xff O\n\nf O\ng wrong\n\nh B-PER\n"
    found = []
    examples = read(tmp_path, text, on_problem=found.append)
    assert sentences(examples) == [["a"], ["d"], ["h"]]
    # The others keep the numbers that they have in the file.
    assert examples.ids == ["0", "2", "5"]
    assert [problem.split(":")[1] for problem in found] == ["3", "8", "11"]
    with pytest.raises(UserError, match="no sentence is left"):
        read(tmp_path, "a wrong\n", on_problem=found.append)


def test_a_bad_first_line_does_not_hide_the_others(tmp_path):
    found = []
    examples = read(tmp_path, b"\xff O\n\nb O\n", on_problem=found.append)
    assert (examples.words, len(found)) == (["b"], 1)


def test_new_tags_replace_the_old_ones_and_nothing_else(tmp_path):
    examples = read(tmp_path, CONLL_2003)
    assert tagged_text(examples, [MINE.labels[tag] for tag in examples.tags]) == (
        CONLL_2003.replace("\n\n\n", "\n\n")
    )
    text = tagged_text(examples, ["X"] * 7)
    assert "Ann NNP B-NP X\nLee NNP I-NP X\n" in text and text.count("-DOCSTART- -X- -X- O") == 2
    universal = read(tmp_path, UNIVERSAL, POS, CONLLU, labelled=False)
    assert tagged_text(universal, ["DET", "NOUN", "VERB", "NOUN", "PUNCT"]) == UNIVERSAL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n\nb\n", "a\tO\n\nb\tB-PER\n\n"),
        ("a NN \n\nb NNS\n", "a NN O\n\nb NNS B-PER\n\n"),
        ("a\tNN\n\nb\tNNS\n", "a\tNN\tO\n\nb\tNNS\tB-PER\n\n"),
    ],
)
def test_a_file_without_tags_gets_a_column_for_them(tmp_path, text, expected):
    examples = read(tmp_path, text, file=replace(PLAIN, tag=None))
    assert tagged_text(examples, ["O", "B-PER"]) == expected


def test_a_single_column_is_never_the_tags(tmp_path):
    examples = read(tmp_path, "a\nb\n", labelled=False)
    assert tagged_text(examples, ["O", "B-PER"]) == "a\tO\nb\tB-PER\n\n"


def test_a_declared_column_that_is_not_there_is_no_obstacle_without_labels(tmp_path):
    examples = read(tmp_path, "a NN\nb NN\n", file=ColumnFile("x.txt", 0, 3), labelled=False)
    assert tagged_text(examples, ["O", "B-PER"]) == "a NN O\nb NN B-PER\n\n"


def test_typed_words_become_lines_of_word_and_tag(tmp_path):
    examples = TaggedSentences(
        ids=["a", "b"], origin="-", words=["x", "y", "z"],
        row_splits=np.array([0, 2, 3]), tags=None,
    )  # fmt: skip
    tags = ["O", "B-PER", "B-LOC"]
    assert tagged_text(examples, tags) == "x\tO\ny\tB-PER\n\nz\tB-LOC\n\n"
    assert sentences(read(tmp_path, tagged_text(examples, tags))) == [["x", "y"], ["z"]]
    universal = tagged_text(examples, ["DET", "NOUN", "VERB"], CONLLU)
    again = read(tmp_path, universal, POS, CONLLU)
    assert (again.words, again.ids, again.tags.tolist()) == (["x", "y", "z"], ["a", "b"], [0, 1, 2])


def test_as_many_tags_as_words_are_needed(tmp_path):
    with pytest.raises(ValueError, match="2 tags for 1 words"):
        tagged_text(read(tmp_path, "a O\n"), ["O", "O"])


def test_chosen_sentences_are_written_in_their_own_lines(tmp_path):
    chosen = read(tmp_path, CONLL_2003).take(np.array([2, 0]))
    text = tagged_text(chosen, ["O", "O", "O", "B-LOC"])
    assert sentences(read(tmp_path, text)) == [["."], ["Ann", "Lee", "left"]]
    assert "left VBD B-VP B-LOC" in text


@pytest.mark.parametrize(
    ("name", "split"),
    [pytest.param(name, split, marks=pytest.mark.slow if split == "train" else [])
     for name in ("ner", "chunk", "pos") for split in tasks.get(name).files],
)
def test_real_files_survive_the_round_trip(name, split, shared_data, tmp_path):
    task = replace(tasks.get(name), held_out=0.0)
    source = open_source(task, str(shared_data))
    file = task.files[split]
    examples = source.read(split)
    gold = tagged_text(examples, [task.labels[tag] for tag in examples.tags])
    assert gold.encode() == (source.folder / file.name).read_bytes()
    drawn = np.random.default_rng(0).integers(0, len(task.labels), len(examples.words))
    unlabelled = source.read(split, labelled=False)
    path = write(tmp_path, tagged_text(unlabelled, [task.labels[tag] for tag in drawn]), file.name)
    again = read_file(path, file, task)
    assert again.words == examples.words
    assert again.ids == examples.ids
    np.testing.assert_array_equal(again.tags, drawn)
    np.testing.assert_array_equal(again.row_splits, examples.row_splits)
