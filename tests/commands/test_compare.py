"""Experiments set side by side from the command line."""

import json

import pytest

from tests.scored_runs import write_run, write_series
from tfglue import compare, train

SCORES = {0: 0.55, 1: 0.47, 2: 0.58}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Restarts as training makes them."""
    output = tmp_path_factory.mktemp("restarts") / "sst"
    argv = ["--task", "sst", "--epochs", "1", "--train_examples", "64", "--batch_size", "16"]
    assert train.main([*argv, "--seeds", "2", "--output", str(output)]) == 0
    return output


@pytest.mark.slow
def test_what_training_made_is_compared(trained, sst_run, tmp_path, capsys):
    output = tmp_path / "comparison"
    argv = [f"restarts={trained}", f"long={sst_run.folder.path}", "--output", str(output)]
    assert compare.main(argv) == 0
    printed = capsys.readouterr().out
    assert "sst: accuracy on dev" in printed and "none: a side has one run" in printed
    content = json.loads((output / "comparison.json").read_text())
    restarts, run = content["experiments"]
    report = json.loads((trained / "restarts.json").read_text())
    for name in ("mean", "std", "best", "worst", "median", "degenerate_share"):
        assert restarts[name] == report["summary"][name]
    assert run["mean"] == sst_run.metrics["sst"]["dev"]["accuracy"]
    assert run["updates"] == 8 and run["seconds"] > 0
    assert (output / "comparison.csv").read_text().count("\n") == 3
    assert (output / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_comparison_is_not_overwritten_unasked(tmp_path, capsys):
    argv = [str(write_series(tmp_path / "rte", "rte", SCORES)), "--output", str(tmp_path / "out")]
    assert compare.main(argv) == 0
    before = (tmp_path / "out" / "comparison.json").read_bytes()
    assert compare.main(argv) == 2
    assert "holds comparison.csv, comparison.json" in capsys.readouterr().err
    assert compare.main([*argv, "--overwrite"]) == 0
    assert (tmp_path / "out" / "comparison.json").read_bytes() == before


def test_the_glue_score_is_printed_and_written(tmp_path, capsys):
    runs = [
        str(write_run(tmp_path / "sst", "sst", {"accuracy": 0.9}, rows=872)),
        str(write_series(tmp_path / "rte", "rte", SCORES, rows=277)),
    ]
    assert compare.main([*runs, "--glue", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    mean = (0.9 + sum(SCORES.values()) / 3) / 2
    assert f"over 2 of 9 tasks: {mean:.4f} ({100 * mean:.1f}), best runs 0.7400 (74.0)" in printed
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert content["glue"]["glue8"]["mean"] == pytest.approx(mean)


def damaged(path, name, text):
    (path / name).write_text(text)
    return str(path)


def mistakes(tmp_path):
    """Arguments, and what the one line of error says."""
    def run(name, **options):
        return write_run(tmp_path / name, "rte", {"accuracy": 0.6}, **options)

    series = write_series(tmp_path / "series", "rte", SCORES)
    whole = str(run("whole"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "chain" / "steps").mkdir(parents=True)
    (tmp_path / "chain" / "experiment.yaml").write_text("settings: {}\n")
    write_run(tmp_path / "mixed/seeds/0", "rte", {"accuracy": 0.6})
    write_run(tmp_path / "mixed/seeds/1", "sst", {"accuracy": 0.6})
    (tmp_path / "file").write_text("")
    yield [], "required: RUN"
    yield [str(tmp_path / "nowhere")], "nowhere: no such folder"
    yield [str(tmp_path / "file")], "file: no such folder"
    yield [str(tmp_path / "empty")], "empty: not a run folder (it has no run.yaml)"
    yield [str(tmp_path / "chain")], "chain: no run of this experiment is finished"
    yield [str(run("half", status="training"))], "half: this run is not finished"
    yield [str(tmp_path / "mixed")], "mixed: its runs are not of one task"
    yield [damaged(run("cut"), "metrics.json", '{\n "rte": {')], "metrics.json:2: not valid JSON"
    yield [damaged(run("list"), "metrics.json", "[1]")], "metrics.json: expected a mapping, not"
    yield ([damaged(run("nodev"), "metrics.json", '{"rte": {}, "main": {"rte": "accuracy"}}')],
           "metrics.json: no dev scores")
    yield ([damaged(run("nan"), "metrics.json",
                    '{"rte": {"dev": {"accuracy": NaN}}, "main": {"rte": "accuracy"}}')],
           "metrics.json: rte: dev: accuracy: expected a finite number, not 'nan'")
    yield ([damaged(run("dev"), "metrics.json", '{"rte": {"dev": [1]}, "main": {"rte": "f1"}}')],
           "metrics.json: rte: dev: expected a mapping, not '[1]'")
    yield [damaged(series, "restarts.json", '{"format": "x"}')], "expected format tfglue.restarts"
    yield ([damaged(series, "restarts.json", '{"format": "tfglue.restarts.v1", "task": "rte"}')],
           "restarts.json: 'metric' is missing; restore the file")
    yield [whole, whole], "whole: given twice"
    yield [f"a={whole}", f"a={run('other')}"], "two experiments are called 'a'"
    yield [f"={whole}"], "expected PATH or NAME=PATH"
    yield [whole, "--output", str(tmp_path / "file")], "file is a file; name a folder"
    yield [whole, str(run("again")), "--glue"], "whole and again are both of rte"
    yield ([str(write_run(tmp_path / "snli", "snli", {"accuracy": 0.6})), "--glue"],
           "none is of a task of GLUE")


def test_mistakes_get_one_line(tmp_path, capsys):
    for argv, message in mistakes(tmp_path):
        assert compare.main(argv) == 2, message
        captured = capsys.readouterr()
        assert message in captured.err and captured.err.count("\n") == 1
        assert not captured.out
