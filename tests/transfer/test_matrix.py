"""A small matrix from end to end, interrupted and resumed."""

import csv
import json
from pathlib import Path

import pytest

from tfglue import grid_run, transfer_matrix
from tfglue.training.loop import Diverged
from tfglue.transfer.matrix_config import MatrixConfig
from tfglue.transfer.matrix_plan import ALONE, MatrixPlan


def words(tmp_path):
    recipe = tmp_path / "quick.yaml"
    recipe.write_text("max_steps: 2\nbatch_size: 8\nevaluate_every: 1\nmax_length: 32\n")
    return ["--sources", "sst,rte,pos", "--targets", "sst", "--data", "sample",
            "--source_examples", "16", "--target_examples", "16", "--dev_examples", "16",
            "--recipe", str(recipe), "--output", str(tmp_path / "matrix")]


def test_the_plan_trains_every_pair_once_for_every_seed():
    plan = MatrixPlan(MatrixConfig(tasks="sst,rte,ner", data="sample", seeds=2, seed=4))
    cells = {(cell.target, cell.source, cell.seed) for cell in plan.cells}
    assert len(cells) == len(plan.cells) == 2 * 3 * 3
    assert all(cell.source != cell.target and cell.seed in (4, 5) for cell in plan.cells)
    assert [cell.source for cell in plan.cells[:3]] == [ALONE, "rte", "ner"]
    assert "3 trainings of sources, 18 of targets (6 of them alone)" in plan.budget()[0]


def test_the_budget_alone(tmp_path, capsys):
    assert transfer_matrix.main([*words(tmp_path), "--dry_run"]) == 0
    assert "updates: 6 of sources, 6 of targets" in capsys.readouterr().out
    assert not (tmp_path / "matrix").exists()


@pytest.mark.slow
def test_a_target_of_one_label_is_refused_before_training(tmp_path, capsys):
    assert transfer_matrix.main([*words(tmp_path), "--target_examples", "1"]) == 2
    error = capsys.readouterr().err
    assert "sst: estimators need rows of two labels or more, and all 1 of" in error
    assert not (tmp_path / "matrix" / "sources").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_a_matrix_goes_on_where_it_stopped(tmp_path, capsys, monkeypatch):
    trained = []
    train_run = grid_run.train_run

    def stops(given, **options):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(given["output"])
        return train_run(given, **options)

    monkeypatch.setattr(grid_run, "train_run", stops)
    assert transfer_matrix.main(words(tmp_path)) == 130
    error = capsys.readouterr().err
    assert "--resume" in error and len(trained) == 4
    assert transfer_matrix.main(words(tmp_path)) == 2
    monkeypatch.setattr(
        grid_run, "train_run",
        lambda given, **options: trained.append(given["output"]) or train_run(given, **options),
    )
    folder = tmp_path / "matrix"
    assert transfer_matrix.main(["--output", str(folder), "--resume"]) == 0
    assert len(trained) == len(set(trained)) == 3 + 1 + 2
    with open(folder / "scores.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["target"], row["source"]) for row in rows] == [
        ("sst", "none"), ("sst", "rte"), ("sst", "pos"),
    ]
    report = json.loads((folder / "matrix.json").read_text())
    methods = {row["method"] for row in report["methods"]}
    assert methods >= {"text", "task", "text + task", "text, centred", "logme", "h_score", "knn",
                       "leep", "nce", "data_size", "curve_gradient", "chance"}
    assert report["methods"][0]["average_rank"] in (1, 1.5, 2)
    for picture in ("violins", "heat_map", "agreement", "tasks_text", "tasks_task"):
        assert (folder / f"{picture}.png").is_file() and (folder / f"{picture}.csv").is_file()
    assert not list((folder / "targets").rglob("*.safetensors"))
    assert len(list((folder / "sources").glob("*/encoder.safetensors"))) == 3


def diverging(monkeypatch, *places):
    """Trainings in these folders diverge; the list of all that are begun."""
    trained, train_run = [], grid_run.train_run

    def diverges(given, **options):
        trained.append(given["output"])
        if given["output"].endswith(places):
            Path(given["output"]).mkdir(parents=True)
            raise Diverged("training diverged: the loss is nan after 2 updates")
        return train_run(given, **options)

    monkeypatch.setattr(grid_run, "train_run", diverges)
    return trained


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("eagerly")
def test_a_training_that_diverges_has_no_score_and_stops_nothing(tmp_path, capsys, monkeypatch):
    trained = diverging(monkeypatch, "targets/sst/rte/0")
    assert transfer_matrix.main([*words(tmp_path), "--sources", "sst,rte,pos,ner"]) == 0
    out = capsys.readouterr().out
    assert "  no score: training diverged: the loss is nan" in out
    assert "diverged, and does not count: sst from rte with seed 0" in out
    folder = tmp_path / "matrix"
    with open(folder / "scores.csv", newline="") as stream:
        scores = {row["source"]: row["score"] for row in csv.DictReader(stream)}
    assert scores["rte"] == "" and all(scores[name] for name in ("none", "pos", "ner"))
    report = json.loads((folder / "matrix.json").read_text())
    assert {row["source"] for row in report["scores"]} == {"none", "pos", "ner"}
    page = (folder / "report.html").read_text()
    assert "text + task" in page and "pooled_output" not in page
    # It is tried again.
    del trained[:]
    assert transfer_matrix.main(["--output", str(folder), "--resume"]) == 0
    assert [Path(name).parent.name for name in trained] == ["rte"]


@pytest.mark.slow
@pytest.mark.usefixtures("eagerly")
def test_what_cannot_be_judged_is_said(tmp_path, capsys, monkeypatch):
    trained = diverging(monkeypatch, "targets/sst/rte/0", "sources/pos")
    assert transfer_matrix.main(words(tmp_path)) == 2
    error = capsys.readouterr().err
    assert "source pos: training diverged" in error and "another learning rate" in error
    folder = tmp_path / "matrix"
    assert not (folder / "targets").exists() and not (folder / "sources" / "pos").exists()
    monkeypatch.undo()
    del trained[:]
    diverging(monkeypatch, "targets/sst/rte/0")
    assert transfer_matrix.main(["--output", str(folder), "--resume"]) == 0
    assert "no target has scores from two sources" in capsys.readouterr().out
    assert json.loads((folder / "matrix.json").read_text())["methods"] == []
    monkeypatch.undo()
    diverging(monkeypatch, "targets/sst/rte/0", "targets/sst/pos/0")
    (folder / "targets" / "sst" / "pos").rename(tmp_path / "lost")
    assert transfer_matrix.main(["--output", str(folder), "--resume"]) == 2
    assert "no target has a score from any source" in capsys.readouterr().err
