"""Submission files beside GLUE's own sample, and the bytes of the zip."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.submission import ZIP, answers_of, leaderboard, write_submission
from tfglue.submission_check import problems

# Names, rows and labels as the leaderboard states them, apart from our declarations.
NLI = {"entailment", "neutral", "contradiction"}
BINARY = {"0", "1"}
TWO_WAY = {"entailment", "not_entailment"}
OFFICIAL = {
    "AX.tsv": (1104, NLI),
    "CoLA.tsv": (1063, BINARY),
    "MNLI-m.tsv": (9796, NLI),
    "MNLI-mm.tsv": (9847, NLI),
    "MRPC.tsv": (1725, BINARY),
    "QNLI.tsv": (5463, TWO_WAY),
    "QQP.tsv": (390965, BINARY),
    "RTE.tsv": (3000, TWO_WAY),
    "SST-2.tsv": (1821, BINARY),
    "STS-B.tsv": (1379, set()),
    "WNLI.tsv": (146, BINARY),
}
SMALL = ("CoLA.tsv", "RTE.tsv", "STS-B.tsv", "WNLI.tsv")


def text_of(name: str) -> str:
    """A valid file with answers drawn at random."""
    file = leaderboard()[name]
    rng = np.random.default_rng(0)
    if file.labels:
        return file.text(rng.choice(file.task.labels, file.rows).tolist())
    return file.text([str(score) for score in rng.uniform(-0.5, 5.5, file.rows)])


@pytest.fixture
def folder(tmp_path) -> Path:
    """A valid submission of four tasks."""
    write_submission(tmp_path / "out", {name: text_of(name) for name in SMALL}, False)
    return tmp_path / "out"


def test_declarations_are_those_of_the_leaderboard():
    declared = leaderboard()
    assert {name: (file.rows, set(file.labels)) for name, file in declared.items()} == OFFICIAL
    assert sum(file.lines for file in declared.values()) == 426_320


def test_files_match_the_sample_in_names_lines_header_and_ids(shared_data):
    samples = sorted((shared_data / "glue" / "sample_submission").iterdir())
    assert [path.name for path in samples] == sorted(leaderboard())
    for path in samples:
        sample = path.read_text().splitlines()
        ours = text_of(path.name).splitlines()
        assert len(ours) == len(sample)
        assert [line.split("\t")[0] for line in ours] == [line.split("\t")[0] for line in sample]
        labels = set(leaderboard()[path.name].labels)
        assert not labels or {line.split("\t")[1] for line in sample[1:]} <= labels


def test_the_sample_lacks_nothing_but_the_zip(shared_data):
    folder = shared_data / "glue" / "sample_submission"
    assert [line.split(": ")[1] for line in problems(folder)] == [
        f"missing; python -m tfglue.submit --output {folder} makes it"
    ]


def test_a_whole_submission_is_valid(tmp_path):
    write_submission(tmp_path, {name: text_of(name) for name in OFFICIAL}, False)
    assert problems(tmp_path) == []
    with zipfile.ZipFile(tmp_path / ZIP) as archive:
        assert sorted(archive.namelist()) == sorted(OFFICIAL)
        lines = sum(archive.read(name).count(b"\n") for name in archive.namelist())
    assert lines == 426_320


def test_the_same_answers_give_the_same_bytes_in_whatever_order_they_came(tmp_path, folder):
    for name in reversed(SMALL):
        write_submission(tmp_path / "again", {name: text_of(name)}, False)
    assert (tmp_path / "again" / ZIP).read_bytes() == (folder / ZIP).read_bytes()


def test_scores_are_clipped_and_written_in_fixed_point():
    text = leaderboard()["STS-B.tsv"].text(["-0.25", "5.00000001", "1e-05", "3.25"])
    assert text == "index\tprediction\n0\t0.000000\n1\t5.000000\n2\t0.000010\n3\t3.250000\n"


def test_labels_are_written_in_the_words_of_the_files():
    text = leaderboard()["MRPC.tsv"].text(["equivalent", "not_equivalent", "1"])
    assert text == "index\tprediction\n0\t1\n1\t0\n2\t1\n"


def test_equal_files_stay_and_others_need_overwrite(folder):
    before = (folder / ZIP).read_bytes()
    assert write_submission(folder, {"RTE.tsv": text_of("RTE.tsv")}, False) == []
    other = leaderboard()["RTE.tsv"].text(["entailment"] * 3000)
    texts = {"WNLI.tsv": leaderboard()["WNLI.tsv"].majority_text(), "RTE.tsv": other}
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"WNLI.tsv: holds other answers.*--overwrite"):
        write_submission(folder, texts, False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept
    assert write_submission(folder, texts, True) == ["WNLI.tsv", "RTE.tsv"]
    assert (folder / "RTE.tsv").read_text() == other
    assert (folder / ZIP).read_bytes() != before
    assert problems(folder, whole=False) == []


def test_answers_are_read_back_from_a_file(folder):
    assert leaderboard()["RTE.tsv"].text(answers_of((folder / "RTE.tsv").read_text())) == text_of(
        "RTE.tsv"
    )
