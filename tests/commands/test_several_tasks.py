"""Several tasks of several kinds in one run, with adapters, stopped and gone on with."""

import csv
import json
import os
import signal

import keras
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfglue import evaluate, train
from tfglue.errors import UserError
from tfglue.experiment import train as train_experiment
from tfglue.run import Run
from tfglue.run_folder import RunFolder

SETTINGS = dict(
    task="sst,ner,squad2", data="sample", train_examples=40, batch_size=8, sampler="annealed",
    adapter="pal:size=8,heads=2", steps_per_epoch=6, epochs=2, evaluate_every="6",
    task_weights="ner=2",
)


def trained(folder, *callbacks, **settings):
    return train_experiment(
        {**SETTINGS, **settings, "output": str(folder)}, callbacks=callbacks, say=lambda line: None
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several") / "whole"
    trained(folder)
    return folder


def test_every_task_has_metrics_predictions_and_files_of_its_own(whole):
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["main"] == {"sst": "accuracy", "ner": "entity_f1", "squad2": "f1"}
    for task in ("sst", "ner", "squad2"):
        assert "dev" in metrics[task]
        assert (whole / "heads" / f"{task}.safetensors").is_file()
        assert (whole / "adapters" / f"{task}.safetensors").is_file()
    assert (whole / "predictions" / "sst" / "dev.tsv").is_file()
    assert (whole / "predictions" / "ner" / "dev" / "predictions.txt").is_file()
    assert (whole / "predictions" / "squad2" / "dev" / "null_odds.json").is_file()
    manifest = yaml.safe_load((whole / "run.yaml").read_text())
    assert manifest["config"]["adapter"] == "pal:layers=all,size=8,heads=2,lhuc=false"
    assert set(manifest["result"]["best_by_task"]) == {"sst", "ner", "squad2"}
    assert "null_score_diff_threshold" in manifest["result"]["calibration"]["squad2"]


def test_the_history_counts_the_updates_of_each_task(whole):
    with open(whole / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        counts = [int(row[f"updates.{task}"]) for task in ("sst", "ner", "squad2")]
        assert sum(counts) == int(row["update"])
    assert any(row["train_loss.sst"] for row in rows)


def test_evaluation_scores_every_task_that_is_not_named(whole):
    assert evaluate.main(["--run", str(whole)]) == 0
    found = json.loads((whole / "evaluation.json").read_text())
    assert set(found["main"]) == set(found["data"]) == {"sst", "ner", "squad2"}
    assert {"sst", "ner", "squad2"} <= set(found)


def test_a_reopened_run_answers_as_it_did(whole):
    metrics = json.loads((whole / "metrics.json").read_text())
    opened = Run.open(whole)
    from tfglue.answering import source_for

    for name, task in opened.tasks.items():
        found = opened.evaluate(task, source_for(opened, task, None, None).read("dev"))
        assert found == pytest.approx(metrics[name]["dev"], abs=1e-6)


class StopAt(keras.callbacks.Callback):
    """Asks for a stop after so many updates."""

    def __init__(self, update):
        super().__init__()
        self.left = update

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("update", [4, 9])
def test_stopped_within_an_epoch_it_ends_with_the_same_bytes(whole, tmp_path, update):
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "run", StopAt(update))
    train_experiment({"output": str(tmp_path / "run"), "resume": True}, say=lambda line: None)
    for path in sorted(whole.rglob("*.safetensors")):
        same = tmp_path / "run" / path.relative_to(whole)
        assert path.read_bytes() == same.read_bytes(), path.name
    for name in ("history.csv", "metrics.json"):
        assert (whole / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.slow
def test_tasks_keep_their_own_lengths_and_batches_when_they_go_on(tmp_path):
    recipe = tmp_path / "own.yaml"
    recipe.write_text("tasks:\n  sst: {batch_size: 4}\n  ner: {max_length: 16}\n")
    settings = dict(recipe=str(recipe), epochs=1, steps_per_epoch=None, adapter="none")
    settings |= dict(task="ner, sst2", sampler="shuffle", task_weights=None, batch_size=None)
    trained(tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "run", StopAt(3), **settings)
    recipe.unlink()
    train_experiment({"output": str(tmp_path / "run"), "resume": True}, say=lambda line: None)
    whole, gone_on = (yaml.safe_load((tmp_path / name / "run.yaml").read_text())
                      for name in ("whole", "run"))
    assert whole["task_settings"] == gone_on["task_settings"] == {
        "ner": {"max_length": 16, "batch_size": 32}, "sst": {"max_length": 64, "batch_size": 4},
    }
    for name in ("encoder.safetensors", "history.csv", "metrics.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.slow
def test_a_run_can_begin_with_the_encoder_and_adapters_of_another(whole, tmp_path):
    settings = {name: SETTINGS[name] for name in ("data", "adapter", "train_examples")}
    begun = dict(settings, task="ner", init=str(whole), max_steps=0, output=str(tmp_path / "run"))
    run = train_experiment({**begun, "init_parts": "encoder+adapters"}, say=lambda line: None)
    kept = load_file(whole / "adapters" / "ner.safetensors")
    for name, weight in run.model.adapters["ner"].named_weights().items():
        assert np.array_equal(kept[name], weight.numpy())
    with pytest.raises(UserError, match="no adapter lora"):
        train_experiment(
            {**begun, "init_parts": "encoder+adapters", "adapter": "lora", "overwrite": True},
            say=lambda line: None,
        )
    assert RunFolder(tmp_path / "run").is_run()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--task sst,sst2", "sst is named twice"),
        ("--task sst,ner --sampler anneal", "did you mean 'annealed'"),
        ("--task sst,ner --best_on rte", "'rte' is not trained here"),
        ("--task sst,ner --task_weights sst=0", "expected task=number, positive"),
        ("--task ner,pos --labels tags.txt", "--labels lists the tags of one task"),
        ("--task sst,ner --seeds 3", "--seeds reports on one task"),
        ("--task sst --sampler sqrt", "--sampler goes with several tasks"),
        ("--task sst --adapter pal:size=10,heads=3", "not a multiple of heads"),
        ("--task sst --adapter pall", "did you mean 'pal'"),
        ("--task sst --doc_stride 3", "does not apply, sst is of kind classify"),
    ],
)
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    argv = [*words.split(), "--data", "sample", "--output", str(tmp_path / "run")]
    assert train.main(argv) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
