"""Distillation, smoothing and their kin from settings to run folders."""

import json
import os
import shutil
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfglue import Run, predict, tasks, teaching, train
from tfglue.config import TrainConfig
from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.sources import open_source
from tfglue.errors import UserError
from tfglue.kinds import KINDS
from tfglue.loss_terms import unsmoothed
from tfglue.run_folder import RunFolder
from tfglue.teachers import find_teachers
from tfglue.training.loop import Interrupted

SMALL = dict(task="sst", data="sample", train_examples=64, batch_size=16, epochs=1)
FILES = ("encoder.safetensors", "heads/sst.safetensors", "metrics.json")


def trained(output, **settings):
    lines = []
    from tfglue.experiment import train as run_train

    run = run_train({**SMALL, "output": str(output), **settings}, say=lines.append)
    return run.folder.path, lines


def file_bytes(folder, *more):
    return {name: (folder / name).read_bytes() for name in (*FILES, *more)}


@pytest.fixture(scope="module")
def teacher(sst_run, tmp_path_factory):
    """A copy of a finished run, since answers are kept beside teachers."""
    folder = tmp_path_factory.mktemp("teacher") / "run"
    shutil.copytree(sst_run.folder.path, folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain") / "run")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [dict(smart="inf:weight=0"), dict(smart="none"), dict(distill_weight=0.0, temperature=3.0),
     dict(word_dropout=0.0)],
)
def test_weight_zero_is_plain_training_bit_for_bit(tmp_path, plain, teacher, settings):
    if "distill_weight" in settings:
        settings = settings | {"teachers": str(teacher)}
    folder, _ = trained(tmp_path / "run", **settings)
    assert file_bytes(folder, "history.csv") == file_bytes(plain, "history.csv")


@pytest.mark.slow
def test_smoothing_is_in_the_history_and_its_cost_is_printed(tmp_path, plain):
    folder, lines = trained(tmp_path / "run", smart="l2:bound=0.3,step=0.3")
    header, *rows = (folder / "history.csv").read_text().splitlines()
    place = header.split(",").index("smoothing_loss")
    assert all(float(row.split(",")[place]) > 0 for row in rows)
    (cost,) = [line for line in lines if line.startswith("smoothing of sst, 16 rows")]
    assert "times as long" in cost and float(cost.split()[-4]) > 1
    assert file_bytes(folder) != file_bytes(plain)
    config = yaml.safe_load((folder / "run.yaml").read_text())["config"]
    assert config["smart"].startswith("l2:weight=1.0,bound=0.3,step=0.3")


@pytest.mark.slow
def test_a_teacher_answers_once_and_its_answers_are_kept_and_read(tmp_path, teacher):
    folder, lines = trained(tmp_path / "asked", teachers=str(teacher), max_steps=1,
                            train_examples=None)
    kept = teacher / "predictions/sst/train.tsv"
    assert any("answered" in line and f"kept in {kept}" in line for line in lines)
    asked = yaml.safe_load((folder / "run.yaml").read_text())
    # What `predict` writes is the same table, and is read in place of asking.
    kept.unlink()
    kept.with_suffix(".json").unlink()
    assert predict.main(["--run", str(teacher), "--split", "train"]) == 0
    folder, lines = trained(tmp_path / "read", teachers=str(teacher), max_steps=1,
                            train_examples=None)
    assert any(f"read from {kept}" in line for line in lines)
    read = yaml.safe_load((folder / "run.yaml").read_text())
    assert asked["teaching"] == read["teaching"] != {}
    # A table of its own does the same.
    table = tmp_path / "answers.tsv"
    shutil.copy(kept, table)
    folder, _ = trained(tmp_path / "table", teachers=str(table), max_steps=1, train_examples=None)
    assert yaml.safe_load((folder / "run.yaml").read_text())["teaching"] == read["teaching"]
    # Answers of other weights are not read.
    kept.write_text(kept.read_text().replace("0.", "0.0", 1))
    _, lines = trained(tmp_path / "again", teachers=str(teacher), max_steps=1)
    assert any("answered 64 rows" in line for line in lines)
    kept.unlink()
    kept.with_suffix(".json").unlink()


@pytest.mark.slow
def test_answers_to_the_whole_split_are_kept_where_rows_are_held_out(tmp_path, teacher):
    kept, soft = teacher / "predictions/sst/train.tsv", []
    for name, words in (("asked", f"kept in {kept}"), ("read", f"read from {kept}")):
        folder, lines = trained(tmp_path / name, teachers=str(teacher), max_steps=1,
                                tune_split=0.1, train_examples=None)
        assert any(words in line for line in lines)
        soft.append(load_file(folder / "teaching/sst.safetensors")["soft_targets"])
    rows = kept.read_text().splitlines()[1:]
    assert len(rows) == 1400 > len(soft[0]) and np.array_equal(*soft)
    source = HeldOutSource(open_source(tasks.get("sst"), "sample"), 0.1)
    own = set(source.read("train").ids)
    expected = [float(row.split("\t")[-1]) for row in rows if row.split("\t")[0] in own]
    assert np.allclose(soft[0][:, 1], expected, atol=1e-6)
    kept.unlink()
    kept.with_suffix(".json").unlink()
    # A part of the rows is answered alone, and not kept.
    _, lines = trained(tmp_path / "part", teachers=str(teacher), max_steps=1, tune_split=0.1)
    assert any("answered 64 rows" in line for line in lines) and not kept.exists()


@pytest.mark.slow
def test_restarts_go_on_without_their_teachers(tmp_path, teacher):
    source = tmp_path / "teacher"
    shutil.copytree(teacher, source)
    begun = dict(teachers=str(source), seeds=2, max_steps=1)
    whole, _ = trained(tmp_path / "whole", **begun)
    from tfglue.experiment import train as run_train

    output = tmp_path / "stopped"
    with pytest.raises(Interrupted):  # In the second run, whose teacher has answered by then.
        run_train({**SMALL, **begun, "output": str(output)}, callbacks=[Stopper(2)],
                  say=lambda line: None)
    shutil.rmtree(source)
    run_train({"output": str(output), "resume": True}, say=lambda line: None)
    for seed in ("0", "1"):
        own = [next(place.rglob(f"seeds/{seed}")) for place in (whole.parents[1], output)]
        assert file_bytes(own[0]) == file_bytes(own[1])


@pytest.mark.slow
def test_probabilities_of_several_teachers_are_averaged(tmp_path, teacher):
    names = [f"{teacher}@0", f"{teacher}@1"]
    folder, lines = trained(tmp_path / "run", teachers=",".join(names), temperature=2.0)
    soft = load_file(folder / "teaching/sst.safetensors")["soft_targets"]
    rows = [int(row) for row in (folder / "train_rows.txt").read_text().split()]
    from tfglue import tasks
    from tfglue.data.sources import open_source

    examples = open_source(tasks.get("sst"), "sample").read("train").take(np.array(rows))
    answers = []
    for name in names:
        run = Run.open(name)
        answers.append(run.answer(run.task(), examples).probabilities)
    assert np.allclose(soft, np.mean(answers, axis=0), atol=1e-6)
    assert any("temperature 2" in line and "distillation: sst" in line for line in lines)
    header = (folder / "history.csv").read_text().splitlines()[0]
    assert "distillation_loss" in header


class Stopper(keras.callbacks.Callback):
    """Sends this process a signal during one update."""

    def __init__(self, update):
        super().__init__()
        self.update = update

    def on_train_batch_end(self, batch, logs=None):
        self.update -= 1
        if self.update == 0:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_a_resumed_run_with_everything_ends_with_the_same_bytes(tmp_path, teacher):
    """Teachers, hidden states, smoothing, word dropout and batches by tokens at once."""
    from tfglue.experiment import train as run_train

    source = tmp_path / "teacher"
    shutil.copytree(teacher, source)
    settings = SMALL | dict(
        init=str(teacher), keep_layers="alternate:1", teachers=str(source), match_hidden=0.5,
        temperature=2.0, smart="inf:dropout=own", word_dropout=0.1, batch_tokens=256, accumulate=2,
        epochs=2, save="last",
    )
    del settings["batch_size"]
    whole = run_train(settings | {"output": str(tmp_path / "whole")}, say=lambda line: None)
    output = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        run_train(settings | {"output": str(output)}, callbacks=[Stopper(3)],
                  say=lambda line: None)
    assert set(load_file(output / "teaching/sst.safetensors")) == {"soft_targets", "teacher_states"}
    shutil.rmtree(source)  # A resumed run needs its teachers no more.
    run_train({"output": str(output), "resume": True}, say=lambda line: None)
    assert file_bytes(output, "history.csv") == file_bytes(whole.folder.path, "history.csv")
    assert set(load_file(output / "teaching/sst.safetensors")) == {"soft_targets"}
    header = (output / "history.csv").read_text().splitlines()[0].split(",")
    assert {"distillation_loss", "hidden_loss", "smoothing_loss"} <= set(header)
    assert Run.open(output).encoder.num_layers == 1


def test_what_goes_without_smoothing_is_said():
    tasks_of = {name: SimpleNamespace(task=tasks.get(name), kind=KINDS.get(tasks.get(name).kind))
                for name in ("sst", "ner", "stsb", "squad")}
    assert unsmoothed(TrainConfig(smart="inf"), tasks_of) == [
        "ner: no smoothing, it is of kind tag", "squad: no smoothing, it is of kind span",
    ]
    assert unsmoothed(TrainConfig(), tasks_of) == []


@pytest.mark.long
def test_several_tasks_some_of_them_with_a_teacher(tmp_path, teacher):
    folder, lines = trained(
        tmp_path / "run", task="sst,stsb", teachers=str(teacher), smart="inf", max_steps=4,
    )
    assert "stsb: no teacher answers it, so it is learned from its labels alone" in lines
    assert sum("times as long" in line for line in lines) == 2
    assert [path.stem for path in (folder / "teaching").iterdir()] == ["sst"]
    header = (folder / "history.csv").read_text().splitlines()[0].split(",")
    assert {"distillation_loss", "smoothing_loss", "train_loss.stsb"} <= set(header)


@pytest.mark.slow
def test_scores_are_learned_from_teachers_too(tmp_path):
    settings = dict(task="stsb", max_steps=2)
    folder, _ = trained(tmp_path / "teacher", **settings)
    student, lines = trained(tmp_path / "student", teachers=str(folder), **settings)
    assert any("mean squared error" in line for line in lines)
    assert load_file(student / "teaching/stsb.safetensors")["soft_targets"].shape == (64, 1)


def relabelled(teacher, tmp_path, labels):
    folder = tmp_path / "other"
    shutil.copytree(teacher, folder)
    content = yaml.safe_load((folder / "run.yaml").read_text())
    content["tasks"]["sst"]["labels"] = labels
    (folder / "run.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


@pytest.mark.slow
def test_a_teacher_with_other_labels_is_refused_and_another_order_is_not(tmp_path, teacher):
    other = relabelled(teacher, tmp_path / "a", ["bad", "good"])
    with pytest.raises(UserError, match="answers sst with bad, good, here it has negative, pos"):
        trained(tmp_path / "run", teachers=str(other))
    assert not (tmp_path / "run").exists()
    turned = relabelled(teacher, tmp_path / "b", ["positive", "negative"])
    found = [
        load_file(trained(tmp_path / name, teachers=str(folder), max_steps=0)[0]
                  / "teaching/sst.safetensors")["soft_targets"]
        for name, folder in (("as_it_is", teacher), ("turned", turned))
    ]
    assert np.array_equal(found[0], found[1][:, ::-1])


def test_a_teacher_of_other_texts_is_refused(tmp_path, teacher):
    manifest = yaml.safe_load((teacher / "run.yaml").read_text())
    manifest["tasks"]["sst"]["text_fields"] = ["headline"]
    shutil.copytree(teacher, tmp_path / "other")
    (tmp_path / "other" / "run.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    with pytest.raises(UserError, match="its sst reads headline, here it reads sentence; a teach"):
        find_teachers(str(tmp_path / "other"), [tasks.get("sst")])


@pytest.mark.slow
def test_answers_to_another_split_are_refused(tmp_path, teacher):
    for split in ("train", "dev"):
        assert predict.main(["--run", str(teacher), "--split", split, "--overwrite"]) == 0
    kept = teacher / "predictions" / "sst"
    with pytest.raises(UserError, match="a run's answers to its split dev, and a student learns"):
        find_teachers(str(kept / "dev.tsv"), [tasks.get("sst")])
    assert find_teachers(str(kept / "train.tsv"), [tasks.get("sst")])[0].run is None
    # A table of one's own is joined by its ids, whatever it is called.
    (tmp_path / "dev.tsv").write_bytes((kept / "dev.tsv").read_bytes())
    assert find_teachers(str(tmp_path / "dev.tsv"), [tasks.get("sst")])


def test_answers_of_all_tasks_are_in_the_folder_or_none(tmp_path, monkeypatch):
    targets = {"soft_targets": np.ones((2, 2), np.float32)}
    one = SimpleNamespace(features={"train": SimpleNamespace(targets=targets)})
    prepared = SimpleNamespace(teaching={"rte": "a", "sst": "b"}, tasks={"rte": one, "sst": one})
    write = teaching.write_tensors
    monkeypatch.setattr(
        teaching, "write_tensors",
        lambda path, *rest: pytest.fail() if path.stem == "sst" else write(path, *rest),
    )
    with pytest.raises(pytest.fail.Exception):
        teaching.write_teaching(prepared, RunFolder(tmp_path))
    assert not (tmp_path / "teaching").exists()
    monkeypatch.undo()
    teaching.write_teaching(prepared, RunFolder(tmp_path))
    assert sorted(path.stem for path in (tmp_path / "teaching").iterdir()) == ["rte", "sst"]


MISTAKES = [
    ("--task sst --teachers {teacher} {teacher}", "named twice"),
    ("--task stsb --teachers {teacher}", "answers sst, this run trains stsb"),
    ("--task ner --teachers {teacher}", "--teachers: does not apply, ner is of kind tag"),
    ("--task ner,squad --teachers {teacher}", "--teachers: does not apply"),
    ("--task sst --teachers nowhere", "--teachers nowhere: no such run or table"),
    ("--task sst --temperature 2", "--temperature goes with --teachers"),
    ("--task sst --match_hidden 1", "--match_hidden goes with --teachers"),
    ("--task sst --teachers {teacher} --temperature 0", "--temperature: must be above 0"),
    ("--task sst,rte --teachers {table}", "a table is of one task"),
    ("--task sst --teachers {table}", "no column id"),
    ("--task sst --teachers {teacher} --match_hidden 1 --encoder {wide}", "units"),
    ("--task sst --keep_layers bottom:3", "N from 1 to 2"),
    ("--task sst --keep_layers 3", "expected bottom:N or alternate:N"),
    ("--task sst --init {teacher} --init_parts all --keep_layers bottom:1 --head adapter_pooler",
     "what --init_parts all takes may not fit fewer layers; use --init_parts encoder"),
    ("--task sst --init {teacher} --init_parts encoder+adapters --keep_layers bottom:1",
     "adapters of all layers do not fit fewer; use --init_parts encoder"),
    ("--task rte --encoder {single}", "was made for one (type_vocab_size 1); begin with another"),
    ("--task sst --seeds 2 --resume --teachers nowhere", "--teachers nowhere: no such run"),
    ("--task sst --smart", "expected one argument"),
    ("--task sst --smart linf", "did you mean 'inf'"),
    ("--task ner --smart inf", "--smart: does not apply, ner is of kind tag"),
    ("--task sst --smart inf --head convolution:preset=xception_short", "train it without --smart"),
    ("--task sst --word_dropout 1", "--word_dropout: must be at most 0.99"),
    ("--task sst --batch_tokens 8", "--batch_tokens 8: a row of sst has"),
    ("--task sst --batch_tokens 100 --batch_size 8", "exclude each other"),
    ("--task sst --batch_tokens 100 --balance", "does not go with --balance"),
    ("--task sst --batch_tokens 100 --batching plain", "does not go with --batching plain"),
]


@pytest.mark.parametrize(("flags", "message"), MISTAKES)
def test_mistakes_get_one_line_before_training(tmp_path, capsys, teacher, flags, message):
    table = tmp_path / "table.tsv"
    table.write_text("label\n")
    wide = tmp_path / "wide"
    wide.mkdir()
    shutil.copy(teacher / "tokenizer/vocab.txt", wide)
    size = len((wide / "vocab.txt").read_text().splitlines())
    (wide / "config.json").write_text(json.dumps({
        "model_type": "bert", "vocab_size": size, "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 128,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
    }))
    single = tmp_path / "single"
    shutil.copytree(wide, single)
    config = (single / "config.json").read_text()
    (single / "config.json").write_text(config.replace('_size": 2,', '_size": 1,'))
    words = flags.format(teacher=teacher, table=table, wide=wide, single=single).split()
    output = tmp_path / "run"
    assert train.main([*words, "--data", "sample", "--output", str(output)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    assert not (output / "run.yaml").exists()


@pytest.mark.slow
def test_batches_by_tokens_are_said(tmp_path):
    settings = {name: value for name, value in SMALL.items() if name != "batch_size"}
    lines = []
    from tfglue.experiment import train as run_train

    run = run_train(settings | dict(batch_tokens=200, output=str(tmp_path / "run")),
                    say=lines.append)
    assert any("of rows of up to 200 tokens" in line for line in lines)
    manifest = yaml.safe_load((run.folder.path / "run.yaml").read_text())
    assert manifest["plan"] == "tokens.v1" and manifest["config"]["batch_size"] is None
