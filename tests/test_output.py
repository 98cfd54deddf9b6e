import pytest

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.output import resumed_settings


def test_only_how_often_a_run_is_saved_may_change_on_resume():
    stored = {"config": TrainConfig(task="sst", patience=3).to_dict()}
    given = {"output": "run", "resume": True}
    assert resumed_settings(given, stored)["checkpoint_seconds"] == 300
    changed = resumed_settings(given | {"checkpoint_seconds": 5.0}, stored)
    assert (changed["checkpoint_seconds"], changed["patience"]) == (5.0, 3)
    with pytest.raises(UserError, match="patience was 3, now 4"):
        resumed_settings(given | {"patience": 4}, stored)
