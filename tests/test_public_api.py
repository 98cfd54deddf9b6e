"""Names that users rely on."""

import pytest

import tfglue


def test_public_names_are_these():
    assert sorted(tfglue.__all__) == [
        "BertEncoder", "BertTokenizer", "Run", "Task", "UserError", "metrics", "tasks",
    ]
    for name in tfglue.__all__:
        assert getattr(tfglue, name) is not None
    assert set(tfglue.__all__) <= set(dir(tfglue))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Runs'"):
        _ = tfglue.Runs


def test_tasks_by_name_alias_and_group():
    assert tfglue.tasks.get("sst2") is tfglue.tasks.get("SST")
    assert [task.name for task in tfglue.tasks.expand("inf,sts-b,rte")] == [
        "qnli", "mnli", "rte", "stsb",
    ]
    assert len(tfglue.tasks.expand("glue8")) == 8
    assert {task.name for task in tfglue.tasks.expand("glue9")} == {
        "cola", "mrpc", "mnli", "rte", "stsb", "sst", "qqp", "qnli", "wnli",
    }
    aliases = {"sst2": "sst", "sts-b": "stsb", "msr": "mrpc", "mnli-mm": "mnli",
               "diagnostic": "ax"}
    assert {alias: tfglue.tasks.get(alias).name for alias in aliases} == aliases
