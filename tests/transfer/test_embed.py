"""``python -m tfglue.embed`` and what reads its files, on the built-in sentences."""

import json

import numpy as np
import pytest

from tests.training.small_model import small_features, small_model
from tfglue import Run, embed, recommend, train
from tfglue.kinds import KINDS
from tfglue.transfer.embedder import TaskSettings
from tfglue.transfer.embedding import TaskEmbedding
from tfglue.transfer.fisher import TaskFisher
from tfglue.transfer.fisher_batches import FisherBatches
from tfglue.transfer.likelihood import read_likelihood
from tfglue.transfer.source_scores import judged_places

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of three kinds, hardly trained."""
    root = tmp_path_factory.mktemp("runs")
    for task in ("sst", "pos"):
        Run.train(task=task, data="sample", train_examples=48, max_steps=2, evaluate_every="2",
                  dev_examples=32, output=str(root / task))
    return root


@pytest.fixture(scope="module")
def library(tmp_path_factory, runs):
    root = tmp_path_factory.mktemp("library")
    for task in ("sst", "pos", "squad2", "stsb"):
        words = ["--method", "text", "--task", task, "--data", "sample", "--train_examples", "40"]
        assert embed.main([*words, "--output", str(root / "text" / task)]) == 0
    return root


def test_every_kind_of_task_has_a_text_embedding(library):
    shapes = {
        name: TaskEmbedding.read(library / "text" / name).vectors["avg_sequence_output"].shape
        for name in ("sst", "pos", "squad2", "stsb")
    }
    assert set(shapes.values()) == {(128,)}
    manifest = json.loads((library / "text" / "squad2" / "manifest.json").read_text())
    assert manifest["settings"]["per"] == "window" and manifest["kind"] == "span"
    assert manifest["data"]["examples"] == 40 <= manifest["data"]["rows"]


def test_texts_without_labels(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("a warm film\ta cold film\nit rains\tthe sun shines\n")
    words = ["--method", "text", "--text", str(tmp_path / "mine.txt")]
    assert embed.main([*words, "--output", str(tmp_path / "out")]) == 0
    found = TaskEmbedding.read(tmp_path / "out")
    assert found.name == "mine" and found.kind is None and found.manifest["data"]["rows"] == 2
    assert embed.main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "holds an embedding; add --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["sst", "pos"])
def test_a_run_has_a_task_embedding(runs, tmp_path, task, capsys):
    words = ["--method", "task", "--run", str(runs / task), "--output", str(tmp_path / "out")]
    pattern = "encoder.layer.1.attention.self.value.*"
    assert embed.main([*words, "--weights", pattern]) == 0
    found = TaskEmbedding.read(tmp_path / "out")
    names = {f"encoder.layer.{layer}.{what}" for layer in (0, 1)
             for what in ("multihead_output", "layer_output")}
    names |= {f"encoder.layer.1.attention.self.value.{what}" for what in ("weight", "bias")}
    names |= {"cls_output"} if task == "sst" else set()
    assert set(found.vectors) == names
    assert found.manifest["data"]["examples"] == 48  # The rows that it was trained on.
    assert found.manifest["settings"] == {
        "granularity": "example", "fisher": "empirical", "finetune": "none",
    }


def test_training_meanwhile_changes_what_is_asked_for_and_nothing_else():
    features = small_features("nli", 24)
    for finetune, moved in (("head", ("heads.nli",)), ("all", ("heads.nli", "encoder."))):
        model, kind = small_model(dropout=0.5), KINDS.get("classify")
        before = {name: weight.numpy() for name, weight in model.named_weights().items()}
        settings = TaskSettings(finetune=finetune, batch_size=8, learning_rate=0.01, epochs=2)
        batches = FisherBatches(model, "nli", kind, features, settings)
        fisher = TaskFisher(model, "nli", read_likelihood("empirical", kind, "classify", 3, 1, 0))
        scores = fisher.scores(features, batches.rows(), batches.train)
        changed = {name for name, weight in model.named_weights().items()
                   if not np.array_equal(before[name], weight.numpy())}
        assert changed and all(name.startswith(moved) for name in changed)
        assert any(name.startswith(moved[-1]) for name in changed)
        frozen = TaskFisher(
            small_model(), "nli", read_likelihood("empirical", kind, "classify", 3, 1, 0)
        ).scores(features)
        assert not np.allclose(scores["cls_output"], frozen["cls_output"], rtol=1e-3)


def test_estimators_read_words_answers_and_rows():
    tags = small_features("ner", 9)
    places = judged_places("tag", tags)
    flat = tags.row_splits[places.rows] + places.tokens
    np.testing.assert_array_equal(tags.labels[flat], places.labels)
    assert len(flat) == np.sum(tags.labels != -1)
    spans = small_features("qa", 9)
    places = judged_places("span", spans)
    for row in np.unique(places.rows):
        own = places.rows == row
        inside = set(range(spans.labels[row, 0], spans.labels[row, 1] + 1))
        assert set(places.tokens[own & (places.labels == 1)]) == inside
        assert not inside & set(places.tokens[own & (places.labels == 0)])
        assert np.sum(own & (places.labels == 0)) <= len(inside)


def test_sources_are_judged_by_their_runs(library, runs, capsys):
    words = ["--task", "sst", "--library", str(library), "--data", "sample", "--train_examples",
             "64", "--methods", "text,logme,h_score,knn,curve_gradient"]
    assert recommend.main([*words, "--runs", str(runs / "pos")]) == 0
    out = capsys.readouterr().out
    assert "by text + logme + h_score + knn + curve_gradient" in out
    assert recommend.main([*words[:-1], "leep", "--runs", str(runs / "pos")]) == 2
    assert "no source in --runs answers what sst labels" in capsys.readouterr().err


def test_the_source_is_chosen_and_the_chain_trained(library, tmp_path, capsys):
    recipe = tmp_path / "step.yaml"
    recipe.write_text("max_steps: 2\ntrain_examples: 32\nbatch_size: 16\nevaluate_every: 2\n")
    words = ["--task", "rte", "--intermediate", "auto", "--library", str(library), "--data",
             "sample", "--intermediate_recipe", str(recipe), "--max_steps", "2",
             "--train_examples", "32", "--dev_examples", "32", "--evaluate_every", "2"]
    output = tmp_path / "rte"
    assert train.main([*words, "--output", str(output)]) == 0
    record = json.loads((output / "recommendation.json").read_text())
    assert record["chosen"] == record["recommended"] in ("sst", "pos", "squad2", "stsb")
    (step,) = (output / "steps").iterdir()
    assert step.name == f"1-{record['chosen']}"
    metrics = json.loads((output / "metrics.json").read_text())
    assert record["result"]["chain"] == {"accuracy": metrics["rte"]["dev"]["accuracy"]}
    assert (output / "target" / "text" / "avg_sequence_output.npy").is_file()
    capsys.readouterr()
    assert train.main(["--output", str(output), "--resume"]) == 0
    assert f"intermediate: {record['chosen']}, chosen before" in capsys.readouterr().out


def test_another_encoder_is_refused_before_training(library, tmp_path, capsys):
    words = ["--task", "rte", "--intermediate", "auto", "--library", str(library), "--seed", "3",
             "--data", "sample", "--output", str(tmp_path / "rte")]
    assert train.main(words) == 2
    assert "not the encoder that" in capsys.readouterr().err
    assert not (tmp_path / "rte" / "steps").exists()
