import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.training.checkpoint import CheckpointFolder

TENSORS = {"weights": {"a": np.arange(6.0).reshape(2, 3)}, "best": {}}


def test_the_latest_state_and_tensors_come_back(tmp_path):
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")
    assert checkpoints.load() is None
    for update in (3, 7):
        checkpoints.save(update, {"update": update}, TENSORS)
    state, groups = checkpoints.load()
    assert state == {"update": 7}
    assert np.array_equal(groups["weights"]["a"], TENSORS["weights"]["a"])
    assert groups["best"] == {}


def test_two_are_kept(tmp_path):
    checkpoints = CheckpointFolder(tmp_path)
    for update in range(5):
        checkpoints.save(update, {}, TENSORS)
    assert sorted(p.name for p in tmp_path.glob("update-*")) == [
        "update-00000003", "update-00000004",
    ]


def test_half_written_folders_are_not_read(tmp_path):
    checkpoints = CheckpointFolder(tmp_path)
    checkpoints.save(1, {"update": 1}, TENSORS)
    half = tmp_path / ".update-00000002.99.tmp"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    assert checkpoints.load()[0] == {"update": 1}


def test_damage_is_said_with_the_way_out(tmp_path):
    checkpoints = CheckpointFolder(tmp_path)
    checkpoints.save(1, {"update": 1}, TENSORS)
    checkpoints.save(2, {"update": 2}, TENSORS)
    (tmp_path / "update-00000002" / "weights.safetensors").write_bytes(b"damage")
    with pytest.raises(UserError, match="write 'update-00000001' into"):
        checkpoints.load()
    (tmp_path / "latest").write_text("update-00000001\n")
    assert checkpoints.load()[0] == {"update": 1}
    checkpoints.save(2, {"update": 2}, TENSORS)
    assert np.array_equal(checkpoints.load()[1]["weights"]["a"], TENSORS["weights"]["a"])


def test_removing_leaves_nothing(tmp_path):
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")
    checkpoints.save(1, {}, TENSORS)
    checkpoints.remove()
    assert not (tmp_path / "checkpoint").exists()
