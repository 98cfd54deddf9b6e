"""Judging methods on a table of scores whose answers are known."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.transfer import matrix_pictures
from tfglue.transfer.matrix_plan import ALONE
from tfglue.transfer.matrix_report import write_report
from tfglue.transfer.matrix_scores import MatrixScores, write_scores
from tfglue.transfer.method_evaluation import (
    agreement,
    bootstrap_interval,
    choices,
    evaluate_methods,
    measures_of,
)

CLASSES = {"a": "CR", "b": "CR", "c": "CR", "q": "QA"}


def rows():
    found = []
    for target, of_source in {
        "a": {ALONE: 0.5, "b": 0.6, "c": 0.4, "q": 0.8}, "b": {ALONE: 0.4, "a": 0.5, "c": 0.3,
                                                              "q": 0.45},
    }.items():
        for source, score in of_source.items():
            for seed in (0, 1):
                found.append({"target": target, "source": source, "seed": seed,
                              "metric": "accuracy", "score": score + 0.01 * (2 * seed - 1)})
    return found


@pytest.fixture
def scores():
    return MatrixScores.of(rows())


GOOD = {"a": {"q": 3, "b": 2, "c": 1}, "b": {"a": 3, "q": 2, "c": 1}}
BAD = {"a": {"q": 1, "b": 2, "c": 3}, "b": {"a": 1, "q": 2, "c": 3}}


def test_means_and_gains(scores, tmp_path):
    assert scores.means("a") == pytest.approx({"b": 0.6, "c": 0.4, "q": 0.8})
    assert scores.gains("a") == pytest.approx({"b": 0.2, "c": -0.2, "q": 0.6})
    write_scores(rows(), tmp_path / "scores.csv")
    assert MatrixScores.read(tmp_path / "scores.csv") == scores
    for score in ("much", "nan", "None"):
        file = tmp_path / "scores.csv"
        file.write_text(f"target,source,seed,metric,score\na,b,0,acc,{score}\n")
        with pytest.raises(UserError, match=rf"{file}:2: score: expected a number, not '{score}'"):
            MatrixScores.read(file)


def test_perfect_and_worst_predictions(scores):
    found = {(row["method"], row["scope"]): row
             for row in evaluate_methods({"good": GOOD, "bad": BAD}, scores, CLASSES)}
    good, bad, chance = (found[name, "all"] for name in ("good", "bad", "chance"))
    assert (good["average_rank"], good["ndcg"], good["regret_1"]) == pytest.approx((1, 1, 0))
    assert bad["average_rank"] == 3 and bad["regret_3"] == 0
    assert bad["regret_1"] == pytest.approx(((0.8 - 0.4) / 0.8 + (0.5 - 0.3) / 0.5) / 2)
    assert chance["average_rank"] == 2
    # Mean of (best - tried) / best over the three sources of each target.
    expected = np.mean([np.mean([0, 0.25, 0.5]), np.mean([0, 0.4, 0.1])])
    assert chance["regret_1"] == pytest.approx(expected)
    # The quarter-question: of a's own class only b and c are sources.
    assert found["good", "in_class"]["targets"] == 2
    assert found["bad", "in_class"]["average_rank"] == 2


def test_sources_without_a_score_stand_last():
    true = {"x": 1.0, "y": 0.5, "z": 0.2}
    assert measures_of({"y": 1.0}, true)["average_rank"] == 2.5
    assert np.isnan(measures_of({"x": 1}, {"x": 0.0, "y": -0.5})["ndcg_scores"])
    for guess in ({"x": 1}, {"y": 1}):  # No share of a best score of 0, whoever is right.
        assert np.isnan(measures_of(guess, {"x": 0.0, "y": -0.5})["regret_1"])


def test_intervals_hold_the_mean_and_shrink_with_more_targets():
    random = np.random.default_rng(0)
    few, many = random.normal(size=8), random.normal(size=200)
    low, high = bootstrap_interval(few)
    assert low < few.mean() < high
    assert (high - low) == pytest.approx(2 * 1.96 * few.std() / np.sqrt(8), rel=0.15)
    low, high = bootstrap_interval(many)
    assert (high - low) == pytest.approx(2 * 1.96 * many.std() / np.sqrt(200), rel=0.1)
    assert bootstrap_interval([1.0]) == (None, None)


def test_choices_say_what_was_taken_and_lost(scores):
    row = choices({"bad": BAD}, scores)[0]
    assert (row["target"], row["choice"], row["best"]) == ("a", "c", "q")
    assert (row["score"], row["best_score"], row["alone"]) == pytest.approx((0.4, 0.8, 0.5))


def test_methods_agree_by_their_ranks():
    names, found = agreement({"good": GOOD, "bad": BAD, "flat": {"a": {"q": 1, "b": 1}}})
    assert names == ["good", "bad", "flat"]
    assert found[0, 0] == pytest.approx(1) and found[0, 1] == pytest.approx(-1)
    assert np.isnan(found[0, 2])


def test_small_pictures_show_all_of_their_words(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(matrix_pictures, "save_figure", lambda figure, path: figures.append(figure))
    named = MatrixScores(
        {target: {ALONE: [0.5], "c": [0.6], "q": [0.4]} for target in "ab"},
        {"a": "pearson_and_spearman", "b": "matthews_correlation"},
    )
    matrix_pictures.plot_heat_map(named, CLASSES, tmp_path)
    chosen = choices({"good": GOOD}, named)
    rows = matrix_pictures.violin_rows(named, chosen, CLASSES, "good")
    matrix_pictures.plot_violins(rows, tmp_path, "good")
    for figure in figures:
        box = figure.get_tightbbox()
        assert box.x0 >= 0 and box.x1 <= figure.get_figwidth()
    labels = [label.get_text() for label in figures[1].axes[0].get_xticklabels()]
    assert labels == ["a\npearson_and_spearman", "b\nmatthews_correlation"]


def test_a_report_has_a_csv_behind_every_picture(scores, tmp_path):
    facts = {"settings": {"seeds": 2}, "encoder": {"name": "small", "digest": "0"}}
    scores = replace(scores, diverged=["a from x with seed 0"])
    components = {"pooled_output, centred": BAD, "encoder.layer.0.layer_output": GOOD}
    predictions = {"text + task": GOOD, "knn": BAD, **components}
    told, *lines = write_report(tmp_path, scores, predictions, CLASSES, None, facts)
    assert told == "diverged, and does not count: a from x with seed 0"
    assert lines[1].startswith("text + task") and lines[-1].startswith("chance")
    for picture in ("violins", "heat_map", "agreement"):
        assert (tmp_path / f"{picture}.png").stat().st_size > 5000
        assert (tmp_path / f"{picture}.csv").is_file()
    with open(tmp_path / "violins.csv", newline="") as stream:
        found = [row for row in csv.DictReader(stream) if row["predicted"] == "True"]
    assert [(row["target"], row["source"]) for row in found] == [("a", "q"), ("b", "a")]
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "http" not in page
    assert "a from x with seed 0" in page
    # Single components are in methods.csv alone.
    assert not any(name in page for name in components)
    assert all(name in (tmp_path / "methods.csv").read_text() for name in components)
