"""Training from the command line, and what the run folder holds."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfglue import Run, evaluate, predict, train

TINY = ["--epochs", "1", "--train_examples", "96", "--batch_size", "16"]


def run_folder_bytes(folder):
    names = ("encoder.safetensors", "heads/sst.safetensors", "history.csv",
             "predictions/sst/dev.tsv", "predictions/sst/dev.json", "metrics.json", "curves.png")
    return {name: (folder / name).read_bytes() for name in names}


def test_the_run_folder_is_whole(sst_run):
    folder = sst_run.folder.path
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        "run.yaml", "encoder.safetensors", "heads/sst.safetensors", "tokenizer/vocab.txt",
        "metrics.json", "history.csv", "curves.png", "predictions/sst/dev.tsv", "README.md",
        "timing.json", "epochs/0/encoder.safetensors", "epochs/1/heads/sst.safetensors",
    } <= names
    assert not any(name.startswith("checkpoint") or "tmp" in name for name in names)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    manifest = yaml.safe_load((folder / "run.yaml").read_text())
    assert manifest["status"] == "complete"
    assert manifest["tasks"]["sst"]["labels"] == ["negative", "positive"]
    assert manifest["data"]["sst"]["train"]["rows"] == 256
    rows = (folder / "train_rows.txt").read_text().split()
    assert len(rows) == len(set(rows)) == 256
    assert "python -m tfglue.train" in (folder / "README.md").read_text()


def test_tensorboard_gets_the_metrics_where_it_is_installed(sst_run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(sst_run.folder.path / "tensorboard" / "train"))
    events.Reload()
    assert {"epoch_train_loss", "epoch_sst.dev.accuracy"} <= set(events.Tags()["tensors"])


def test_metrics_history_and_predictions_agree(sst_run):
    folder = sst_run.folder.path
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["main"] == {"sst": "accuracy"}
    with open(folder / "history.csv", newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert float(last["sst.dev.accuracy"]) == metrics["sst"]["dev"]["accuracy"]
    with open(folder / "predictions/sst/dev.tsv", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert list(rows[0]) == ["id", "label", "probability_negative", "probability_positive"]
    from tfglue import tasks
    from tfglue.data.sources import open_source

    examples = open_source(tasks.get("sst"), "sample").read("dev")
    assert [row["id"] for row in rows] == examples.ids
    right = [
        tasks.get("sst").label_id(row["label"]) == label
        for row, label in zip(rows, examples.labels, strict=True)
    ]
    assert np.mean(right) == pytest.approx(metrics["sst"]["dev"]["accuracy"], abs=1e-12)
    for row in rows:
        shares = [float(row["probability_negative"]), float(row["probability_positive"])]
        assert sum(shares) == pytest.approx(1, abs=1e-8)
        assert row["label"] == ("negative", "positive")[int(np.argmax(shares))]


def test_an_opened_run_answers_as_the_trained_one(sst_run):
    texts = ["a warm and charming film", "dull , cold and far too long"]
    assert Run.open(sst_run.folder.path).predict(texts) == sst_run.predict(texts)


def test_the_weights_before_training_are_not_those_after(sst_run):
    before, after = (load_file(sst_run.folder.epoch(k) / "encoder.safetensors") for k in (0, 1))
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    texts = ["a warm and charming film"]
    assert Run.open(f"{sst_run.folder.path}@1").predict(texts) == sst_run.predict(texts)
    assert Run.open(f"{sst_run.folder.path}@0").predict(texts) != sst_run.predict(texts)


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_bytes(tmp_path, capsys):
    for name in ("a", "b"):
        argv = ["--task", "sst", "--data", "sample", *TINY, "--output", str(tmp_path / name)]
        assert train.main(argv) == 0
    assert run_folder_bytes(tmp_path / "a") == run_folder_bytes(tmp_path / "b")
    assert "built-in demonstration" in capsys.readouterr().out


def test_without_output_a_free_folder_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert train.main(["--task", "sst", "--max_steps", "0"]) == 0
    names = sorted(path.name for path in (tmp_path / "saved_models").iterdir())
    assert names == ["sst", "sst-2"]


def test_max_steps_zero_prints_the_budget_and_leaves_an_untrained_run(tmp_path, capsys):
    output = tmp_path / "run"
    assert train.main(["--task", "sst", "--max_steps", "0", "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "parameters: " in printed and "updates: 0" in printed and "disk: " in printed
    assert len(Run.open(output).predict(["fine"])) == 1


@pytest.mark.slow
def test_fractions_of_epochs_and_evaluations(tmp_path):
    run = Run.train(task="sst", epochs=0.5, evaluate_every="0.25", train_examples=160,
                    batch_size=16, output=str(tmp_path / "run"))
    with open(run.folder.path / "history.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["sst.dev.accuracy"]]
    assert [row["epoch"] for row in rows] == ["0.2", "0.4", "0.5"]


@pytest.mark.slow
def test_regression_scores_are_clipped_to_the_tasks_range(tmp_path):
    run = Run.train(task="stsb", epochs=1, train_examples=64, output=str(tmp_path / "run"))
    assert set(run.metrics["stsb"]["dev"]) == {
        "pearson_and_spearman", "pearson", "spearman", "loss",
    }
    run.model.heads["stsb"].dense.bias.assign([9.0])
    (answer,) = run.predict([("a man runs", "a man is running")])
    assert answer["score"] == answer["label"] == 5.0


@pytest.mark.slow
def test_mnli_reports_both_halves_and_answers_the_diagnostic_set(tmp_path, capsys):
    output = tmp_path / "run"
    assert train.main(["--task", "mnli", *TINY, "--output", str(output)]) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert set(metrics["mnli"]) == {"dev", "dev_mismatched"}
    argv = ["--run", str(output), "--task", "ax", "--data", "sample", "--split", "test"]
    assert predict.main(argv) == 0
    header = (output / "predictions/ax/test.tsv").read_text().split("\n")[0]
    assert header.split("\t") == [
        "id", "label", "probability_entailment", "probability_neutral",
        "probability_contradiction",
    ]


@pytest.mark.parametrize(
    "suffix", ["csv", pytest.param("tsv", marks=pytest.mark.slow),
               pytest.param("jsonl", marks=pytest.mark.slow)],
)
def test_the_users_own_files_need_no_code(tmp_path, capsys, suffix):
    rows = [(f"note {i} about {'cats' if i % 2 else 'dogs'}, \"quoted\"", "ab"[i % 2])
            for i in range(40)]
    path = tmp_path / f"mine.{suffix}"
    if suffix == "jsonl":
        lines = [json.dumps({"body": text, "topic": topic}) for text, topic in rows]
        path.write_text("\n".join(lines) + "\n")
    else:
        with open(path, "w", newline="") as stream:
            quoting = {"quoting": csv.QUOTE_NONE, "quotechar": None} if suffix == "tsv" else {}
            writer = csv.writer(stream, delimiter="\t" if suffix == "tsv" else ",", **quoting)
            writer.writerows([("body", "topic"), *rows])
    output = tmp_path / "run"
    argv = ["--train_file", str(path), "--dev_file", str(path), "--text_fields", "body",
            "--label_field", "topic", "--epochs", "1", "--output", str(output)]
    assert train.main(argv) == 0
    assert "2 classes: a (20), b (20)" in capsys.readouterr().out
    assert evaluate.main(["--run", str(output), "--input", str(path)]) == 0
    found = json.loads((output / "evaluation.json").read_text())
    trained = json.loads((output / "metrics.json").read_text())
    assert found["mine"]["input"] == trained["mine"]["dev"]


@pytest.mark.slow
def test_without_a_dev_file_the_last_weights_are_kept(tmp_path, capsys):
    path = tmp_path / "mine.csv"
    path.write_text("text,label\n" + "".join(f"row {i},{i % 2}\n" for i in range(20)))
    output = tmp_path / "run"
    assert train.main(["--train_file", str(path), "--epochs", "1", "--output", str(output)]) == 0
    assert "kept: last" in capsys.readouterr().out
    assert json.loads((output / "metrics.json").read_text())["mine"] == {}


def test_predict_writes_tables_and_json_lines(sst_run, tmp_path, capsys):
    path = tmp_path / "texts.txt"
    path.write_text("\ufeffa fine film\r\na poor film\n", encoding="utf-8")
    argv = ["--run", str(sst_run.folder.path), "--input", str(path)]
    assert predict.main(argv) == 0
    table = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len(table) == 3 and table[0].startswith("id\tlabel\tprobability_negative")
    assert predict.main([*argv, "--format", "json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert records == sst_run.predict(["a fine film", "a poor film"])


def test_evaluate_repeats_the_metrics_of_training(sst_run, capsys):
    assert evaluate.main(["--run", str(sst_run.folder.path)]) == 0
    found = json.loads((sst_run.folder.path / "evaluation.json").read_text())
    assert found["sst"] == {"dev": sst_run.metrics["sst"]["dev"]}


def test_a_finished_run_is_not_trained_again(sst_run, capsys):
    folder = sst_run.folder.path
    before = run_folder_bytes(folder)
    # A kill right after the last file leaves these.
    (folder / "checkpoint" / "update-00000008").mkdir(parents=True)
    (folder / ".run.yaml.1.tmp").mkdir()
    assert train.main(["--output", str(folder), "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert run_folder_bytes(folder) == before
    assert not (folder / "checkpoint").exists() and not (folder / ".run.yaml.1.tmp").exists()


@pytest.mark.slow
def test_interrupt_saves_and_resume_ends_with_the_same_bytes(tmp_path):
    command = [sys.executable, "-m", "tfglue.train", "--task", "sst", "--data", "sample",
               "--epochs", "4"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # Our own tests set it; users do not.
    subprocess.run([*command, "--output", whole], check=True, capture_output=True)
    process = subprocess.Popen(
        [*command, "--output", stopped], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )
    for line in process.stdout:
        if line.startswith("epoch 1.00"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.startswith("interrupted: saved after update") and error.count("\n") == 1
    assert "--resume" in error
    subprocess.run(
        [sys.executable, "-m", "tfglue.train", "--output", stopped, "--resume"], check=True,
        capture_output=True,
    )
    assert run_folder_bytes(whole) == run_folder_bytes(stopped)


@pytest.mark.slow
def test_dev_examples_scores_on_some_rows_of_every_dev_split(tmp_path):
    settings = dict(task="sst", data="sample", max_steps=1, train_examples=16, batch_size=8)
    some = Run.train(settings, dev_examples=30, seed=1, output=str(tmp_path / "some"))
    more = Run.train(settings, dev_examples=60, seed=2, output=str(tmp_path / "more"))
    rows = {}
    for run in (some, more):
        manifest = yaml.safe_load((run.folder.path / "run.yaml").read_text())
        table = (run.folder.path / "predictions" / "sst" / "dev.tsv").read_text().splitlines()[1:]
        assert len(table) == manifest["data"]["sst"]["dev"]["rows"]
        rows[run.folder.path.name] = [line.split("\t")[0] for line in table]
    assert len(rows["some"]) == 30 and len(rows["more"]) == 60
    assert set(rows["some"]) < set(rows["more"])
    assert evaluate.main(["--run", str(some.folder.path), "--data", "sample"]) == 0


@pytest.mark.slow
def test_tune_split_scores_on_training_rows_and_evaluate_on_dev(tmp_path, capsys):
    settings = dict(task="mnli", data="sample", max_steps=1, dev_examples=20, balance=True)
    run = Run.train(settings, tune_split=0.1, output=str(tmp_path / "held"))
    assert "scored on 10 % of the training rows, held out" in capsys.readouterr().out
    plain = Run.train(settings, output=str(tmp_path / "plain"))
    assert set(run.metrics["mnli"]) == {"dev"}  # No dev_mismatched either.
    held, all_rows = (one.folder.manifest()["data"]["mnli"] for one in (run, plain))
    assert held["dev"]["digest"] != all_rows["dev"]["digest"]
    assert abs(held["train"]["rows"] - 0.9 * all_rows["train"]["rows"]) < 1
    # The command says it, and flags without a value as flags.
    command = run.folder.manifest()["command"]
    assert "--balance --" in command and "--tune_split 0.1" in command
    assert evaluate.main(["--run", str(tmp_path / "held")]) == 0
    found = json.loads((tmp_path / "held/evaluation.json").read_text())
    assert set(found["mnli"]) == {"dev", "dev_mismatched"}
    assert found["data"]["mnli"]["dev"]["rows"] > 20
