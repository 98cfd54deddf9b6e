import pytest

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.resolution import resolve, task_config
from tfglue.setting_values import evaluation_interval, saved_epochs, task_numbers
from tfglue.tasks.task import Recipe, Task

RECIPE = Recipe(max_length=99, batch_size=9, learning_rate=9e-5, epochs=9)


def task(name="rte", fields=("a", "b")):
    return Task(name, "classify", fields, ("accuracy",), labels=("x", "y"), recipe=RECIPE)


def test_flags_win_over_recipes_and_those_over_the_tasks_own_settings(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("batch_size: 5\nepochs: 5\ntasks: {rte: {epochs: 6}}\n")
    given = {"encoder": "x", "recipe": str(path), "learning_rate": 1e-3}
    config = resolve(given, task())
    assert (config.max_length, config.batch_size, config.epochs) == (99, 5, 6)
    assert config.learning_rate == 1e-3
    assert resolve(given, task("cola")).epochs == 5


def test_the_tiny_encoder_has_settings_of_its_own():
    assert resolve({}, task()).max_length == 64
    assert resolve({}, task()).epochs > resolve({}, task(fields=("a",))).epochs == 6
    assert resolve({"batch_size": 3}, task()).batch_size == 3


def test_a_head_on_a_frozen_encoder_has_a_rate_of_its_own():
    alone = {"encoder": "x", "freeze": "encoder"}
    assert resolve(alone, tasks.get("rte")).learning_rate == 1e-3
    assert resolve({**alone, "learning_rate": 2e-4}, tasks.get("rte")).learning_rate == 2e-4
    assert resolve(alone, tasks.get("rte"), tasks.get("sst")).learning_rate == 1e-3
    for more in ({"adapter": "pal"}, {"freeze": "layers:1"}):
        assert resolve({**alone, **more}, tasks.get("rte")).learning_rate == 2e-5


def test_a_recipe_may_name_the_encoder_and_then_the_tasks_own_settings_hold(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("encoder: some/bert\nwarmup:\n")
    config = resolve({"recipe": str(path)}, task())
    assert (config.encoder, config.max_length, config.warmup) == ("some/bert", 99, 0.1)


def test_replication_settings_are_the_published_ones():
    def settings(name):
        config = resolve({"encoder": "x"}, tasks.get(name))
        return config.learning_rate, config.batch_size, config.max_length, config.epochs

    assert settings("mnli") == settings("qqp") == settings("qnli") == (1e-5, 32, 128, 3)
    assert settings("snli") == settings("mnli")
    assert settings("rte") == (2e-5, 16, 250, 3)
    assert settings("sst") == settings("mrpc") == settings("scitail") == (2e-5, 32, 128, 3)
    assert settings("cola") == settings("stsb") == (2e-5, 16, 128, 3)


@pytest.mark.parametrize(
    ("text", "expected"), [("epoch", 80), ("0.25", 20), ("0.001", 1), ("7", 7), ("1", 1)]
)
def test_evaluation_intervals(text, expected):
    assert evaluation_interval(text, 80) == expected


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "often", "nan"])
def test_wrong_evaluation_intervals(text):
    with pytest.raises(UserError, match="--evaluate_every"):
        evaluation_interval(text, 80)


def test_saved_epochs():
    assert saved_epochs("best") == saved_epochs("last") == frozenset()
    assert saved_epochs("all") is None
    assert saved_epochs("0, 2") == {0, 2}
    with pytest.raises(UserError, match="--save"):
        saved_epochs("second")


def test_what_is_stored_says_nothing_of_where_it_goes():
    stored = TrainConfig(task="rte", output="x", resume=True).to_dict()
    assert stored["task"] == "rte"
    assert not {"output", "resume", "overwrite"} & set(stored)


def test_one_of_two_settings_that_exclude_each_other_wins_over_a_recipes(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("steps_per_task: 300\ntrain_fraction: 0.1\n")
    several = tasks.expand("rte,cola")
    given = {"recipe": str(path), "steps_per_epoch": 100, "train_examples": 50}
    config = resolve(given, *several)
    assert (config.steps_per_epoch, config.steps_per_task) == (100, None)
    assert (config.train_examples, config.train_fraction) == (50, None)
    with pytest.raises(UserError, match="exclude each other"):
        resolve({"steps_per_epoch": 1, "steps_per_task": 1}, *several)


def test_the_recipe_of_pals_is_that_of_its_readme():
    config = resolve({"recipe": "pals", "encoder": "x"}, *tasks.expand("glue8"))
    assert (config.sampler, config.steps_per_task, config.adapter) == ("annealed", 300, "pal")
    assert (config.epochs, config.learning_rate, config.batch_size) == (25, 2e-5, 32)
    alone = resolve({"recipe": "pals", "encoder": "x"}, tasks.get("rte"))
    assert (alone.adapter, alone.steps_per_task, alone.sampler) == ("pal", None, "shuffle")


def test_a_task_has_one_weight():
    with pytest.raises(UserError, match="a is named twice"):
        task_numbers("task_weights", "a=2,a=3")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, "epoch"), ({"epochs": 0.3}, "0.1"), ({"epochs": 0.3, "evaluate_every": "7"}, "7")],
)
def test_a_partial_epoch_is_scored_at_each_tenth(settings, expected):
    assert resolve(settings, tasks.get("rte")).evaluate_every == expected


def test_aliases_stand_for_tasks_in_lists():
    several = tasks.expand("sst,rte,stsb")
    alias = next(iter(tasks.get("stsb").aliases))
    config = resolve({"best_on": f"{alias.upper()}, rte", "task_weights": f"{alias}=2"}, *several)
    assert (config.best_on, config.task_weights) == ("stsb,rte", "stsb=2")
    assert resolve({}, *several).best_on is None


def test_aliases_stand_for_tasks_in_recipes(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("tasks: {SST-2: {epochs: 7}, mine: {epochs: 8}}\n")
    given = {"recipe": str(path), "encoder": "x"}
    assert resolve(given, tasks.get("sst")).epochs == 7
    assert resolve(given, task("mine")).epochs == 8
    path.write_text("tasks: {sst: {epochs: 7}, SST-2: {epochs: 8}}\n")
    with pytest.raises(UserError, match="tasks: SST-2: sst has settings already"):
        resolve(given, tasks.get("sst"))


def test_the_recipe_of_mtdnn_is_that_of_its_script():
    several = tasks.expand("mnli,rte,qqp,qnli,mrpc,sst,cola,stsb")
    given = {"recipe": "mtdnn", "encoder": "bert"}
    config = resolve(given, *several)
    assert config.optimizer == "adamax_uncorrected"
    assert (config.learning_rate, config.epochs) == (5e-5, 5)
    assert (config.batch_size, config.max_length, config.clip_norm) == (32, 512, 1.0)
    own = {task.name: task_config(config, given, task, 8) for task in several}
    assert [name for name, one in own.items() if one.head == "linear"] == ["sst", "cola", "stsb"]
    rates = {name: one.head_dropout for name, one in own.items() if one.head_dropout is not None}
    assert rates == {"mnli": 0.3, "cola": 0.05}
