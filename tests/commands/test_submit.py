"""From runs to a submission: whole, in parts, again; what is wrong is one line."""

import json
import shutil
import zipfile

import pytest

from tests.leaderboard_runs import answers, content, fails, predicted, submitted, write_rows
from tfglue import submit, tasks, train
from tfglue.diagnostic import CATEGORIES
from tfglue.run import Run
from tfglue.submission import HEADER, ZIP, leaderboard, write_submission
from tfglue.submission_check import problems


@pytest.mark.slow
def test_runs_become_a_submission_that_is_completed_later(capsys, glue, copied, tmp_path):
    mnli, stsb, out = copied("mnli"), copied("stsb"), tmp_path / "out"
    shown = submitted(capsys, "--runs", mnli, "--data", glue, "--output", out)
    assert sorted(content(out)) == ["AX.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", ZIP]
    assert "missing: CoLA.tsv, MRPC.tsv, QNLI.tsv, QQP.tsv" in shown
    assert "total: 20,750 lines" in shown and "(whole: 426,320)" in shown
    assert problems(out, whole=False) == []

    # What the run keeps is what `predict` would say, and what is submitted.
    opened = Run.open(mnli)
    rows = [
        tuple(line.split("\t")[1:])
        for line in (glue / "MNLI" / "test_mismatched.tsv").read_text().splitlines()[1:51]
    ]
    expected = [record["label"] for record in opened.predict(rows)]
    assert answers(out, "MNLI-mm.tsv")[:50] == expected
    kept = (mnli / "predictions" / "ax" / "test.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in kept[1:]] == answers(out, "AX.tsv")

    before = content(out)
    shown = submitted(capsys, "--runs", stsb, "--data", glue, "--wnli", "majority", "--output", out)
    after = content(out)
    assert sorted(set(after) - set(before)) == ["STS-B.tsv", "WNLI.tsv"]
    assert all(after[name] == before[name] for name in before if name != ZIP)
    assert answers(out, "WNLI.tsv") == ["0"] * 146
    assert all(0 <= float(score) <= 5 for score in answers(out, "STS-B.tsv"))
    assert f"total: {20750 + 1380 + 147:,} lines" in shown
    with zipfile.ZipFile(out / ZIP) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: data for name, data in after.items() if name != ZIP
        }

    # In one go, and once more: the same bytes, from the predictions that were kept.
    together = tmp_path / "together"
    words = ["--runs", stsb, mnli, "--data", glue, "--wnli", "majority", "--output"]
    shown = submitted(capsys, *words, together)
    assert shown.count("uses ") == 4 and " rows by " not in shown
    assert content(together) == after
    assert submitted(capsys, *words, together).count("as it was") == 5


def test_other_answers_replace_a_file_only_when_asked(capsys, glue, copied, tmp_path):
    wnli, out = copied("wnli"), tmp_path / "out"
    write_submission(out, {"WNLI.tsv": leaderboard()["WNLI.tsv"].text(["0", "1"] * 73)}, False)
    before = content(out)
    words = ("--runs", wnli, "--data", glue, "--output", out)
    assert "WNLI.tsv: holds other answers" in fails(capsys, *words)
    assert content(out) == before
    submitted(capsys, *words, "--overwrite")
    assert answers(out, "WNLI.tsv") != ["0", "1"] * 73
    assert problems(out, whole=False) == []


def test_a_zip_of_other_files_is_made_anew_only_when_asked(capsys, tmp_path):
    majority = leaderboard()["WNLI.tsv"].majority_text()
    write_submission(tmp_path, {"WNLI.tsv": majority}, False)
    zipped = (tmp_path / ZIP).read_bytes()
    (tmp_path / "WNLI.tsv").write_text(majority.replace("\t0", "\t1"))
    assert "'WNLI.tsv' differs from the file" in fails(capsys, "--output", tmp_path)
    assert (tmp_path / ZIP).read_bytes() == zipped
    submitted(capsys, "--output", tmp_path, "--overwrite")
    assert problems(tmp_path, whole=False) == []


@pytest.mark.slow
def test_the_diagnostic_set_is_optional_and_its_absence_is_said(capsys, glue, copied, tmp_path):
    mnli = copied("mnli")
    data = tmp_path / "MNLI"
    shutil.copytree(glue / "MNLI", data)
    for split in ("test", "test_mismatched"):
        predicted(mnli, "mnli", split, data)
    shown = submitted(capsys, "--runs", mnli, "--data", data, "--output", tmp_path / "out")
    assert "AX.tsv: not answered: --data" in shown and "no folder of task 'ax'" in shown
    assert not (tmp_path / "out" / "AX.tsv").exists()


@pytest.mark.slow
def test_labelled_diagnostics_give_scores_by_category(capsys, copied, glue, tmp_path):
    out, gold = tmp_path / "out", tmp_path / "gold.tsv"
    labels = tasks.get("ax").labels
    answer = [labels[n % 3] for n in range(1104)]
    write_submission(out, {"AX.tsv": leaderboard()["AX.tsv"].text(answer)}, False)
    rows = [
        "\t".join(["", "", "Negation;Conditionals" if n < 600 else "", "", label])
        for n, label in enumerate(answer)
    ]
    gold.write_text("\n".join(["\t".join([*CATEGORIES, "Label"]), *rows]) + "\n")
    shown = submitted(capsys, "--ax_labels", gold, "--output", out)
    assert "Logic" in shown and "600 rows   1.0000" in shown
    report = json.loads((out / "ax_categories.json").read_text())
    assert report["Logic"]["fine"]["Negation"] == {"rows": 600, "matthews_correlation": 1.0}
    assert (out / "ax_categories.csv").read_text().startswith("category,fine,rows,matthews")
    assert problems(out, whole=False) == []
    assert submitted(capsys, "--output", out).count("as it was") == 1
    # The report is of this AX.tsv; another one makes it false.
    words = ["--runs", copied("mnli"), "--data", glue, "--output", out, "--overwrite"]
    assert "ax_categories.json: of another AX.tsv" in fails(capsys, *words)


def test_validate_prints_every_problem_and_ends_with_status_2(capsys, tmp_path):
    write_submission(tmp_path, {"WNLI.tsv": leaderboard()["WNLI.tsv"].majority_text()}, False)
    (tmp_path / "WNLI.tsv").write_text("index\tprediction\n0\t2\n")
    assert submit.main(["--validate", str(tmp_path)]) == 2
    out, error = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f"{tmp_path}/WNLI.tsv:2: unknown label '2', expected 0, 1"
    assert lines[1] == f"{tmp_path}/WNLI.tsv:2: 1 rows, expected 146"
    assert lines[-1] == f"{tmp_path}/{ZIP}: 'WNLI.tsv' differs from the file in the folder"
    assert error == f"error: --validate {tmp_path}: {len(lines)} problems\n"


def test_the_zip_of_files_made_elsewhere(capsys, tmp_path):
    (tmp_path / "WNLI.tsv").write_text(leaderboard()["WNLI.tsv"].majority_text())
    submitted(capsys, "--output", tmp_path)
    assert problems(tmp_path, whole=False) == []
    assert (tmp_path / ZIP).is_file()


def test_wrong_flags_and_runs(capsys, glue, trained, tmp_path):
    wnli, snli, out = trained("wnli"), trained("snli"), tmp_path / "out"
    cases = [
        (["--runs", wnli], "--output names the folder"),
        (["--output", out], "--runs names the runs to submit"),
        (["--validate", tmp_path, "--runs", wnli], "--validate goes alone, without --runs"),
        (["--validate", tmp_path / "none"], "none: no such folder"),
        (["--runs", tmp_path / "none", "--output", out], "none: not a run folder"),
        (["--runs", f"{wnli}@7", "--output", out], "kept no weights of epoch 7"),
        (["--runs", wnli, wnli, "--output", out], "are both runs of wnli; name one"),
        (["--runs", snli, "--output", out], "a run of 'snli', which the GLUE leaderboard does not"),
        (["--runs", wnli, "--wnli", "majority", "--output", out], "is a run of wnli; give one"),
        (["--wnli", "majorty", "--output", out], "did you mean 'majority'?"),
        (["--runs", wnli, "--output", out], "90 rows, but WNLI.tsv answers the 146"),
        (["--runs", wnli, "--data", "/no/such", "--output", out], "/no/such: no such folder"),
        (["--runs", wnli, "--data", glue / "MNLI", "--output", out], "no folder of task 'wnli'"),
        (["--ax_labels", "x.tsv", "--output", out], "AX.tsv is not there, and no run answers it"),
        (["--run", wnli, "--output", out], "unknown flag '--run'; did you mean '--runs'?"),
        (["--runs", wnli, "--data", glue, "--output", wnli / "run.yaml"], "is not a folder"),
        (["--runs", wnli, "--data", glue, "--output", wnli], "that is no part of a submission"),
    ]
    for argv, expected in cases:
        assert expected in fails(capsys, *argv)
    assert not out.exists()


def test_missing_test_rows_name_the_file_wanted(capsys, trained, tmp_path):
    folder = tmp_path / "WNLI"
    folder.mkdir()
    (folder / "train.tsv").write_text("index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n")
    error = fails(capsys, "--runs", trained("wnli"), "--data", folder, "--output", tmp_path / "o")
    assert "no test rows for WNLI.tsv" in error
    assert f"folder {folder}; wanted test.tsv of the GLUE download (146 rows)" in error


def test_rows_that_are_not_in_the_order_of_glue_are_an_error(capsys, trained, tmp_path):
    path = tmp_path / "WNLI" / "test.tsv"
    write_rows(path, ("sentence1", "sentence2"), 146)
    path.write_text(path.read_text().replace("\n5\t", "\n500\t"))
    words = ("--runs", trained("wnli"), "--data", tmp_path, "--output", tmp_path / "out")
    assert "id '500' where 5 is due" in fails(capsys, *words)


def test_a_run_of_other_labels_under_a_name_of_glue_is_an_error(capsys, copied, tmp_path):
    wnli = copied("wnli")
    text = (wnli / "run.yaml").read_text()
    (wnli / "run.yaml").write_text(text.replace("- not_entailment", "- unsure"))
    error = fails(capsys, "--runs", wnli, "--output", tmp_path / "out")
    assert "which are not the labels of GLUE's wnli (not_entailment, entailment)" in error


def test_a_run_of_the_users_own_files_is_submitted_with_glue_data(capsys, glue, tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("sentence1,sentence2,label\n" + "".join(f"a {n},b,{n % 2}\n" for n in range(8)))
    words = ["--task", "wnli", "--train_file", own, "--dev_file", own, "--max_steps", 0]
    assert train.main([str(word) for word in [*words, "--output", tmp_path / "run"]]) == 0
    out = tmp_path / "out"
    error = fails(capsys, "--runs", tmp_path / "run", "--output", out)
    assert "no test rows for WNLI.tsv" in error and "wanted test.tsv" in error
    submitted(capsys, "--runs", tmp_path / "run", "--data", glue, "--output", out)
    assert set(answers(out, "WNLI.tsv")) <= {"0", "1"}


@pytest.mark.long
def test_quora_at_its_full_size_completes_a_whole_submission(capsys, trained, tmp_path):
    run, out = trained("qqp"), tmp_path / "out"
    rows = leaderboard()["QQP.tsv"].rows
    write_rows(tmp_path / "QQP" / "test.tsv", ("question1", "question2"), rows)
    labels = predicted(run, "qqp", "test", tmp_path)
    others = [file for name, file in leaderboard().items() if name != "QQP.tsv"]
    texts = {file.name: file.text([(*file.labels, "2.5")[0]] * file.rows) for file in others}
    write_submission(out, texts, False)
    shown = submitted(capsys, "--runs", run, "--data", tmp_path, "--output", out)
    assert "whole: 426,320 lines" in shown
    assert [tasks.get("qqp").labels[int(answer)] for answer in answers(out, "QQP.tsv")] == labels
    assert submit.main(["--validate", str(out)]) == 0
    assert capsys.readouterr().out == "valid and whole: 426,320 lines\n"


@pytest.mark.long
def test_runs_on_the_real_test_sets_match_the_sample(capsys, shared_data, trained, tmp_path):
    held = ("cola", "sst", "mrpc", "stsb", "qnli", "rte", "wnli")
    runs = [trained(task) for task in held]
    out = tmp_path / "out"
    submitted(capsys, "--runs", *runs, "--data", shared_data / "glue", "--output", out)
    assert problems(out, whole=False) == []
    for task in held:
        name = tasks.get(task).submissions[0].file
        sample = (shared_data / "glue" / "sample_submission" / name).read_text().splitlines()
        ours = (out / name).read_text().splitlines()
        assert ours[0] == sample[0] == HEADER
        assert [line.split("\t")[0] for line in ours] == [line.split("\t")[0] for line in sample]
