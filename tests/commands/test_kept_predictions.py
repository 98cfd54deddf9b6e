"""Predictions that a run keeps: submitted again for the same texts and weights alone."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.leaderboard_runs import answers, content, fails, submitted, write_rows
from tfglue import predict, tasks
from tfglue.data.sources import open_source
from tfglue.kept_predictions import KeptPredictions
from tfglue.run import Run


def test_predictions_of_other_texts_are_not_submitted(capsys, glue, copied, tmp_path):
    wnli, out = copied("wnli"), tmp_path / "out"
    columns = tasks.get("wnli").text_fields
    other = tmp_path / "other" / "WNLI"
    write_rows(other / "test.tsv", columns, 146, seed=1)
    submitted(capsys, "--runs", wnli, "--data", other, "--output", tmp_path / "others")
    kept = wnli / "predictions" / "wnli" / "test.tsv"
    shown = submitted(capsys, "--runs", wnli, "--data", glue, "--output", out)
    assert f"WNLI.tsv: {kept} answers other texts; predicted anew" in shown
    expected = Run.open(wnli).answer(
        tasks.get("wnli"), open_source(tasks.get("wnli"), str(glue)).read("test", labelled=False)
    )
    assert kept.read_text() == expected.text()
    assert answers(out, "WNLI.tsv") == [
        str(tasks.get("wnli").labels.index(record["label"])) for record in expected.records()
    ]
    assert f"uses {kept}" in submitted(capsys, "--runs", wnli, "--data", glue, "--output", out)


def no_note(run: Path) -> None:
    (run / "predictions/wnli/test.json").unlink()


def damaged_note(run: Path) -> None:
    (run / "predictions/wnli/test.json").write_text("[1]")


def other_predictions(run: Path) -> None:
    path = run / "predictions/wnli/test.tsv"
    header, *rows = path.read_text().splitlines()
    rows = ["\t".join([row.split("\t")[0], "entailment", "0.25", "0.75"]) for row in rows]
    path.write_text("\n".join([header, *rows]) + "\n")


def other_weights(run: Path) -> None:
    path = run / "heads" / "wnli.safetensors"
    save_file({name: -value for name, value in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("change", "objection"),
    [
        (no_note, "has no note of what it answers (test.json)"),
        (damaged_note, "has a damaged note (test.json)"),
        (other_predictions, "is not the file that test.json speaks of"),
        (other_weights, "is of other weights"),
    ],
)
def test_what_a_run_keeps_is_predicted_anew_where_it_is_not_of_this_run(
    capsys, glue, copied, tmp_path, change, objection
):
    wnli = copied("wnli")
    submitted(capsys, "--runs", wnli, "--data", glue, "--output", tmp_path / "before")
    change(wnli)
    shown = submitted(capsys, "--runs", wnli, "--data", glue, "--output", tmp_path / "out")
    kept = wnli / "predictions" / "wnli" / "test.tsv"
    assert f"WNLI.tsv: {kept} {objection}; predicted anew" in shown
    assert " rows by " in shown
    same = answers(tmp_path / "out", "WNLI.tsv") == answers(tmp_path / "before", "WNLI.tsv")
    assert same == (change is not other_weights)


def test_predictions_that_predict_made_are_submitted(capsys, glue, copied, tmp_path):
    wnli = copied("wnli")
    assert predict.main(["--run", str(wnli), "--data", str(glue), "--split", "test"]) == 0
    shown = submitted(capsys, "--runs", wnli, "--data", glue, "--output", tmp_path / "out")
    assert f"uses {wnli}/predictions/wnli/test.tsv" in shown


def test_a_run_without_the_weights_that_predicted_is_an_error(capsys, glue, copied, tmp_path):
    wnli = copied("wnli")
    submitted(capsys, "--runs", wnli, "--data", glue, "--output", tmp_path / "before")
    (wnli / "encoder.safetensors").unlink()
    words = ("--runs", wnli, "--data", glue, "--output", tmp_path / "out")
    assert "encoder.safetensors: no such file" in fails(capsys, *words)


def test_training_notes_what_its_predictions_answer(trained):
    run = trained("wnli")
    examples = open_source(tasks.get("wnli"), "sample").read("dev", labelled=False)
    assert KeptPredictions(run).objection("wnli", "dev", examples) == ""
    fewer = examples.take(np.arange(len(examples) - 1))
    assert KeptPredictions(run).objection("wnli", "dev", fewer) == "answers other texts"


def test_corrupted_predictions_name_the_line_and_the_mend(capsys, glue, copied, tmp_path):
    wnli, out = copied("wnli"), tmp_path / "out"
    words = ("--runs", wnli, "--data", glue, "--output", out)
    submitted(capsys, *words)
    whole = content(out)
    path = wnli / "predictions" / "wnli" / "test.tsv"
    path.write_text(path.read_text()[:-30])
    error = fails(capsys, *words)
    assert f"{path}:147: " in error and "delete the file, or add --overwrite" in error
    assert content(out) == whole
    submitted(capsys, *words, "--overwrite")
    assert content(out) == whole
    assert path.read_text().count("\n") == 147


def test_a_kept_epoch_is_submitted_from_its_own_folder(capsys, glue, copied, tmp_path):
    wnli = copied("wnli")
    submitted(capsys, "--runs", f"{wnli}@0", "--data", glue, "--output", tmp_path / "out")
    assert (wnli / "epochs" / "0" / "predictions" / "wnli" / "test.tsv").is_file()
    assert not (wnli / "predictions" / "wnli" / "test.tsv").exists()
