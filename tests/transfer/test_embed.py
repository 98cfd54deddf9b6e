"""``python -m tfglue.embed`` and what reads its files, on the built-in sentences."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_model import small_features, small_model
from tests.transfer.made_library import write_bare
from tfglue import Run, embed, recommend, train
from tfglue.data.batches import model_inputs, padded_batch
from tfglue.data.sources import open_source
from tfglue.data.subset import nested_order
from tfglue.kinds import KINDS
from tfglue.resolution import resolve
from tfglue.tasks import get
from tfglue.transfer.embedder import TaskSettings
from tfglue.transfer.embedding import TaskEmbedding
from tfglue.transfer.fisher import TaskFisher
from tfglue.transfer.fisher_batches import FisherBatches
from tfglue.transfer.likelihood import read_likelihood
from tfglue.transfer.ranking import rank_sources
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
    """Four tasks by their texts, and two by their runs with a setting that is not the default."""
    root = tmp_path_factory.mktemp("library")
    for task in ("sst", "pos"):
        words = ["--method", "task", "--run", str(runs / task), "--granularity", "token"]
        assert embed.main([*words, "--output", str(root / "task" / task)]) == 0
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


@pytest.mark.usefixtures("eagerly")
def test_training_meanwhile_changes_what_is_asked_for_and_nothing_else():
    features = small_features("nli", 24)
    own = read_likelihood("empirical", KINDS.get("classify"), "classify", 3, 1, 0)
    frozen = TaskFisher(small_model(), "nli", own).scores(features)
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


def test_without_methods_runs_are_judged_in_every_way_they_can_be(library, runs, tmp_path, capsys):
    words = ["--task", "squad2", "--library", str(library), "--data", "sample", "--train_examples",
             "24", "--output", str(tmp_path / "report"), "--runs", str(runs / "pos")]
    assert recommend.main(words) == 0
    out = capsys.readouterr().out
    assert "not judged by leep: pos answers other questions than squad2" in out
    assert "by text + curve_gradient + logme + h_score + knn" in out
    assert "has no embedding of squad2 by task, so sources are not compared by it" in out
    report = json.loads((tmp_path / "report" / "recommendation.json").read_text())
    places = [row["source"] for row in report["fused"]]
    # Known to five methods is no merit of its own.
    assert set(places) == {"sst", "pos", "stsb"} and len(report["fused_of"]) == 5
    assert recommend.main([*words[:4], "--data", str(tmp_path), *words[-2:]]) == 0
    out = capsys.readouterr().out
    assert "not judged by logme, h_score, knn, leep, nce: " in out and "by text + curve_gr" in out
    assert recommend.main([*words[:4], "--methods", "leep", "--runs", str(runs / "pos")]) == 2
    words = ["--task", "pos", "--library", str(library), "--methods", "logme", "--runs"]
    assert recommend.main([*words, str(runs / "pos")]) == 2
    assert "--runs are all of pos, the target" in capsys.readouterr().err


def test_heads_of_sources_are_judged_by_their_answers(runs, tmp_path):
    """LEEP and NCE from the command line, against the model asked row by row."""
    for seed, name in enumerate(("RTE", "SST-2", "MNLI")):
        write_bare(tmp_path / "library", name, seed)
    words = ["--task", "rte", "--library", str(tmp_path / "library"), "--data", "sample",
             "--train_examples", "40", "--methods", "text,leep,nce", "--runs", str(runs / "sst")]
    assert recommend.main([*words, "--output", str(tmp_path / "report")]) == 0
    report = json.loads((tmp_path / "report" / "recommendation.json").read_text())
    # The run of sst is the library's SST-2, so that their ranks are fused.
    assert {row["source"] for row in report["fused"]} == {"SST-2", "MNLI"}
    found = {name: report["methods"][name] for name in ("leep", "nce")}
    assert all([row["source"] for row in own] == ["SST-2"] for own in found.values())

    run, task = Run.open(runs / "sst"), get("rte")
    examples = open_source(task, "sample").read("train")
    examples = examples.take(nested_order(examples.strata)[:40])
    features = KINDS.get("classify").encode(task, examples, run.tokenizer, resolve({}, task))
    one_by_one = [padded_batch(features, np.array([row])) for row in range(40)]
    answers = np.concatenate([
        tf.nn.softmax(run.model(model_inputs(row), task="sst")) for row in one_by_one
    ]).astype(np.float64)
    labels = np.asarray(features.labels)
    given = np.array([answers[labels == y].sum(axis=0) for y in (0, 1)]) / answers.sum(axis=0)
    expected = np.mean([np.log(given[y] @ row) for y, row in zip(labels, answers, strict=True)])
    assert found["leep"][0]["score"] == pytest.approx(expected, abs=1e-6)
    said = answers.argmax(axis=1)
    expected = np.mean([
        np.log(np.mean(labels[said == z] == y)) for y, z in zip(labels, said, strict=True)
    ])
    assert found["nce"][0]["score"] == pytest.approx(expected, abs=1e-6)


def test_the_source_is_chosen_and_the_chain_trained_and_restarted(library, tmp_path, capsys):
    recipe = tmp_path / "step.yaml"
    recipe.write_text("max_steps: 1\ntrain_examples: 16\nbatch_size: 16\nevaluate_every: 1\n")
    words = ["--task", "rte", "--intermediate", "auto", "--library", str(library), "--data",
             "sample", "--intermediate_recipe", str(recipe), "--max_steps", "2",
             "--batch_size", "8", "--learning_rate", "0.01", "--train_examples", "16",
             "--dev_examples", "32", "--evaluate_every", "2", "--seeds", "2"]
    output = tmp_path / "rte"
    assert train.main([*words, "--output", str(output)]) == 0
    record = json.loads((output / "recommendation.json").read_text())
    assert record["fused_of"] == ["text", "task"]
    assert record["chosen"] == record["recommended"] in ("sst", "pos", "squad2", "stsb")
    # The target is embedded as the library's tasks were, and held against them.
    own = {name: TaskEmbedding.read(output / "target" / name) for name in ("text", "task")}
    assert own["task"].manifest["settings"]["granularity"] == "token"
    # Every activation that all tasks have: words have no cls_output.
    layers = {f"encoder.layer.{layer}.{what}_output" for layer in (0, 1)
              for what in ("layer", "multihead")}
    assert set(record["components"]) == {"avg_sequence_output", "pooled_output"} | layers
    for component, ranking in record["components"].items():
        method = "task" if component in layers else "text"
        vectors = {
            place.name: np.load(place / f"{component}.npy")
            for place in (library / method).iterdir()
        }
        expected = rank_sources(vectors, own[method].vectors[component])
        assert [row["source"] for row in ranking] == [name for name, _ in expected]
        assert [row["score"] for row in ranking] == pytest.approx([s for _, s in expected])
    # The source is trained once; only the target restarts, and its mean is recorded.
    assert [step.name for step in (output / "steps").iterdir()] == [f"1-{record['chosen']}"]
    scores = {seed: accuracy(output / "seeds" / seed) for seed in ("0", "1")}
    assert record["result"]["chain_by_seed"] == scores
    assert record["result"]["chain"] == {"accuracy": pytest.approx(np.mean(list(scores.values())))}
    assert record["result"]["alone"] == {"accuracy": accuracy(output / "target" / "run")}
    capsys.readouterr()
    assert train.main(["--output", str(output), "--resume"]) == 0
    assert f"intermediate: {record['chosen']}, chosen before" in capsys.readouterr().out


def accuracy(run):
    return json.loads((run / "metrics.json").read_text())["rte"]["dev"]["accuracy"]


@pytest.mark.parametrize("part", ["", "task"])
def test_another_encoder_is_refused_before_training(library, tmp_path, part, capsys):
    words = ["--task", "rte", "--intermediate", "auto", "--library", str(library / part), "--seed",
             "3", "--data", "sample", "--output", str(tmp_path / "rte")]
    assert train.main(words) == 2
    error = capsys.readouterr().err
    assert "not the encoder that" in error and "the --seed of the library" in error
    assert not any((tmp_path / "rte" / name).exists() for name in ("steps", "target"))
