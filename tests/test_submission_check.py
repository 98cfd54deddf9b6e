"""The validator finds every seeded defect, and nothing else."""

import zipfile
from pathlib import Path

import pytest

from tfglue.submission import ZIP, leaderboard, present, write_submission
from tfglue.submission_check import problems

SMALL = ("CoLA.tsv", "RTE.tsv", "STS-B.tsv", "WNLI.tsv")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A valid submission of four tasks."""
    files = [leaderboard()[name] for name in SMALL]
    texts = {file.name: file.text([(*file.labels, "2.5")[0]] * file.rows) for file in files}
    write_submission(tmp_path / "out", texts, False)
    return tmp_path / "out"


def test_a_part_is_valid_and_says_what_is_missing_from_the_whole(folder):
    assert problems(folder, whole=False) == []
    missing = [Path(line.split(": ")[0]).name for line in problems(folder)]
    assert sorted(missing) == sorted(set(leaderboard()) - set(SMALL))
    assert [file.name for file in present(folder)] == list(SMALL)


def edited(number: int, edit):
    """A change of one line, by its 1-based number; None takes it out."""

    def change(data: bytes) -> bytes:
        lines = data.split(b"\n")
        line = edit(lines[number - 1])
        lines[number - 1 : number] = [] if line is None else line.split(b"\n")
        return b"\n".join(lines)

    return change


def swapped(data: bytes) -> bytes:
    lines = data.split(b"\n")
    lines[4], lines[5] = lines[5], lines[4]
    return b"\n".join(lines)


# File, number of the line, what stands there instead, what is said of that line.
WRONG_LINES = {
    "other header": ("RTE.tsv", 1, b"id\tlabel", "expected the header"),
    "third column": ("RTE.tsv", 9, b"7\tentailment\t0.5", "expected index and prediction"),
    "index as float": (
        "RTE.tsv", 9, b"7.0\tentailment", "index '7.0' is not a whole number, expected 7"
    ),
    "label as number": ("RTE.tsv", 2, b"0\t1", "unknown label '1'"),
    "label misspelt": (
        "RTE.tsv", 2, b"0\tEntailment",
        "unknown label 'Entailment', expected entailment, not_entailment; did you mean",
    ),
    "label of words": (
        "CoLA.tsv", 2, b"0\tacceptable", "unknown label 'acceptable', expected 0, 1"
    ),
    "label with space": ("CoLA.tsv", 2, b"0\t1 ", "unknown label '1 '"),
    "score too high": ("STS-B.tsv", 4, b"2\t5.001", "score 5.001 is outside 0 to 5"),
    "score negative": ("STS-B.tsv", 4, b"2\t-0.1", "score -0.1 is outside 0 to 5"),
    "score not finite": ("STS-B.tsv", 4, b"2\tnan", "'nan' is not a finite number"),
    "score infinite": ("STS-B.tsv", 4, b"2\tinf", "'inf' is not a finite number"),
    "one Windows line": ("WNLI.tsv", 7, b"5\t0\r", "ends with CR LF"),
    "not UTF-8": ("WNLI.tsv", 7, b"5\t\xff", "not UTF-8 (byte 0xff)"),
}
# File, change of its bytes, what is said, line by line.
WRONG_FILES = {
    "no header": (
        "RTE.tsv", edited(1, lambda line: None),
        ["1: expected the header 'index\\tprediction', found '0\\t"],
    ),
    "byte-order mark": ("RTE.tsv", lambda data: b"\xef\xbb\xbf" + data, ["1: expected the head"]),
    "comma for tab": (
        "RTE.tsv", edited(9, lambda line: line.replace(b"\t", b",")),
        ["9: expected index and prediction with a tab between, found 1 columns", "9: index '7,"],
    ),
    "row too few": ("RTE.tsv", edited(3001, lambda line: None), ["3000: 2,999 rows, expected 3,0"]),
    "row left out": (
        "RTE.tsv", edited(9, lambda line: None),
        ["9: index 8 out of order, expected 7", "3000: 2,999 rows, expected 3,000"],
    ),
    "row too many": ("WNLI.tsv", lambda data: data + b"146\t0\n", ["148: 147 rows, expected 146"]),
    "row twice": (
        "WNLI.tsv", edited(9, lambda line: line + b"\n" + line),
        ["10: index 7 again (first on line 9)", "148: 147 rows, expected 146"],
    ),
    "rows swapped": (
        "RTE.tsv", swapped,
        ["5: index 4 out of order, expected 3", "6: index 3 out of order, expected 5"],
    ),
    "index from 1": (
        "WNLI.tsv",
        lambda data: b"index\tprediction\n" + b"".join(b"%d\t0\n" % (i + 1) for i in range(146)),
        ["2: index 1 out of order, expected 0"],
    ),
    "Windows lines": (
        "WNLI.tsv", lambda data: data.replace(b"\n", b"\r\n"),
        ["1: ends with CR LF, expected LF alone (so do 146 more lines)"],
    ),
    "last line open": ("WNLI.tsv", lambda data: data[:-1], ["147: the last line has no line feed"]),
    "blank line": ("WNLI.tsv", lambda data: data + b"\n", ["148: the line is blank"]),
    "empty": ("WNLI.tsv", lambda data: b"", ["1: the file is empty, expected 146 rows"]),
}


def check(folder: Path, name: str, change, expected: list[str]) -> None:
    """Changes one file, and compares all problems with those expected, each by its start."""
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    (folder / ZIP).unlink()
    found = problems(folder, whole=False)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(f"{path}:{start}"), line


@pytest.mark.parametrize("defect", WRONG_LINES)
def test_a_wrong_line_is_found_and_nothing_else(folder, defect):
    name, number, line, expected = WRONG_LINES[defect]
    check(folder, name, edited(number, lambda _: line), [f"{number}: {expected}"])


@pytest.mark.parametrize("defect", WRONG_FILES)
def test_every_defect_of_a_file_is_found_at_its_line_and_nothing_else(folder, defect):
    check(folder, *WRONG_FILES[defect])


def rezip(folder: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(folder / ZIP, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)


def damaged_zip(folder: Path) -> None:
    data = bytearray((folder / ZIP).read_bytes())
    start = data.index(b"CoLA.tsv") + len(b"CoLA.tsv")
    data[start + 40 : start + 60] = bytes(20)
    (folder / ZIP).write_bytes(data)


def members(folder: Path) -> list[tuple[str, bytes]]:
    return [(name, (folder / name).read_bytes()) for name in SMALL]


FOLDER_DEFECTS = {
    "misspelt name": (
        lambda folder: (folder / "rte.tsv").write_text("x"),
        "rte.tsv: a file that is no part of a submission; did you mean 'RTE.tsv'?",
    ),
    "other file": (lambda folder: (folder / "notes.txt").write_text("x"), "notes.txt: a file that"),
    "folder inside": (lambda folder: (folder / "old").mkdir(), "old: a folder that is no part"),
    "zip in a folder": (
        lambda folder: rezip(folder, [(f"out/{n}", d) for n, d in members(folder)]),
        "submission.zip: 'out/CoLA.tsv' is in a folder; a submission is flat",
    ),
    "zip with more": (
        lambda folder: rezip(folder, [*members(folder), ("x.txt", b"")]),
        "submission.zip: 'x.txt' is no part of a submission",
    ),
    "zip of other bytes": (
        lambda folder: rezip(folder, [*members(folder)[1:], ("CoLA.tsv", b"")]),
        "submission.zip: 'CoLA.tsv' differs from the file in the folder",
    ),
    "zip holds a lost file": (
        lambda folder: (folder / "RTE.tsv").unlink(),
        "submission.zip: 'RTE.tsv' is in it, but not in the folder",
    ),
    "no zip file": (
        lambda folder: (folder / ZIP).write_bytes(b"PK"),
        "submission.zip: cannot be read as a zip file",
    ),
    "damaged zip": (damaged_zip, "submission.zip: 'CoLA.tsv' cannot be unpacked"),
}


@pytest.mark.parametrize("defect", FOLDER_DEFECTS)
def test_every_defect_of_the_folder_or_zip_is_found(folder, defect):
    damage, expected = FOLDER_DEFECTS[defect]
    damage(folder)
    found = problems(folder, whole=False)
    assert found[0].startswith(str(folder / expected)), found


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_twice_in_the_zip_is_found(folder):
    rezip(folder, [*members(folder), members(folder)[0]])
    assert problems(folder, whole=False) == [f"{folder / ZIP}: 'CoLA.tsv' is in it 2 times"]


def test_a_whole_check_finds_files_that_the_zip_lacks(folder):
    rezip(folder, members(folder)[1:])
    assert f"{folder / ZIP}: 'CoLA.tsv' is in the folder, but not in it" in problems(folder)
    assert problems(folder, whole=False) == []


def test_hidden_files_do_not_count(folder):
    (folder / ".DS_Store").write_bytes(b"")
    assert problems(folder, whole=False) == []
