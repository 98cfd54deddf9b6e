"""Versions beside each other, nothing replaced, nothing foreign touched."""

import pytest

from tfglue.errors import UserError
from tfglue.files import write_json, write_text
from tfglue.serving.export_folder import (
    FACTS,
    FORMAT,
    ExportFolder,
    check_files,
    find_export,
    write_checksums,
)
from tfglue.serving.server_config import models_config


def make_version(folder: ExportFolder, number: int):
    place = folder.version(number)
    write_json(place / FACTS, {"format": FORMAT})
    write_text(place / "saved_model.pb", "graph")
    write_text(place / "variables" / "variables.index", "weights")
    write_checksums(place)
    return place


@pytest.fixture
def folder(tmp_path):
    found = ExportFolder(tmp_path / "films")
    for number in (2, 10):
        make_version(found, number)
    write_text(found.models_config, models_config(found.model))
    return found


def test_versions_count_up(folder, tmp_path):
    assert folder.model == "films" and folder.versions() == [2, 10]
    assert folder.free_version(None) == 11 and folder.free_version(3) == 3
    assert ExportFolder(tmp_path / "new").free_version(None) == 1
    assert find_export(folder.path) == folder.version(10)
    assert find_export(folder.version(2)) == folder.version(2)
    assert find_export(tmp_path) is None and find_export(tmp_path / "no") is None


def test_a_version_that_exists_is_not_replaced(folder):
    with pytest.raises(UserError, match=r"10 exists; versions are never replaced.*free: 11"):
        folder.free_version(10)


@pytest.mark.parametrize(
    "name", ["notes.txt", "3/saved_model.pb", "README.md", "run.yaml", "3/assets.extra/export.json"]
)
def test_a_folder_with_anything_else_is_left_alone(folder, name):
    (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
    (folder.path / name).write_text("mine")
    with pytest.raises(UserError, match="which is not of an export; name another folder"):
        folder.free_version(None)


def test_what_a_kill_left_behind_is_nothing(folder):
    (folder.path / ".11.77.tmp").mkdir()
    assert folder.free_version(None) == 11


def test_a_changed_or_missing_file_is_noticed(folder):
    place = folder.version(2)
    check_files(place)
    (place / "variables" / "variables.index").write_text("others")
    with pytest.raises(UserError, match=r"variables.index: not what was exported"):
        check_files(place)
    (place / "variables" / "variables.index").unlink()
    with pytest.raises(UserError, match=r"variables.index: no such file"):
        check_files(place)


def test_a_server_reads_its_configuration():
    text_format = pytest.importorskip("google.protobuf.text_format")
    pb = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2", reason="needs the extra 'serve'"
    )
    found = text_format.Parse(models_config('odd "name"'), pb.ModelServerConfig())
    (config,) = found.model_config_list.config
    assert config.name == 'odd "name"' and config.base_path == '/models/odd "name"'
    assert config.model_platform == "tensorflow"
