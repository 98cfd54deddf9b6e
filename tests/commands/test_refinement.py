"""MT-DNN's way as a user goes it: several tasks with heads of their own, then one alone."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tests.commands.test_bad_input import fails
from tests.commands.test_several_tasks import StopAt
from tfglue import export, predict, tasks, train
from tfglue.errors import UserError
from tfglue.experiment import train as train_experiment
from tfglue.preparation import prepare
from tfglue.resolution import resolve
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.trainer import Training

RECIPE = "tasks: {rte: {head: 'san:steps=2', head_dropout: 0.3}, qnli_rank: {batch_size: 8}}\n"
SETTINGS = dict(
    task="sst,qnli_rank,rte", data="sample", train_examples=32, dev_examples=24, max_length=32,
    batch_size=8, optimizer="adamax_uncorrected", average_weights=0.8, main_task="rte",
    mix_ratio=0.75, main_task_last=True, epochs=2,
)


def trained(folder, *callbacks, **settings):
    return train_experiment(
        {**SETTINGS, **settings, "output": str(folder)}, callbacks=callbacks, say=lambda line: None
    )


@pytest.fixture(scope="module")
def refined(tmp_path_factory):
    """A finished run, and the same one stopped and gone on with."""
    root = tmp_path_factory.mktemp("refined")
    recipe = root / "own.yaml"
    recipe.write_text(RECIPE)
    trained(root / "whole", recipe=str(recipe))
    with pytest.raises(KeyboardInterrupt):
        trained(root / "stopped", StopAt(4), recipe=str(recipe))
    recipe.unlink()
    train_experiment({"output": str(root / "stopped"), "resume": True}, say=lambda line: None)
    return root


@pytest.mark.slow
def test_it_ends_with_the_same_bytes_if_it_is_stopped(refined):
    paths = sorted((refined / "whole").rglob("*.safetensors"))
    assert len(paths) == 4
    for path in [*paths, *(refined / "whole" / name for name in ("history.csv", "metrics.json"))]:
        same = refined / "stopped" / path.relative_to(refined / "whole")
        assert path.read_bytes() == same.read_bytes(), path.name


@pytest.mark.slow
def test_every_task_has_its_head_and_an_epoch_the_main_tasks_batches_and_a_share(refined):
    manifest = yaml.safe_load((refined / "whole" / "run.yaml").read_text())
    heads = {name: own["head"] for name, own in manifest["task_settings"].items()}
    assert heads["sst"] == heads["qnli_rank"] == "linear" and heads["rte"].startswith("san:steps=2")
    # Four batches of rte, three of the others.
    assert manifest["total_updates"] == 2 * (4 + 3)
    names = load_file(refined / "whole" / "heads" / "rte.safetensors")
    assert {"summary.kernel", "cell.input.kernel"} <= set(names)
    metrics = json.loads((refined / "whole" / "metrics.json").read_text())
    assert set(metrics["qnli_rank"]["dev"]) >= {"accuracy", "group_accuracy", "coverage", "loss"}
    opened = Run.open(refined / "whole")
    for name, task in opened.tasks.items():
        from tfglue.answering import source_for
        from tfglue.preparation import scored_rows

        rows = source_for(opened, task, None, None).read("dev")
        rows = scored_rows(rows, opened.configs[name])
        assert opened.evaluate(task, rows) == pytest.approx(metrics[name]["dev"], abs=1e-6)
    (answer,) = opened.predict([("a man sleeps", "a person is asleep")], task="rte")
    assert answer["label"] in ("entailment", "not_entailment")


@pytest.mark.slow
def test_it_is_exported_and_verified_task_by_task_and_mixed(refined, tmp_path, capsys):
    run, output = str(refined / "whole"), str(tmp_path / "serve")
    words = ["--run", run, "--output", output, "--signatures", "mixed"]
    assert export.main(words) == 0, capsys.readouterr().err
    assert "verified: answers differ from the run's by" in capsys.readouterr().out
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("who came\tAda came\nwho left\tno one\nwho came\tit rained\n")
    answers = []
    for name in (run, output):
        words = ["--run", name, "--task", "qnli_rank", "--input", str(pairs), "--format", "json"]
        assert predict.main(words) == 0
        answers.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    for ours, served in zip(*answers, strict=True):
        assert ours["label"] == served["label"]
        key = "probability_entailment"
        assert ours[key] == pytest.approx(served[key], abs=1e-5)
    first, alone, second = (one[key] for one in answers[0])
    assert first + second == pytest.approx(1) and alone == 1


@pytest.mark.slow
def test_a_task_alone_goes_on_from_the_refined_encoder(refined, tmp_path):
    run = trained(
        tmp_path / "rte", task="rte", init=str(refined / "whole"), head="san:steps=2", max_steps=0,
        main_task=None, mix_ratio=None, main_task_last=False, average_weights=None,
    )
    before = load_file(refined / "whole" / "encoder.safetensors")
    for name, weight in run.encoder.named_weights().items():
        np.testing.assert_array_equal(weight.numpy(), before[name], name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--task sst --head san", "it reads pairs of texts, and sst has one text"),
        ("--task rte,sst --head san", "tasks: {rte: {head: san}}"),
        ("--task rte,sst --main_task rte", "says nothing alone; add --mix_ratio"),
        ("--task rte,sst --mix_ratio 1 --sampler sqrt", "goes with --sampler shuffle, not sqrt"),
        ("--task rte,sst --main_task_last --steps_per_epoch 5", "so does --steps_per_epoch"),
        ("--task rte,sst --main_task mrpc --mix_ratio 1", "'mrpc' is not trained here"),
        ("--task rte --mix_ratio 1", "--mix_ratio goes with several tasks"),
        ("--task rte --qnli_version 1", "--qnli_version: does not apply, rte is of kind classify"),
        ("--task rte --intermediate sst --intermediate_recipe {san}",
         "it reads pairs of texts, and sst has one text"),
        ("--task sst --intermediate rte --head san", "and sst has one text"),
        ("--task qnli_rank --qnli_version 3", "unknown value '3'"),
        ("--task qnli_rank --balance", "--balance: does not apply"),
        ("--task rte --average_weights 1", "must be at most 0.99999"),
        ("--task rte --optimizer adamx", "did you mean 'adamax'"),
    ],
)
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    (tmp_path / "san.yaml").write_text("head: san\n")
    words = words.format(san=tmp_path / "san.yaml")
    argv = [*words.split(), "--data", "sample", "--output", tmp_path / "run"]
    assert message in fails(capsys, train, *argv)
    assert not (tmp_path / "run").exists()


def test_the_recipe_that_a_message_names_gives_pairs_their_head(tmp_path):
    (tmp_path / "own.yaml").write_text("tasks: {rte: {head: san}}\n")
    given = {"task": "rte,sst", "data": "sample", "encoder": "tiny",
             "recipe": str(tmp_path / "own.yaml")}
    prepared = prepare(given, lambda line: None)
    assert [one.config.head.split(":")[0] for one in prepared.tasks.values()] == ["san", "linear"]


def test_dropout_and_heads_of_each_task_reach_its_head(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "head_dropout: 0.2\n"
        "tasks: {rte: {head: san, head_dropout: 0.3}, mrpc: {head_dropout: 0.4}}\n"
    )
    given = {"task": "rte,mrpc,sst", "data": "sample", "encoder": "tiny",
             "recipe": str(tmp_path / "own.yaml"), "train_examples": 16, "dev_examples": 16}
    prepared = prepare(given, lambda line: None)
    training = Training(prepared, RunFolder(tmp_path / "run"), None, (), lambda line: None)
    heads = training.model.heads
    assert {dropout.rate for dropout in heads["rte"].dropouts} == {0.3}
    assert (heads["mrpc"].dropout.rate, heads["sst"].dropout.rate) == (0.4, 0.2)


def test_the_main_task_is_the_first_where_none_is_named():
    pair = tasks.get("sst"), tasks.get("rte")
    assert resolve({"encoder": "tiny", "mix_ratio": 0.5}, *pair).main_task == "sst"
    assert resolve({"encoder": "tiny"}, *pair).main_task is None


def test_several_devices_do_not_rank(tmp_path):
    with pytest.raises(UserError, match="--strategy: qnli_rank ranks the candidates of a query"):
        trained(tmp_path / "run", task="qnli_rank", strategy="mirrored", main_task=None,
                mix_ratio=None, main_task_last=False)


def test_a_ratio_that_the_others_cannot_fill_is_said():
    from tfglue.preparation import prepare
    from tfglue.run_plan import RunPlan

    settings = {"task": "rte,sst", "data": "sample", "encoder": "tiny", "train_examples": 24,
                "batch_size": 8}
    filled = RunPlan(prepare({**settings, "mix_ratio": 1.0}, lambda line: None))
    assert filled.shortfall is None and filled.updates_per_epoch == 6
    short = RunPlan(prepare({**settings, "mix_ratio": 2.5}, lambda line: None))
    assert short.updates_per_epoch == 6
    assert short.shortfall == (
        "--mix_ratio 2.5: the other tasks have 3 updates for the 3 of rte; an epoch takes them all"
    )
