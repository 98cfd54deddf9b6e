import fcntl

import pytest

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.folder_lock import locked
from tfglue.output import resumed_settings
from tfglue.run_folder import RunFolder


def test_only_how_often_a_run_is_saved_may_change_on_resume():
    stored = {"config": TrainConfig(task="sst", patience=3).to_dict()}
    given = {"output": "run", "resume": True}
    assert resumed_settings(given, stored)["checkpoint_seconds"] == 300
    changed = resumed_settings(given | {"checkpoint_seconds": 5.0}, stored)
    assert (changed["checkpoint_seconds"], changed["patience"]) == (5.0, 3)
    with pytest.raises(UserError, match="patience was 3, now 4"):
        resumed_settings(given | {"patience": 4}, stored)


def test_a_lock_on_a_deleted_file_is_none(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run")
    first, second = locked(folder.path), locked(folder.path)
    first.__enter__()
    flock = fcntl.flock

    def late(stream, how):
        """Between our opening the file and locking it the first one ends and a second begins."""
        monkeypatch.setattr(fcntl, "flock", flock)
        first.__exit__(None, None, None)
        second.__enter__()
        flock(stream, how)

    monkeypatch.setattr(fcntl, "flock", late)
    message = f"^{folder.path}: another process is training into"
    with pytest.raises(UserError, match=message), locked(folder.path):
        pass
    second.__exit__(None, None, None)
    with locked(folder.path):
        assert (folder.path / ".lock").exists()
    assert not list(folder.path.iterdir())
