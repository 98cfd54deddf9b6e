import json

import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.tasks.serialization import task_from_dict, task_to_dict


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_survives_json(name):
    task = tasks.get(name)
    restored = task_from_dict(json.loads(json.dumps(task_to_dict(task))))
    for field in ("name", "kind", "text_fields", "labels", "file_labels", "ignored_labels"):
        assert getattr(restored, field) == getattr(task, field)
    assert restored.metrics == task.metrics
    assert restored.score_range == task.score_range
    assert task_to_dict(restored) == task_to_dict(task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ["a"]}, "unknown key 'label'; did you mean 'labels'"),
        ({"name": None}, "'name' is missing"),
        ({"kind": 3}, "'kind' must be text"),
        ({"labels": "ab"}, "'labels' must be a list of texts"),
        ({"labels": [0, 1]}, "'labels' must be a list of texts"),
        ({"score_range": [5, 0]}, "'score_range' must be"),
        ({"score_range": [0]}, "'score_range' must be"),
        ({"text_fields": ["a", "b", "c"]}, "one or two text fields"),
    ],
)
def test_odd_values_are_errors(change, message):
    with pytest.raises(UserError, match=message):
        task_from_dict({**task_to_dict(tasks.get("rte")), **change})


def test_what_is_no_mapping_is_an_error():
    with pytest.raises(UserError, match="expected keys and values, found list"):
        task_from_dict([])
