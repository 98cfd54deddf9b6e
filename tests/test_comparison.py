"""Statistics of experiments, against NumPy and the formulas of the textbooks."""

import csv
import json
import math

import numpy as np
import pytest
from scipy import stats

from tests.scored_runs import write_run, write_series
from tfglue import tasks
from tfglue.comparison import Comparison
from tfglue.comparison_plot import plot_comparison
from tfglue.errors import UserError
from tfglue.experiment_reading import read_experiments
from tfglue.glue_score import GlueScore
from tfglue.run_folder import RunFolder
from tfglue.scored_row import mean_row, trained_metrics
from tfglue.tasks.serialization import task_to_dict

DIRECT = {0: 0.55, 1: 0.47, 2: 0.58, 3: 0.60, 4: 0.50}
THROUGH = {0: 0.66, 1: 0.64, 2: 0.70, 3: 0.65, 4: 0.68}


@pytest.fixture
def arms(tmp_path):
    return [
        str(write_series(tmp_path / "direct", "rte", DIRECT)),
        str(write_series(tmp_path / "through", "rte", THROUGH, parents=("mnli", "snli"))),
    ]


def test_the_table_says_what_numpy_says(arms):
    direct, through = Comparison(read_experiments(arms)).rows()
    scores = np.array(list(DIRECT.values()))
    assert (direct["experiment"], direct["task"], direct["runs"]) == ("direct", "rte", 5)
    assert direct["mean"] == pytest.approx(scores.mean())
    assert direct["std"] == pytest.approx(scores.std(ddof=1))
    assert direct["median"] == pytest.approx(np.median(scores))
    assert (direct["best"], direct["worst"]) == (0.60, 0.47)
    assert direct["degenerate_share"] == pytest.approx(2 / 5)  # 0.50 is not above the floor.
    assert (direct["updates"], direct["seconds"]) == (32.0, 12.0)
    assert (direct["through"], through["through"]) == (None, "mnli > snli")


def test_equal_seeds_are_paired_whatever_their_order(tmp_path, arms):
    shuffled = {seed: THROUGH[seed] for seed in (3, 0, 4, 2, 1)}
    arms[1] = str(write_series(tmp_path / "shuffled", "rte", shuffled))
    (found,) = Comparison(read_experiments(arms)).differences
    differences = np.array([THROUGH[seed] - DIRECT[seed] for seed in range(5)])
    error = differences.std(ddof=1) / math.sqrt(5)
    assert found["test"] == "paired"
    assert found["mean"] == pytest.approx(differences.mean())
    assert found["std"] == pytest.approx(differences.std(ddof=1))
    assert found["p"] == pytest.approx(2 * stats.t.sf(differences.mean() / error, 4))
    reach = stats.t.ppf(0.975, 4) * error
    assert found["interval_95"] == pytest.approx(
        [differences.mean() - reach, differences.mean() + reach]
    )


def test_other_seeds_are_tested_after_welch(tmp_path, arms):
    others = {seed: score for seed, score in THROUGH.items() if seed > 0}
    arms[1] = str(write_series(tmp_path / "others", "rte", others))
    (found,) = Comparison(read_experiments(arms)).differences
    ours, theirs = np.array(list(others.values())), np.array(list(DIRECT.values()))
    parts = [scores.var(ddof=1) / len(scores) for scores in (ours, theirs)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(scores) - 1) for part, scores in zip(parts, (ours, theirs), strict=True)
    )
    t = (ours.mean() - theirs.mean()) / math.sqrt(sum(parts))
    assert (found["test"], found["std"]) == ("welch", None)
    assert found["p"] == pytest.approx(2 * stats.t.sf(t, freedom))


def test_where_there_is_nothing_to_test_no_p_is_given(tmp_path, arms):
    one = str(write_run(tmp_path / "one", "rte", {"accuracy": 0.7}))
    same = str(write_series(tmp_path / "same", "rte", {s: v + 0.1 for s, v in DIRECT.items()}))
    comparison = Comparison(read_experiments([arms[0], one, same]))
    assert [found["p"] for found in comparison.differences] == [None, None]
    text = "\n".join(comparison.lines())
    assert "none: a side has one run" in text and "none: no spread" in text
    assert "small n" not in text


def test_notes_say_what_the_numbers_hide(tmp_path, arms):
    other = write_series(tmp_path / "other", "rte", THROUGH, digest="two")
    notes = "\n".join(Comparison(read_experiments([*arms, str(other)])).notes())
    assert "small n: under 10 runs" in notes and "2 tests" in notes
    assert "rte: direct and other were scored on different dev rows" in notes
    many = {seed: 0.6 + 0.01 * (seed % 7) for seed in range(12)}
    more = {seed: score + 0.001 * (seed % 5) for seed, score in many.items()}
    large = [write_series(tmp_path / f"large{i}", "rte", s) for i, s in enumerate((many, more))]
    notes = "\n".join(Comparison(read_experiments([str(path) for path in large])).notes())
    assert "small n" not in notes and "different dev" not in notes and "degenerate" not in notes


def test_a_series_without_its_report_is_read_run_by_run(tmp_path, arms):
    bare = write_series(tmp_path / "bare", "rte", DIRECT, report=False)
    with_report, without = read_experiments([arms[0], str(bare)])
    assert without.rows == with_report.rows
    write_run(bare / "seeds" / "5", "rte", {"accuracy": 0.9}, status="training")
    unfinished = read_experiments([str(bare)])
    assert unfinished[0].summary() == with_report.summary()
    assert "bare: 5 of 6 runs are finished" in "\n".join(Comparison(unfinished).notes())


def test_a_series_that_was_stopped_knows_how_many_seeds_were_asked_for(arms, tmp_path):
    plan = "format: tfglue.experiment.v1\nsettings:\n  task: rte\n  seeds: 20\n"
    (tmp_path / "direct" / "experiment.yaml").write_text(plan)
    assert "direct: 5 of 20 runs" in "\n".join(Comparison(read_experiments(arms)).notes())


def test_names_are_the_last_parts_of_paths_that_tell_them_apart(tmp_path):
    dev = {"accuracy": 0.6}
    paths = [
        write_run(tmp_path / place, "rte", dev)
        for place in ("a/rte", "b/rte", "c", "c/steps/1-rte", "lr=1")
    ]
    names = [experiment.name for experiment in read_experiments([str(path) for path in paths])]
    assert names == ["a/rte", "b/rte", "c", "c/steps/1-rte", "lr=1"]


def test_a_run_of_several_tasks_is_an_experiment_of_each(tmp_path):
    path = write_run(tmp_path / "both", "rte", {"accuracy": 0.6})
    metrics = {"rte": {"dev": {"accuracy": 0.6}}, "sst": {"dev": {"accuracy": 0.9}},
               "main": {"rte": "accuracy", "sst": "accuracy"}}
    (path / "metrics.json").write_text(json.dumps(metrics))
    run = RunFolder(path)
    manifest = run.manifest()
    manifest["tasks"]["sst"] = task_to_dict(tasks.get("sst"))
    run.write_manifest(manifest)
    found = read_experiments([str(path)])
    assert [(e.task, e.scores) for e in found] == [("rte", [0.6]), ("sst", [0.9])]


def with_added(path, task, dev, seed):
    """A run that a task came to, which was trained elsewhere with `seed`."""
    run = RunFolder(path)
    content, metrics = run.manifest(), run.metrics()
    content["tasks"][task] = task_to_dict(tasks.get(task))
    content["task_settings"] = {task: {"seed": seed}}
    content["data"][task] = {"dev": {"origin": "there", "rows": 7, "digest": "two"}}
    content["added"] = {
        task: {
            "source": "there",
            "lineage": [
                {"run": name, "epoch": None, "tasks": [name], "scores": {}}
                for name in ("rte", task)
            ],
        }
    }
    run.write_manifest(content)
    run.write_metrics({**metrics, task: {"dev": dev}}, {**metrics["main"], task: next(iter(dev))})
    return run


def test_an_added_task_has_no_share_in_what_the_run_took(tmp_path):
    path = write_run(tmp_path / "run", "rte", {"accuracy": 0.6}, seed=3, parents=("mnli",))
    run = with_added(path, "wnli", {"accuracy": 0.5}, seed=8)
    whole = mean_row(run, tmp_path)
    assert (whole["score"], whole["metrics"]) == (0.6, {"dev": {"rte": 0.6}})
    assert (whole["updates"], whole["seconds"]) == (33, 13.0)
    rte, wnli = read_experiments([str(path)])
    assert (rte.task, rte.seeds, rte.through) == ("rte", [3], ("mnli",))
    assert (wnli.task, wnli.seeds, wnli.through) == ("wnli", [8], ("rte",))
    assert (rte.mean_of("updates"), rte.mean_of("seconds")) == (33, 13.0)
    assert (wnli.mean_of("updates"), wnli.mean_of("seconds")) == (None, None)
    assert wnli.dev["rows"] == 7
    assert "wnli: accuracy on dev" in Comparison([rte, wnli]).lines()


def test_a_task_added_to_one_of_several_restarts_is_left_out(tmp_path):
    path = write_series(tmp_path / "series", "rte", DIRECT, report=False)
    before = read_experiments([str(path)])
    run = with_added(path / "seeds" / "0", "wnli", {"accuracy": 0.5}, seed=8)
    assert read_experiments([str(path)]) == before
    assert trained_metrics(run) == {"rte": "accuracy"}
    assert [e.task for e in read_experiments([str(run.path)])] == ["rte", "wnli"]


def test_the_report_of_restarts_is_of_what_they_were_trained_on(tmp_path):
    from tfglue.restarts import restarts_report

    path = write_series(tmp_path / "series", "rte", DIRECT, report=False)
    before = restarts_report(RunFolder(path), list(DIRECT))
    with_added(path / "seeds" / "0", "wnli", {"accuracy": 0.5}, seed=8)
    assert restarts_report(RunFolder(path), list(DIRECT)) == before
    assert (before["task"], before["metric"]) == ("rte", "accuracy")


def glue(tmp_path, **tasks):
    paths = [write_run(tmp_path / name, name, **given) for name, given in tasks.items()]
    return GlueScore(read_experiments([str(path) for path in paths]))


def test_the_glue_score_averages_two_scores_of_a_task_first(tmp_path):
    score = glue(
        tmp_path,
        rte={"dev": {"accuracy": 0.6}},
        mrpc={"dev": {"accuracy_and_f1": 0.85, "accuracy": 0.8, "f1": 0.9}},
        stsb={"dev": {"pearson_and_spearman": 0.86, "pearson": 0.88, "spearman": 0.84}},
        mnli={"dev": {"accuracy": 0.7}, "dev_mismatched": {"accuracy": 0.74}},
        wnli={"dev": {"accuracy": 0.5}},
        snli={"dev": {"accuracy": 0.99}},
    )
    assert {row["task"]: row["mean"] for row in score.rows} == pytest.approx(
        {"mrpc": 0.85, "stsb": 0.86, "mnli": 0.72, "rte": 0.6, "wnli": 0.5}
    )
    nine, eight = score.overall("glue9"), score.overall("glue8")
    assert nine["mean"] == pytest.approx((0.85 + 0.86 + 0.72 + 0.6 + 0.5) / 5)
    assert eight["mean"] == pytest.approx((0.85 + 0.86 + 0.72 + 0.6) / 4)
    assert (nine["tasks"], eight["tasks"]) == (5, 4)
    assert eight["missing"] == ["cola", "sst", "qqp", "qnli"]
    text = "\n".join(score.lines())
    assert "over 4 of 8 tasks: 0.7575 (75.8), best runs 0.7575 (75.8); missing: cola, sst" in text
    assert "snli: snli is no task of GLUE; left out" in text
    assert "rte: scored on 100 dev rows, GLUE has 277" in text


def test_half_an_mnli_is_said(tmp_path):
    score = glue(tmp_path, mnli={"dev": {"accuracy": 0.7}, "rows": 9815})
    assert score.notes == ["mnli: no accuracy on dev_mismatched; its other score stands alone"]


def test_the_glue_score_of_restarts_is_their_mean_and_that_of_the_best(arms):
    (row,) = GlueScore(read_experiments(arms[:1])).rows
    assert (row["mean"], row["best"]) == (pytest.approx(0.54), 0.60)


def test_two_experiments_of_a_task_have_no_glue_score(arms):
    with pytest.raises(UserError, match="direct and through are both of rte"):
        GlueScore(read_experiments(arms))


@pytest.mark.slow
def test_the_plot_is_the_same_twice_and_takes_any_name(tmp_path):
    arms = [
        f"a $very$ long_name^{i} of an experiment="
        f"{write_series(tmp_path / str(i), 'rte', {s: v + i / 50 for s, v in DIRECT.items()})}"
        for i in range(12)
    ]
    one = write_run(tmp_path / "one", "sst", {"accuracy": 0.7})
    comparison = Comparison(read_experiments([*arms, str(one)]))
    for name in ("a.png", "b.png"):
        plot_comparison(comparison, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    plot_comparison(Comparison(read_experiments(arms[:2])), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_csv_and_json_hold_the_table(arms):
    comparison = Comparison(read_experiments(arms))
    rows = list(csv.DictReader(comparison.csv().splitlines()))
    assert [float(row["mean"]) for row in rows] == [row["mean"] for row in comparison.rows()]
    content = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert [row["score"] for row in content["experiments"][0]["seeds"]] == list(DIRECT.values())
