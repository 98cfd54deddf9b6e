"""Spaces: the published ones number by number, and what files and flags make of them."""

import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tuning.plan import make_plan
from tuning.space import asked_space, shipped_spaces

SST = {"task": "sst", "data": "sample"}


def plan(words=(), train=SST, **search):
    return make_plan(search, train, words)


def texts(made):
    return {name: str(dimension) for name, dimension in made.space.items()}


# The numbers are those of specification 8 and 1.2 of BERTVision.
def test_the_search_of_bertvision_for_bert():
    asked = asked_space(["bertvision_bert"], "bert", "sst")
    assert asked.texts == {"learning_rate": "uniform:0:3e-5"}
    assert asked.seed == "int:0:999" and asked.trials == 100
    assert asked.settings["epochs"] == 1 and asked.settings["warmup"] == 0.1
    assert asked.settings["weight_decay"] == 0.01 and asked.settings["clip_norm"] == 0


@pytest.mark.parametrize(
    ("task", "length", "batch"),
    [("cola", 64, 16), ("sst", 66, 32), ("stsb", 77, 16), ("qqp", 84, 32), ("mrpc", 86, 16),
     ("wnli", 98, 16), ("mnli", 114, 32), ("qnli", 121, 32), ("rte", 219, 16),
     ("scitail", 86, 16)],
)  # fmt: skip
def test_its_lengths_and_batches(task, length, batch):
    settings = asked_space(["bertvision_bert"], "bert", task).settings
    assert (settings["max_length"], settings["batch_size"]) == (length, batch)


def test_the_search_of_bertvision_for_its_head():
    asked = asked_space(["bertvision_adapter_pooler"], "adapter_pooler", "rte")
    assert asked.texts == {
        "learning_rate": "uniform:1e-6:1e-3", "head.size": "choice:8,16,32,64,128,256",
    }
    assert asked.seed == "int:1:2000" and asked.trials == 6
    made = plan(["bertvision_adapter_pooler"], model="adapter_pooler")
    assert made.space["head.size"].values == tuple(2**power for power in range(3, 9))


@pytest.mark.parametrize(("task", "batch"), [("cola", 16), ("stsb", 16), ("qnli", 32)])
def test_where_it_searched_no_width(task, batch):
    asked = asked_space(["bertvision_adapter_pooler"], "adapter_pooler", task)
    assert asked.texts == {"learning_rate": "uniform:0:3e-5"} and asked.seed == "int:0:999"
    assert "size=128" in asked.settings["head"] and asked.settings["batch_size"] == batch
    assert asked.trials == 200
    made = plan(["bertvision_adapter_pooler"], {"task": task, "data": "sample"},
                model="adapter_pooler")
    assert made.config.trials == 200 and list(made.space) == ["learning_rate"]


@pytest.mark.parametrize("task", ["rte", "sst", "mrpc", "mnli", "qqp"])
def test_where_it_searched_the_width(task):
    asked = asked_space(["bertvision_adapter_pooler"], "adapter_pooler", task)
    assert asked.trials == 6 and asked.seed == "int:1:2000" and "head.size" in asked.texts


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_shipped_space_is_whole_and_opens_with_its_command(name):
    text = shipped_spaces()[name].read_text(encoding="utf-8")
    model = text.split("\nmodel: ")[1].split("\n")[0]
    assert text.startswith("#") and "python -m tuning.search" in text and f"--model {model}" in text
    assert plan([name], model=model).space


def test_without_words_the_space_is_that_of_the_model():
    assert list(plan().space) == ["learning_rate", "batch_size", "epochs"]
    assert "head.size" in plan(model="adapter_pooler").space
    made = plan(model="adapter")
    assert "adapter.size" in made.space and made.base["freeze"] == "encoder_except_norms"


def test_flags_alone_are_the_whole_space():
    assert texts(plan(["epochs=int:1:3"])) == {"epochs": "int:1:3"}


def test_flags_add_to_a_named_space_replace_and_take_out():
    made = plan(["bert", "epochs=none", "warmup=uniform:0:0.2", "learning_rate=log:1e-4:1e-3"])
    assert texts(made) == {
        "learning_rate": "log:0.0001:0.001", "batch_size": "choice:16,32",
        "warmup": "uniform:0:0.2",
    }


def test_a_flag_of_training_fixes_what_a_space_would_search():
    made = plan(train={**SST, "batch_size": 8})
    assert "batch_size" not in made.space and made.base["batch_size"] == 8
    assert "not searched, since given: batch_size" in made.notes
    made = plan(train={**SST, "head": "adapter_pooler:size=5"}, model="adapter_pooler")
    assert "head.size" not in made.space


def test_a_file_of_the_user(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "model: bert\ntrials: 7\nsettings: {epochs: 2}\nspace: {learning_rate: 'log:1e-5:1e-3'}\n"
        "tasks:\n  sst:\n    settings: {batch_size: 8}\n    space: {warmup: 'choice:0,0.1'}\n"
    )
    made = plan([str(file)])
    assert texts(made) == {"learning_rate": "log:1e-05:0.001", "warmup": "choice:0,0.1"}
    assert made.config.trials == 7
    assert (made.base["epochs"], made.base["batch_size"]) == (2, 8)
    file.write_text(file.read_text() + "    trials: 9\n  rte: {trials: 0}\n")
    with pytest.raises(UserError, match=r"own\.yaml:10: trials: expected a whole number, not '0'"):
        plan([str(file)])
    file.write_text(file.read_text().replace("trials: 0", "trials: 8"))
    assert plan([str(file)]).config.trials == 9
    assert "batch_size" not in plan([str(file)], train={"task": "rte", "data": "sample"}).base


def test_the_seed_is_searched_when_asked_with_a_warning():
    made = plan(["bertvision_bert"])
    assert "seed" not in made.space
    assert any("ask for it with --space seed=int:0:999" in note for note in made.notes)
    made = plan(["bertvision_bert", "seed=int:0:999"])
    assert "seed" in made.space and any("warning: the seed" in note for note in made.notes)
    with pytest.raises(UserError, match="--seeds 3: the seed is searched"):
        plan(["seed=int:0:9"], train={**SST, "seeds": 3})


@pytest.mark.parametrize("task", ["mnli", "qnli", "qqp", "sst"])
def test_large_tasks_train_on_a_tenth_unless_told(task):
    made = plan(train={"task": task, "data": "sample"})
    assert made.base["train_fraction"] == 0.1 and any("10%" in note for note in made.notes)
    for given in ({"train_fraction": 1.0}, {"train_examples": 50}):
        other = plan(train={"task": task, "data": "sample", **given})
        assert other.base.get("train_fraction") == given.get("train_fraction")


def test_small_tasks_train_on_all_rows():
    assert "train_fraction" not in plan(train={"task": "rte", "data": "sample"}).base


def test_trials_are_scored_on_training_rows_or_with_a_warning_on_dev():
    assert plan().base["tune_split"] == 0.1
    made = plan(tune_split=0.0)
    assert "tune_split" not in made.base and any("on dev itself" in note for note in made.notes)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["lerning_rate=log:1:2"], {}, "'lerning_rate'; did you mean 'learning_rate'?"),
        (["learning_rate=log:1:2", "learning_rate=log:1:3"], {}, "learning_rate is given twice"),
        (["bert", "houlsby"], {}, "bert and houlsby; name one"),
        (["brt"], {}, "did you mean 'bert'?"),
        (["houlsby"], {}, "a space of --model adapter, not of bert"),
        (["init=choice:a,b"], {}, "init is not searched"),
        (["sampler=choice:sqrt,shuffle"], {}, "sampler is not searched"),
        (["head.sise=int:1:9"], {}, "has no setting 'sise'"),
        (["adapter.size=int:1:9"], {}, "there is no adapter; use --model adapter"),
        (["adapter.sise=int:1:9"], {"model": "adapter"}, "did you mean 'adapter.size'?"),
        (["head.size=int:-4:9"], {"model": "adapter_pooler"}, "must be at least 0"),
        (["head=choice:linear|adapter_poler"], {}, "did you mean 'adapter_pooler'?"),
        (["head=choice:linear|adapter_pooler", "head.size=int:1:9"],
         {"model": "adapter_pooler"}, "head itself is searched"),
        (["learning_rate=none"], {}, "no learning_rate in the space; name one, too: --space bert"),
        (["bert", "lerning_rate=none"], {}, "did you mean 'learning_rate'?"),
        (["bert", *(f"{name}=none" for name in ("learning_rate", "batch_size", "epochs"))], {},
         "nothing is searched"),
        (["epochs=int:1:3"], {"tuner": "hyperband"}, "so epochs cannot be set"),
        ((), {"objective": "acuracy"}, "did you mean 'accuracy'?"),
        ((), {"tuner": "grid", "trials": 3}, "the grid has 24 points"),
        ((), {"tuner": "hyperband", "trials": 3}, "leave it out"),
        ((), {"tuner": "hyperband", "early_stop": "median"}, "hyperband ends runs itself"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(words, options, message):
    with pytest.raises(UserError) as error:
        plan(words, **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        ({}, {}, "--task is needed"),
        ({"task": "sst,rte"}, {}, "a search is of one task"),
        ({**SST, "batch_size": 8}, {"words": ["batch_size=choice:8,16"]}, "given as a flag, too"),
        ({**SST, "intermediate": "rte"}, {}, "--intermediate: not in a search"),
        ({**SST, "max_steps": 0}, {}, "train nothing"),
        ({**SST, "head": "linear"}, {"model": "adapter_pooler"}, "use --model bert"),
        ({**SST, "head": "adapter_pooler"}, {}, "goes with --model adapter_pooler"),
        ({**SST, "adapter": "lora"}, {}, "goes with --model adapter"),
        ({**SST, "adapter": "none"}, {"model": "adapter"}, "not with --adapter none"),
        ({**SST, "freeze": "encoder"}, {}, "leaves the head alone"),
        ({**SST, "activations": "x"}, {}, "use --model adapter_pooler"),
        ({**SST, "recipe": "pals"}, {}, "--adapter pal goes with --model adapter"),
        ({**SST, "recipe": "bertvision_head"}, {}, "goes with --model adapter_pooler"),
        (SST, {"words": ["freeze=choice:none,encoder"]}, "leaves the head alone"),
        (SST, {"words": ["head=choice:linear|adapter_pooler"]}, "goes with --model adapter_pooler"),
        (SST, {"model": "adapter", "words": ["adapter=choice:houlsby|none"]}, "--adapter none"),
        ({**SST, "text": "a.txt"}, {}, "--text: not in a search, which is of tasks with labels"),
        ({**SST, "strategy": "mirrored"}, {}, "--workers train side by side"),
        (SST, {"factor": 4}, "--factor goes with --tuner hyperband"),
        (SST, {"grid_points": 3}, "--grid_points goes with --tuner grid"),
        ({**SST, "seed": 2**32 - 1, "seeds": 2}, {}, "the last of --seeds"),
        (SST, {"words": ["teachers=choice:a,b"]}, "teachers is not searched"),
        (SST, {"words": ["text=choice:a,b"]}, "text is not searched"),
    ],
)  # fmt: skip
def test_settings_of_training_that_do_not_fit(train, options, message):
    with pytest.raises(UserError) as error:
        plan(train=train, **options)
    assert message in str(error.value)


def test_a_recipe_names_the_model_before_a_search_does():
    found = plan(model="adapter_pooler", train={**SST, "recipe": "bertvision_head"})
    assert found.base["head"] == "adapter_pooler:preset=ap_glue,size=32"
    assert plan(model="adapter", train={**SST, "recipe": "pals"}).base["adapter"].startswith("pal")


def test_hyperband_shares_out_what_a_shipped_space_searches():
    found = plan(model="bert", tuner="hyperband", train=SST)
    assert "epochs" not in found.space and "learning_rate" in found.space
    assert any("hyperband shares them out: epochs" in note for note in found.notes)


def test_batches_by_tokens_are_not_batches_by_rows():
    found = plan(model="bert", train={**SST, "batch_tokens": 400})
    assert "batch_size" not in found.space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spaces: {}", "1: unknown key 'spaces'; did you mean 'space'?"),
        ("model: bert\nspace: 3", "2: expected 'name: value' lines"),
        ("model: brt", "1: model: unknown value 'brt'; did you mean 'bert'?"),
        ("model: bert\ntrials: many", "2: trials: expected a whole number"),
        ("settings:\n  epoch: 1", "2: unknown key 'epoch'; did you mean 'epochs'?"),
        ("settings:\n  warmup: 0\n  epochs: -1", "3: epochs: must be above 0"),
        ("settings: {data: x}", "1: 'data' belongs on the command line"),
        ("space:\n  warmup: choice:0,1\n  epochs: int:3:1", "3: epochs: a reversed range"),
        ("space:\n  epoch: int:1:3", "2: epoch: unknown parameter 'epoch'; did you mean 'epochs'?"),
        ("space:\n  epochs: int:1:3\n  epochs: int:1:2", "3: 'epochs' is given twice"),
        ("tasks:\n  sst:\n    spce: {}", "3: unknown key 'spce'; did you mean 'space'?"),
        ("tasks:\n  rtee: {}", "2: unknown task 'rtee'; did you mean 'rte'?"),
        ("tasks:\n  rte: 3", "2: expected 'name: value' lines"),
        ("tasks:\n  rte: {space: [a]}", "2: expected 'name: value' lines"),
        ("a: [", "1: not valid YAML"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_name_it_and_the_line(tmp_path, text, message):
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        plan([str(file)])
    assert str(error.value).startswith(f"{file}:{message}")


def test_a_file_that_is_no_mapping(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("- a")
    with pytest.raises(UserError, match=r"own\.yaml: expected 'name: value' lines"):
        plan([str(file)])


def test_a_file_may_name_a_task_by_an_alias(tmp_path):
    file = tmp_path / "own.yaml"
    alias = tasks.get("sst").aliases[0]
    file.write_text(f"space: {{epochs: 'int:1:3'}}\ntasks: {{{alias}: {{trials: 4}}}}\n")
    assert plan([str(file)]).config.trials == 4
