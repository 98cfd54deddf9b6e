"""The declared tasks on questions."""

import pytest

from tfglue import tasks
from tfglue.tasks import squad
from tfglue.tasks.task import Task


def test_the_published_sets_have_their_files_and_sizes():
    files = {task.name: task.files for task in squad.TASKS}
    assert {split: (file.name, file.rows) for split, file in files["squad"].items()} == {
        "train": ("train-v1.1.json", 87599),
        "dev": ("dev-v1.1.json", 10570),
    }
    assert {split: (file.name, file.rows) for split, file in files["squad2"].items()} == {
        "train": ("train-v2.0.json", 130319),
        "dev": ("dev-v2.0.json", 11873),
    }
    assert files["squad2_answerable"] == files["squad2"]


def test_kinds_metrics_and_negatives_are_as_agreed():
    one, two, answerable = (tasks.get(name) for name in ("squad", "squad2", "squad2_answerable"))
    assert (one.kind, two.kind, answerable.kind) == ("span", "span", "answerable")
    assert (one.negatives, two.negatives, answerable.negatives) == (False, True, True)
    assert one.metrics == two.metrics == ("f1", "exact_match")
    assert answerable.metrics == ("average_precision", "accuracy")
    assert answerable.labels == ("answerable", "unanswerable")


@pytest.mark.parametrize("task", squad.TASKS, ids=lambda task: task.name)
def test_every_task_has_the_settings_for_spans(task):
    recipe = task.recipe
    assert (recipe.learning_rate, recipe.batch_size, recipe.max_length) == (2e-5, 16, 384)
    assert recipe.epochs == 3
    assert task.text_fields == ("question", "context")
    assert tasks.get(task.name) is task


@pytest.mark.parametrize(
    "name",
    ["newsqa", "hotpotqa", "duorc_p", "duorc_s", "drop", "wikihop", "boolq", "comqa", "cq"],
)
def test_the_other_tasks_of_the_paper_are_brought_by_the_user(name):
    task: Task = tasks.get(name)
    assert (task.kind, task.negatives, task.tfds) == ("span", False, None)
    assert {split: file.name for split, file in task.files.items()} == {
        "train": "train.json",
        "dev": "dev.json",
    }
    assert all(file.rows is None for file in task.files.values())
