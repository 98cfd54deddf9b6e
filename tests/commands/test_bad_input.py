"""Mistakes of the user: one line on standard error, exit status 2, nothing lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfglue import evaluate, predict, train

HEADER = "index\tsentence1\tsentence2\tlabel"
GOOD = ["0\tA man eats.\tA man eats food.\tentailment", "1\tHe is in.\tHe left.\tnot_entailment"]


def fails(capsys, command, *argv) -> str:
    """Runs a command that must fail, and returns its one line."""
    assert command.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def rte_folder(tmp_path, rows, header=HEADER, dev=GOOD):
    folder = tmp_path / "RTE"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.tsv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "dev.tsv").write_text("\n".join([HEADER, *dev]) + "\n")
    return folder


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--task", "rtee"], "unknown task 'rtee'; did you mean 'rte'?"),
        (["--task", "rte", "--lerning_rate", "1"], "unknown flag '--lerning_rate'; did you mean "
         "'--learning_rate'?"),
        (["--task", "rte", "--encoder", "bert_base_en_uncasd"], "did you mean "
         "'bert_base_en_uncased'?"),
        (["--task", "rte", "--precision", "mixed_bfloat"], "did you mean 'mixed_bfloat16'?"),
        (["--task", "rte", "--freeze", "encodr"], "did you mean 'encoder'?"),
        (["--task", "rte", "--recipe", "stiltz"], "did you mean 'stilts'?"),
        (["--task", "rte", "--save", "bst"], "did you mean 'best'?"),
        (["--task", "rte", "--evaluate_every", "often"], "--evaluate_every: expected epoch"),
        (["--task", "rte", "--batch_size", "0"], "--batch_size: must be at least 1, not 0"),
        (["--task", "rte", "--batch_size", "8.5"], "--batch_size: expected a whole number"),
        (["--task", "rte", "--learning_rate", "-1"], "--learning_rate: must be above 0, not -1"),
        (["--task", "rte", "--learning_rate", "nan"], "--learning_rate: expected a number"),
        (["--task", "rte", "--weight_decay", "-0.1"], "--weight_decay: must be at least 0"),
        (["--task", "rte", "--epochs", "0"], "--epochs: must be above 0"),
        (["--task", "rte", "--max_length", "513"], "has 512 positions"),
        (["--task", "rte", "--max_length", "1"], "--max_length: must be at least"),
        (["--task", "rte", "--learning_rate"], "expected one argument"),
        (["--task", "rte", "extra"], "unexpected argument 'extra'"),
        (["--task", "rte,rte"], "rte is named twice"),
        (["--task", "ax"], "ax has no training data; train mnli"),
        ([], "--task is needed"),
        (["--task", "scitail", "--data", "tfds"], "scitail"),
        (["--task", "rte", "--data", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["--task", "rte", "--resume"], "--resume needs --output"),
        (["--train_file", "/no/such.csv"], "/no/such.csv: no such file"),
        (["--task", "rte", "--train_examples", "5", "--train_fraction", "0.5"], "exclude each"),
        (["--task", "rte", "--learning_rate", "-1e-5"], "--learning_rate: must be above 0"),
        (["--task", "rte", "--batch_size", "1" + "0" * 400], "expected a whole number"),
        (["--task", "rte", "--seed", "4294967296"], "at most 4294967295, not 4294967296"),
        (["--task", "rte", "--evaluate_every", "inf"], "--evaluate_every: expected epoch"),
        (["--task", "rte", "--save", "\u00b2"], "--save: unknown value"),
        (["--task", "rte", "--freeze", "layers:\u00b2"], "expected layers:N"),
        (["--task", "rte", "--dev_file", "x.csv"], "--dev_file goes with --train_file"),
        (["--task", "rte", "--text_fields", "x"], "--text_fields goes with --train_file"),
        (["--task", "rte", "--save", "50"], "there is no epoch 50; this run ends with 20"),
        (["--task", "rte", "--output", "/dev/null/x"], "--output"),
        (["--task", "rte", "--output", "x" * 300], "--output"),
        (["--task", "rte", "--data", "x" * 300], "x: "),
    ],
)
def test_wrong_flags(capsys, tmp_path, monkeypatch, argv, expected):
    monkeypatch.chdir(tmp_path)
    assert expected in fails(capsys, train, *argv)
    assert not (tmp_path / "saved_models").exists()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["0\tonly\tthree"], "train.tsv:2: expected 4 columns, found 3"),
        ([*GOOD, "2\ta\tb\tmaybe"], "train.tsv:4: unknown label 'maybe'"),
        ([], "train.tsv"),
    ],
)
def test_wrong_rows_are_named_by_file_and_line(capsys, tmp_path, rows, expected):
    folder = rte_folder(tmp_path, rows)
    assert expected in fails(capsys, train, "--task", "rte", "--data", folder)


def test_a_wrong_encoding_is_named_by_line(capsys, tmp_path):
    folder = rte_folder(tmp_path, GOOD)
    (folder / "dev.tsv").write_bytes((HEADER + "\n0\tcaf\xe9\tb\tentailment\n").encode("latin-1"))
    error = fails(capsys, train, "--task", "rte", "--data", folder)
    assert "dev.tsv:2: not UTF-8 (byte 0xe9)" in error


def test_a_score_that_is_no_number_is_named_by_line(capsys, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("text,label\na,1.5\nb,much\n")
    error = fails(capsys, train, "--train_file", path, "--kind", "regress")
    assert "mine.csv:3: score 'much' is not a number" in error


def test_missing_and_empty_files(capsys, tmp_path):
    folder = rte_folder(tmp_path, GOOD)
    (folder / "train.tsv").write_text("")
    assert "train.tsv" in fails(capsys, train, "--task", "rte", "--data", folder)
    (folder / "train.tsv").unlink()
    assert "train.tsv: no such file" in fails(capsys, train, "--task", "rte", "--data", folder)


def test_unknown_text_columns_show_those_found(capsys, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("review,stars\nfine,1\nbad,0\n")
    error = fails(capsys, train, "--train_file", path, "--label_field", "stars")
    assert "review, stars" in error and "--text_fields" in error


def test_an_output_that_exists_is_kept(capsys, sst_run):
    before = (sst_run.folder.path / "encoder.safetensors").read_bytes()
    error = fails(capsys, train, "--task", "sst", "--output", sst_run.folder.path)
    assert "--resume" in error and "--overwrite" in error
    assert (sst_run.folder.path / "encoder.safetensors").read_bytes() == before


def test_a_folder_that_is_no_run_is_never_overwritten(capsys, tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    error = fails(capsys, train, "--task", "sst", "--output", tmp_path, "--overwrite")
    assert "is not a run" in error
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_resuming_with_other_settings_says_which(capsys, sst_run):
    error = fails(capsys, train, "--task", "sst", "--output", sst_run.folder.path, "--resume",
                  "--batch_size", "7", "--epochs", "1")
    assert "batch_size was 32, now 7" in error and "epochs" not in error


def test_a_checkpoint_without_a_tensor_is_refused(capsys, tmp_path):
    from safetensors.numpy import load_file, save_file

    source = Path(__file__).parents[1] / "reference" / "small_bert"
    folder = shutil.copytree(source, tmp_path / "bert")
    tensors = load_file(folder / "model.safetensors")
    removed = next(name for name in tensors if "attention.self.query.weight" in name)
    tensors.pop(removed)
    save_file(tensors, folder / "model.safetensors")
    error = fails(capsys, train, "--task", "sst", "--encoder", folder, "--max_length", "16")
    assert removed.removeprefix("bert.") in error and "missing" in error


@pytest.mark.parametrize("command", [evaluate, predict])
def test_a_folder_that_is_no_run(capsys, tmp_path, command):
    more = ["--split", "dev"] if command is predict else []
    assert "not a run folder" in fails(capsys, command, "--run", tmp_path, *more)
    assert "not a run folder" in fails(capsys, command, "--run", tmp_path / "absent", *more)


def test_a_run_of_another_task(capsys, sst_run):
    error = fails(capsys, evaluate, "--run", sst_run.folder.path, "--task", "rte")
    assert "a run of sst, not of 'rte'" in error


@pytest.fixture
def copied_run(sst_run, tmp_path):
    return shutil.copytree(sst_run.folder.path, tmp_path / "run")


def test_a_run_with_another_vocabulary(capsys, copied_run):
    path = copied_run / "tokenizer" / "vocab.txt"
    lines = path.read_text().split("\n")
    lines[-2] = "##changed"
    path.write_text("\n".join(lines))
    assert "not the vocabulary" in fails(capsys, evaluate, "--run", copied_run)


def test_a_run_with_damaged_or_missing_weights(capsys, copied_run):
    (copied_run / "heads" / "sst.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0damage!!")
    assert "cannot be read as safetensors" in fails(capsys, evaluate, "--run", copied_run)
    (copied_run / "heads" / "sst.safetensors").unlink()
    assert "no such file" in fails(capsys, evaluate, "--run", copied_run)


def test_an_unfinished_run_says_how_to_go_on(capsys, copied_run):
    path = copied_run / "run.yaml"
    path.write_text(path.read_text().replace("status: complete", "status: training"))
    assert "--resume" in fails(capsys, evaluate, "--run", copied_run)


def test_an_epoch_that_was_not_kept(capsys, sst_run):
    error = fails(capsys, evaluate, "--run", f"{sst_run.folder.path}@7")
    assert "kept no weights of epoch 7" in error


@pytest.mark.parametrize(
    ("content", "expected"),
    [("", "empty"), ("good\nbad\tpair\n", ":2: expected sentence, found 2"), ("a\n\n", ":2:")],
)
def test_wrong_input_to_predict(capsys, tmp_path, sst_run, content, expected):
    path = tmp_path / "texts.txt"
    path.write_text(content)
    error = fails(capsys, predict, "--run", sst_run.folder.path, "--input", path)
    assert str(path) in error and expected in error


def test_predict_needs_one_source(capsys, sst_run):
    run = ["--run", sst_run.folder.path]
    assert "either --input" in fails(capsys, predict, *run)
    assert "either --input" in fails(capsys, predict, *run, "--input", "-", "--split", "dev")
    assert "has no split 'tset'; did you mean 'test'" in fails(
        capsys, predict, *run, "--split", "tset"
    )


def test_a_recipe_with_a_wrong_key_or_value(capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    for content, expected in (
        ("batchsize: 3", "unknown key 'batchsize'; did you mean 'batch_size'?"),
        ("batch_size: many", "batch_size: expected a whole number, not 'many'"),
        ("tasks: {sst: {epochs: -1}}", "epochs: must be above 0"),
        ("output: x", "'output' belongs on the command line"),
        ("a: [", "mine.yaml:1: not valid YAML"),
        ("- a", "expected settings"),
        ("tasks: [a]", "tasks: expected settings"),
        ("tasks: {sst: 3}", "tasks: sst: expected settings"),
        ("1: 2", "unknown key '1'"),
        ("seed: 2020-13-45", "not valid YAML"),
        ("data: /nonexistent", "'data' belongs on the command line"),
        ("qnli_version: 1", "'qnli_version' belongs on the command line"),
        ("labels: tags.txt", "'labels' belongs on the command line"),
        ("tasks: {squad: {negatives: 'true'}}", "'negatives' belongs on the command line"),
    ):
        path.write_text(content)
        assert expected in fails(capsys, train, "--task", "sst", "--recipe", path)


def test_a_file_called_main_or_with_a_tab_in_an_id(capsys, tmp_path):
    path = tmp_path / "main.csv"
    path.write_text("text,label\na,1\nb,0\n")
    assert "is not 'main'" in fails(capsys, train, "--train_file", path)
    path = tmp_path / "mine.csv"
    path.write_text('id,text,label\n1,a,1\n"3\t",b,0\n')
    assert "mine.csv:3: id" in fails(capsys, train, "--train_file", path)


def test_mismatched_dev_alone_is_not_enough(capsys, tmp_path):
    folder = tmp_path / "MNLI"
    folder.mkdir()
    header = "sentence1\tsentence2\tgold_label\n"
    for name in ("train.tsv", "dev_mismatched.tsv"):
        (folder / name).write_text(header + "a\tb\tneutral\n")
    assert "dev_matched.tsv" in fails(capsys, train, "--task", "mnli", "--data", folder)


def test_predictions_and_other_files_are_not_replaced_unasked(capsys, sst_run, tmp_path):
    run = f"{sst_run.folder.path}"
    kept = sst_run.folder.predictions("sst", "dev").with_suffix(".tsv")
    before = kept.read_bytes()
    assert predict.main(["--run", f"{run}@0", "--split", "dev"]) == 0
    assert (sst_run.folder.epoch(0) / "predictions/sst/dev.tsv").exists()
    assert predict.main(["--run", run, "--split", "dev"]) == 0
    assert kept.read_bytes() == before
    capsys.readouterr()
    path = tmp_path / "precious.tsv"
    path.write_text("mine")
    more = ["--split", "dev", "--output", path]
    assert "add --overwrite" in fails(capsys, predict, "--run", run, *more)
    assert "is a folder" in fails(capsys, evaluate, "--run", run, "--output", tmp_path)
    assert path.read_text() == "mine"
    assert "did you mean 'json'" in fails(capsys, predict, "--run", run, *more[:2], "--format",
                                          "jsn")


def test_a_folder_that_another_process_trains_into(capsys, tmp_path):
    from tfglue.folder_lock import locked

    with locked(tmp_path / "run"):
        error = fails(capsys, train, "--task", "sst", "--max_steps", "0", "--output",
                      tmp_path / "run")
    assert "another process is training" in error


def test_an_incomplete_run_yaml(capsys, copied_run):
    (copied_run / "run.yaml").write_text("format: tfglue.run.v1\n")
    assert "run.yaml: 'status' is missing" in fails(capsys, evaluate, "--run", copied_run)


@pytest.mark.slow
@pytest.mark.parametrize("words", [
    ["-m", "tfglue.train", "--task", "rtee"],
    pytest.param(["-m", "tfglue.train", "--task", "sst", "--max_length", "600"],
                 marks=pytest.mark.long),
    ["-m", "tfglue.train", "--task", "sst", "--learning_rate", "50", "--warmup", "0",
     "--weight_decay", "1e9", "--output", "diverges"],
    pytest.param(["-m", "tfglue.evaluate", "--run", "absent"], marks=pytest.mark.long),
    pytest.param(["-m", "tfglue.predict", "--run", "absent", "--input", "absent"],
                 marks=pytest.mark.long),
    ["-m", "data_prep.verify", "absent"],
])
def test_a_process_says_one_line_and_nothing_else(tmp_path, words):
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # Our own tests set it; users do not.
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, text=True, capture_output=True, env=environment
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr


def test_broken_json_metrics_are_named(sst_run, copied_run):
    from tfglue import Run, UserError

    (copied_run / "metrics.json").write_text(json.dumps({"sst": 1})[:-1])
    with pytest.raises(UserError, match=r"metrics\.json:1: not valid JSON"):
        _ = Run.open(copied_run).metrics
