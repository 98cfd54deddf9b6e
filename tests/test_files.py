import errno
import os

import pytest

from tfglue.errors import UserError
from tfglue.files import (
    atomic_file,
    atomic_folder,
    digest_bytes,
    read_json,
    read_text,
    read_yaml,
    read_yaml_lines,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "x").write_text(content)
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "x").write_text("half")
        raise RuntimeError
    assert (tmp_path / "folder" / "x").read_text() == "new"
    assert os.listdir(tmp_path) == ["folder"]


def test_what_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        write_json(tmp_path / "file" / "inside", 1)
    with (
        pytest.raises(UserError, match="No space left"),
        atomic_file(tmp_path / "full") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == ["file"]


def test_json_nested_beyond_reason_is_the_users_mistake(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"deep\.json: not valid JSON \(nested too deeply\)"):
        read_json(tmp_path / "deep.json")


def test_yaml_is_read_with_the_lines_of_its_names(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("a: 1\nb:\n  - {c: 2}\n  - d: &x\n      e: 3\nf: *x\n")
    value, lines = read_yaml_lines(file)
    assert value == {"a": 1, "b": [{"c": 2}, {"d": {"e": 3}}], "f": {"e": 3}}
    assert lines["a",] == 1 and lines["b", "0", "c"] == 3 and lines["b", "1", "d"] == 4
    assert lines["f",] == 6
    file.write_text("")
    assert read_yaml_lines(file) == (None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\nb: {c: 1,\n  c: 2}", ":3: 'c' is given twice"), ("a: 1\n\n'a': 2", ":3: 'a' is"),
     ("a: 1\nb: [", ":2: not valid YAML"), ("[" * 100_000, ": not valid YAML (nested too deeply)")],
)  # fmt: skip
def test_yaml_that_is_none_is_the_users_mistake(tmp_path, text, message):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(file)
    assert str(error.value).startswith(f"{file}{message}")


def test_a_refused_write_within_a_folder_is_said_of_the_folder(tmp_path):
    with (
        pytest.raises(UserError) as caught,
        atomic_folder(tmp_path / "folder") as temporary,
        atomic_file(temporary / "x"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value).startswith(f"{tmp_path}/folder: cannot be written (No space left")
    assert os.listdir(tmp_path) == []


def test_what_a_library_writes_beside_its_file_is_gone_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "x") as temporary:
        temporary.with_name("of_the_library").write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_digests_see_borders():
    assert digest_bytes(b"ab", b"c") != digest_bytes(b"a", b"bc")
    assert digest_bytes(b"ab") == digest_bytes(b"ab")


def test_unreadable_text_is_named(tmp_path):
    path = tmp_path / "latin"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(UserError, match=r"latin:2: not UTF-8 \(byte 0xe9\)"):
        read_text(path)
    with pytest.raises(UserError, match="no such file"):
        read_text(tmp_path / "absent")
    with pytest.raises(UserError, match="cannot be read"):
        read_text(tmp_path)


def test_json_has_no_infinity(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", float("inf"))
    assert not (tmp_path / "x.json").exists()
