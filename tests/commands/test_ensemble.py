"""Ensembles from the command line: runs, copies, tasks of runs, heads on stores, mistakes."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file
from scipy.special import softmax

from data_prep import activations
from tests.scored_runs import write_run
from tfglue import ensemble, tasks
from tfglue.data.sources import open_source
from tfglue.run import Run

SMALL_BERT = str(Path(__file__).parents[1] / "reference" / "small_bert")


def combined(output, *argv, status=0):
    """Runs the command, which must succeed; returns ``metrics.json``."""
    words = [str(word) for word in argv]
    assert ensemble.main(["--output", str(output), "--runs", *words]) == status
    return json.loads((output / "metrics.json").read_text())


def changed_copy(run, path, task, by=1.0, seed=0):
    """A copy of a run whose head of a task has other weights."""
    shutil.copytree(run, path)
    head = path / "heads" / f"{task}.safetensors"
    random = np.random.default_rng(seed)
    weights = {name: value + by * random.normal(size=value.shape).astype(value.dtype)
               for name, value in load_file(head).items()}
    save_file(weights, head)
    return path


def answers(run, task, split="dev"):
    """What a run says of a split of the sample."""
    opened = Run.open(run)
    return opened.answer(opened.task(task), open_source(tasks.get(task), "sample").read(split))


def test_a_run_and_its_copy_score_as_the_run(sst_run, tmp_path, capsys):
    copy = changed_copy(sst_run.folder.path, tmp_path / "copy", "sst", by=0)
    output = tmp_path / "out"
    metrics = combined(output, sst_run.folder.path, copy, "--mode", "max")
    own = sst_run.metrics["sst"]["dev"]
    assert metrics["sst"]["dev"] == pytest.approx(own, abs=1e-6)
    assert metrics["ensemble"]["members"][str(copy)] == pytest.approx(own, abs=1e-6)
    ours = (output / "predictions" / "sst" / "dev.tsv").read_text().splitlines()
    theirs = sst_run.folder.predictions("sst", "dev").with_suffix(".tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in ours] == [line.split("\t")[:2] for line in theirs]
    printed = capsys.readouterr().out
    assert printed.count("204 examples") == 3 and "against the best member" in printed


@pytest.mark.slow
def test_an_ensemble_is_replaced_whole_and_only_if_asked(sst_run, tmp_path, capsys):
    path, output = sst_run.folder.path, tmp_path / "out"
    file = tmp_path / "mine.csv"
    file.write_text("sentence,label\na warm film,positive\na dull film,negative\n")
    runs = [str(path), f"{path}@0"]
    output.mkdir()  # An empty folder is free.
    metrics = combined(output, *runs, "--input", file)
    assert metrics["ensemble"]["rows"] == 2 and set(metrics["sst"]) == {"input"}
    capsys.readouterr()
    argv = ["--runs", *runs, "--output", str(output)]
    assert ensemble.main(argv) == 2
    assert "holds an ensemble; add --overwrite" in capsys.readouterr().err
    # Without labels there are predictions, and nothing of what stood there is left.
    metrics = combined(output, *runs, "--split", "test", "--overwrite")
    assert metrics["sst"] == {} and "no labels" in capsys.readouterr().out
    assert len((output / "predictions" / "sst" / "test.tsv").read_text().splitlines()) == 91
    assert {entry.name for entry in output.iterdir()} == {"metrics.json", "predictions"}
    (output / "metrics.json").write_text("{}")
    assert ensemble.main([*argv, "--overwrite"]) == 2
    assert "exists and is no ensemble" in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.csv", "out"]


@pytest.mark.slow
def test_probabilities_of_runs_are_combined(sst_run, tmp_path):
    path = sst_run.folder.path
    runs = [path, changed_copy(path, tmp_path / "other", "sst", by=3.0)]
    head = runs[1] / "heads" / "sst.safetensors"
    weights, logits = load_file(head), answers(runs[1], "sst").outputs.logits
    # What is hardly trained gives all rows one class; here each gets half of them.
    weights["dense.bias"] -= np.median(logits - logits.mean(axis=1, keepdims=True), axis=0)
    save_file(weights, head)
    metrics = combined(tmp_path / "out", *runs, "--mode", "max", "--data", "sample")
    members = [answers(run, "sst") for run in runs]
    highest = np.max([softmax(one.outputs.logits, axis=1) for one in members], axis=0)
    labels = members[0].examples.labels
    assert metrics["sst"]["dev"]["accuracy"] == np.mean(highest.argmax(axis=1) == labels)
    right = np.array([one.outputs.logits.argmax(axis=1) == labels for one in members])
    assert 0 < right[1].sum() < len(labels) and np.any(right[0] & ~right[1])
    for row, run in enumerate(runs):
        alone = right[row] & (right.sum(axis=0) == 1)
        assert metrics["ensemble"]["right_answers"]["only"][str(run)]["examples"] == alone.sum()
    with (tmp_path / "out" / "errors.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == members[0].examples.ids
    assert [row[f"{runs[1]}: right"] for row in rows] == [str(int(own)) for own in right[1]]


def test_a_run_with_damaged_weights_is_named(sst_run, tmp_path, capsys):
    copy = changed_copy(sst_run.folder.path, tmp_path / "copy", "sst")
    head = copy / "heads" / "sst.safetensors"
    head.write_bytes(head.read_bytes()[:40])
    assert ensemble.main(["--runs", str(sst_run.folder.path), str(copy), "--output",
                          str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert f"{head}: cannot be read as safetensors" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def edited(path, change):
    """Changes ``run.yaml`` in place."""
    manifest = yaml.safe_load((path / "run.yaml").read_text())
    change(manifest)
    (path / "run.yaml").write_text(yaml.safe_dump(manifest))
    return str(path)


def setting(**values):
    return lambda manifest: manifest["config"].update(values)


def mistakes(tmp_path):
    """Arguments after ``--output``, and what the one line of error says."""
    def run(name, task="rte", **options):
        return write_run(tmp_path / name, task, {"accuracy": 0.6}, **options)

    def of_task(task, **changes):
        return lambda manifest: manifest["tasks"][task].update(changes)

    rte, again = str(run("rte")), str(run("again"))
    sst, near, nearer = str(run("sst", "sst")), str(run("near", "stsb")), str(run("far", "stsb"))
    asked, same = str(run("asked", "squad2")), str(run("same", "squad2"))
    both = [edited(run(name), lambda m: m["tasks"].update(sst=m["tasks"]["rte"] | {"name": "sst"}))
            for name in ("both", "both2")]
    yield ["--runs"], "expected at least one argument"
    yield [], "required: --runs"
    yield ["--runs", rte], "an ensemble takes two runs or more"
    yield ["--runs", rte, "ensemble"], "write ./ensemble"
    yield ["--runs", rte, again, rte], f"{rte}: the same run twice"
    yield ["--runs", rte, f"{tmp_path}/sst/../rte"], "sst/../rte: the same run twice"
    yield ["--runs", rte, sst], "rte answers rte, "
    yield ["--runs", rte, sst, "--task", "rte"], "sst: a run of sst, not of 'rte'"
    yield ["--runs", rte, again, "--task", "rtee"], "unknown task 'rtee'; did you mean 'rte'"
    yield ["--runs", *both], "--task is needed: all of these runs answer rte, sst"
    yield ["--runs", rte, again, "--mode", "meen"], "'meen'; did you mean 'mean'? (expected one of"
    yield ["--runs", near, nearer, "--mode", "max"], "--mode max: the highest of several scores"
    yield ["--runs", near, nearer, "--mode", "sum"], "--mode sum: a sum of scores is not"
    yield ["--runs", rte, str(tmp_path / "nowhere")], "nowhere: not a run folder"
    yield ["--runs", rte, f"{again}@3"], "this run kept no weights of epoch 3"
    yield ["--runs", rte, str(run("half", status="training"))], "half: this run is not finished"
    cut = run("cut")
    (cut / "run.yaml").write_text("format: tfglue.run.v1\nconfig: [")
    yield ["--runs", rte, str(cut)], "cut/run.yaml:2: not valid YAML"
    yield (["--runs", rte, edited(run("kind"), of_task("rte", kind="regress", labels=[],
                                                       file_labels=[]))],
           "are of different kinds of task (classify, regress)")
    yield (["--runs", rte, edited(run("turned"), lambda m: m["tasks"]["rte"]["labels"].reverse())],
           "turned answer rte with different labels, or in another order (entailment, not_entailm")
    for name, value in (("max_length", 99), ("doc_stride", 7), ("max_query_length", 9)):
        yield (["--runs", asked, edited(run(name, "squad2"), setting(**{name: value}))],
               f"different windows (--{name} ")
    yield (["--runs", asked, edited(run("words", "squad2"), lambda m: m["tokenizer"].update(
        digest="1"))], "different windows (their vocabularies differ)")
    yield (["--runs", asked, edited(run("every", "squad2"), setting(negatives="false"))],
           "differ in whether questions may have no answer")
    yield (["--runs", asked, same, "--input", str(tmp_path / "no.json")], "no.json: no such file")
    folder = tmp_path / "data" / "RTE"
    folder.mkdir(parents=True)
    (folder / "dev.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n")
    yield (["--runs", rte, edited(run("elsewhere"), setting(data=str(folder)))],
           "elsewhere do not have the same dev of rte (204 rows from ")
    yield ["--runs", rte, again, "--split", "tset"], "no split 'tset'; did you mean 'test'"
    yield ["--runs", rte, again, "--data", "smaple"], "did you mean 'sample'"
    yield (["--runs", rte, again, "--data", "sample", "--input", "x.csv"],
           "--data and --input exclude each other")
    yield ["--runs", rte, again, "--output", rte], "rte exists and is no ensemble"
    (tmp_path / "around").mkdir()
    (tmp_path / "around" / "metrics.json").write_text(
        '{"ensemble": {"format": "tfglue.ensemble.v1"}}'
    )
    inside = str(run("around/run"))
    yield (["--runs", rte, inside, "--output", str(tmp_path / "around"), "--overwrite"],
           f"holds the run {inside}; name another")
    (tmp_path / "file").write_text("")
    yield ["--runs", rte, again, "--output", str(tmp_path / "file")], "nothing can be written under"
    yield ["--runs", rte, again, "--output", "x" * 300], "--output x"
    yield ["--runs", rte, again, "--modes", "max"], "'--modes'; did you mean '--mode'?"


def test_mistakes_get_one_line(tmp_path, capsys):
    for argv, message in mistakes(tmp_path):
        assert ensemble.main(["--output", str(tmp_path / "out"), *argv]) == 2, message
        captured = capsys.readouterr()
        assert message in captured.err, captured.err
        assert captured.err.count("\n") == 1 and not captured.out
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A run of several tasks with adapters, a few updates old, that keeps each task's best."""
    output = tmp_path_factory.mktemp("several") / "run"
    Run.train(task="ner,squad2", data="sample", adapter="houlsby:size=4", max_steps=3,
              train_examples=24, dev_examples=8, batch_size=8, save="best_by_task",
              output=str(output))
    return output


@pytest.mark.long
@pytest.mark.parametrize(("task", "mode"), [("ner", "mean"), ("squad2", "max")])
def test_tasks_of_a_run_with_adapters(several, tmp_path, task, mode):
    best, other = f"{several}@{task}", changed_copy(several, tmp_path / "other", task, by=0.3)
    output = tmp_path / "out"
    metrics = combined(output, best, other, "--mode", mode)
    found = answers(best, task).combined([answers(other, task)], mode)
    assert {k: v for k, v in metrics[task]["dev"].items() if k != "loss"} == found.metrics()
    place = output / "predictions" / task / "dev"
    for name, text in found.files().items():
        assert Path(f"{place}{name}").read_text() == text
    assert (output / "second_best.json").exists() == (task == "squad2")


@pytest.mark.slow
def test_a_head_on_a_store_and_its_encoder_run(tmp_path):
    """BERTVision's ensemble."""
    short = dict(task="rte", data="sample", train_examples=48, batch_size=8, max_length=32,
                 dev_examples=8)
    run, store, head = (tmp_path / name for name in ("run", "store", "head"))
    Run.train(short, encoder=SMALL_BERT, max_steps=2, output=str(run))
    assert activations.main(["--run", str(run), "--output", str(store), "--splits",
                             "train,dev"]) == 0
    Run.train(short, activations=str(store), head="adapter_pooler:size=5", learning_rate=0.05,
              epochs=1, output=str(head))
    metrics = combined(tmp_path / "out", head, run, "--mode", "max")
    own = [softmax(answers(one, "rte").outputs.logits, axis=1) for one in (head, run)]
    assert not np.allclose(*own, atol=1e-3)
    labels = open_source(tasks.get("rte"), "sample").read("dev").labels
    expected = np.mean(np.max(own, axis=0).argmax(axis=1) == labels)
    assert metrics["rte"]["dev"]["accuracy"] == expected
