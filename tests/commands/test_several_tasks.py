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

from tests.commands.test_bad_input import fails
from tfglue import compare, evaluate, tasks, train
from tfglue.data.sources import open_source
from tfglue.errors import UserError
from tfglue.experiment import train as train_experiment
from tfglue.experiment_reading import read_experiments
from tfglue.models.head_config import read_head
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_history_counts_the_updates_of_each_task(whole):
    with open(whole / "history.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        counts = [int(row[f"updates.{task}"]) for task in ("sst", "ner", "squad2")]
        assert sum(counts) == int(row["update"])
    assert any(row["train_loss.sst"] for row in rows)


@pytest.mark.slow
def test_evaluation_scores_every_task_that_is_not_named(whole):
    assert evaluate.main(["--run", str(whole)]) == 0
    found = json.loads((whole / "evaluation.json").read_text())
    assert set(found["main"]) == set(found["data"]) == {"sst", "ner", "squad2"}
    assert {"sst", "ner", "squad2"} <= set(found)


@pytest.mark.slow
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


@pytest.mark.long
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


@pytest.mark.long
def test_tasks_keep_their_own_lengths_and_batches_when_they_go_on(tmp_path):
    recipe = tmp_path / "own.yaml"
    recipe.write_text(
        "tasks:\n  sst: {batch_size: 4, head_dropout: 0.3, head: 'adapter_pooler:size=4'}\n"
        "  ner: {max_length: 16}\n"
    )
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
        "ner": {"max_length": 16, "batch_size": 32, "head_dropout": None, "head": "linear"},
        "sst": {"max_length": 64, "batch_size": 4, "head_dropout": 0.3,
                "head": str(read_head("adapter_pooler:size=4"))},
    }
    for name in ("encoder.safetensors", "history.csv", "metrics.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.long
def test_the_best_weights_of_each_task_answer_for_it(tmp_path):
    run = trained(tmp_path / "run", save="best_by_task", evaluate_every="4", learning_rate=5e-3)
    best = run.folder.manifest()["result"]["best_by_task"]
    for task, metric in run.metrics["main"].items():
        opened = Run.open(f"{run.folder.path}@{task}")
        assert list(opened.tasks) == [task]
        source = open_source(tasks.get(task), "sample")
        found = opened.evaluate(opened.tasks[task], source.read("dev"))
        assert found[metric] == pytest.approx(best[task]["score"], abs=1e-6)
    with pytest.raises(UserError, match="no weights of task sts"):
        Run.open(f"{run.folder.path}@sts")
    begun = dict(task="rte", data="sample", init=f"{run.folder.path}@sst", max_steps=0)
    child = train_experiment({**begun, "output": str(tmp_path / "rte")}, say=lambda line: None)
    assert child.folder.manifest()["parents"][-1]["best_of"] == "sst"
    assert "best on sst" in child.folder.card.read_text()
    kept = load_file(run.folder.best("sst") / "encoder.safetensors")
    for name, weight in child.encoder.named_weights().items():
        assert np.array_equal(kept[name], weight.numpy())


@pytest.mark.long
def test_restarts_of_several_tasks_are_ranked_by_the_mean_of_their_main_metrics(tmp_path):
    run = trained(tmp_path / "series", task="sst,ner", seeds=2, epochs=1, dev_examples=20,
                  task_weights=None)
    report = json.loads((tmp_path / "series" / "restarts.json").read_text())
    assert (report["task"], report["metric"]) == ("sst,ner", "mean_of_tasks")
    for row in report["seeds"]:
        metrics = json.loads((tmp_path / "series" / row["run"] / "metrics.json").read_text())
        scores = {task: metrics[task]["dev"][main] for task, main in metrics["main"].items()}
        assert row["metrics"] == {"dev": scores}
        assert row["score"] == pytest.approx(np.mean(list(scores.values())))
    best = max(report["seeds"], key=lambda row: row["score"])
    assert run.folder.path == tmp_path / "series" / best["run"]
    mean, sst, ner = read_experiments([str(tmp_path / "series")])
    assert (mean.metric, sst.task, ner.metric) == ("mean_of_tasks", "sst", "entity_f1")
    assert mean.scores == pytest.approx(np.mean([sst.scores, ner.scores], axis=0))
    assert compare.main([str(tmp_path / "series")]) == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("--steps_per_task 4", "12 an epoch", marks=pytest.mark.slow),
        pytest.param("--steps_per_epoch 7", "7 an epoch", marks=pytest.mark.slow),
        pytest.param("--task_cap 16", "6 an epoch", marks=pytest.mark.slow),
    ],
)
def test_an_epoch_has_as_many_updates_as_asked_for(words, expected, tmp_path, capsys):
    command = (
        "--task sst,ner,squad2 --data sample --train_examples 40 --batch_size 8 --max_steps 0 "
        f"--null_score_diff_threshold 0 --output {tmp_path / 'run'} {words}"
    )
    assert train.main(command.split()) == 0
    assert expected in capsys.readouterr().out


def test_best_by_task_is_for_several_tasks(capsys):
    assert train.main(["--task", "sst", "--save", "best_by_task"]) == 2
    assert "goes with several tasks" in capsys.readouterr().err


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
        ("--task sst,ner --mix_ratio 0.0001", "no update of the others is left beside"),
        ("--task sst,ner --task_weights sst=0", "expected task=number, positive"),
        ("--task ner,pos --labels tags.txt", "--labels lists the tags of one task"),
        ("--task sst --sampler sqrt", "--sampler goes with several tasks"),
        ("--task sst --adapter pal:size=10,heads=3", "not a multiple of heads"),
        ("--task sst --adapter pall", "did you mean 'pal'"),
        ("--task sst --doc_stride 3", "does not apply, sst is of kind classify"),
    ],
)
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    argv = [*words.split(), "--data", "sample", "--output", tmp_path / "run"]
    assert message in fails(capsys, train, *argv)
    assert not (tmp_path / "run").exists()
