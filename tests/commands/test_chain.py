"""Chains of runs and restarts of one."""

import json
import shutil
import signal
import statistics
import subprocess
import sys

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tfglue import Run, train
from tfglue.errors import UserError
from tfglue.experiment_reading import read_experiments

QUICK = ["--epochs", "1", "--train_examples", "64", "--batch_size", "16"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "step.yaml"
    path.write_text("epochs: 1\ntrain_examples: 48\nbatch_size: 16\n")
    return str(path)


@pytest.fixture(scope="module")
def chain(tmp_path_factory, recipe):
    """rte through mnli and snli."""
    output = tmp_path_factory.mktemp("chain") / "rte"
    argv = ["--task", "rte", "--intermediate", "mnli,snli", "--intermediate_recipe", recipe,
            *QUICK, "--save", "all", "--output", str(output)]
    assert train.main(argv) == 0
    return output


def manifest(run):
    return yaml.safe_load((run / "run.yaml").read_text())


def tensors(run, name="encoder"):
    return load_file(run / f"{name}.safetensors")


def equal(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[n], right[n]) for n in left)


@pytest.mark.slow
def test_every_step_begins_with_the_encoder_of_the_one_before(chain):
    steps = [chain / "steps" / "1-mnli", chain / "steps" / "2-snli", chain]
    for step, task in zip(steps, ("mnli", "snli", "rte"), strict=True):
        assert list(manifest(step)["tasks"]) == [task]
        assert Run.open(step).metrics["main"]
    assert equal(tensors(steps[1]), tensors(chain / "epochs" / "0"))
    assert not equal(tensors(chain), tensors(chain / "epochs" / "0"))
    rows = [manifest(step)["data"][task]["train"]["rows"]
            for step, task in zip(steps, ("mnli", "snli", "rte"), strict=True)]
    assert rows == [48, 48, 64]  # --train_examples speaks of the target.


@pytest.mark.slow
def test_the_last_run_shows_the_whole_chain(chain):
    parents = manifest(chain)["parents"]
    assert [parent["tasks"] for parent in parents] == [["mnli"], ["snli"]]
    assert parents[1]["run"].endswith("steps/2-snli")
    assert set(parents[0]["scores"]["mnli"]) == {"accuracy"}
    card = (chain / "README.md").read_text()
    assert "1. mnli: " in card and "2. snli: " in card and "3. rte: this run" in card


@pytest.mark.slow
def test_a_finished_chain_repeats_nothing(chain, capsys):
    before = (chain / "steps/1-mnli/run.yaml").stat().st_mtime_ns
    assert train.main(["--output", str(chain), "--resume"]) == 0
    assert capsys.readouterr().out.count("complete already") == 3
    assert (chain / "steps/1-mnli/run.yaml").stat().st_mtime_ns == before


@pytest.mark.slow
def test_an_equal_run_beside_the_chain_is_taken(chain, recipe, tmp_path, capsys):
    argv = ["--task", "rte", "--intermediate", "mnli", "--intermediate_recipe", recipe, *QUICK]
    made = chain / "steps" / "1-mnli"
    beside = made.parent / "cola-through-mnli"
    # Beside the steps of the first chain, so its mnli run is a neighbour.
    assert train.main([*argv, "--output", str(beside)]) == 0
    assert f"trained already: {made}" in capsys.readouterr().out
    assert not (beside / "steps").exists()
    assert manifest(beside)["parents"][0]["run"].endswith("1-mnli")
    other = made.parent / "another-seed"
    assert train.main([*argv, "--seed", "7", "--output", str(other)]) == 0
    assert "trained already" not in capsys.readouterr().out
    assert (other / "steps/1-mnli/run.yaml").is_file()


@pytest.mark.slow
def test_init_by_hand_takes_an_epoch_of_a_run(chain, tmp_path, capsys):
    output = tmp_path / "run"
    argv = ["--task", "mrpc", "--init", f"{chain}@0", "--max_steps", "0", "--output", str(output)]
    assert train.main(argv) == 0
    printed = capsys.readouterr().out
    assert "init: encoder of" in printed and "new: head of mrpc" in printed
    assert "dropped: heads of rte" in printed
    assert manifest(output)["encoder"]["report"].endswith("loaded; 1 unused (heads.rte)")
    assert equal(tensors(output), tensors(chain / "epochs" / "0"))
    assert manifest(output)["parents"][-1]["epoch"] == 0


@pytest.mark.slow
def test_init_parts_all_takes_the_head_too_and_predicts_the_same(chain, tmp_path):
    output = tmp_path / "run"
    run = Run.train(task="rte", init=str(chain), init_parts="all", max_steps=0, output=str(output))
    assert equal(tensors(output, "heads/rte"), tensors(chain, "heads/rte"))
    assert "unused" not in manifest(output)["encoder"]["report"]
    texts = [("a man runs", "a man is running"), ("it rains", "it is dry")]
    assert run.predict(texts) == Run.open(chain).predict(texts)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    output = tmp_path_factory.mktemp("series") / "sst"
    assert train.main(["--task", "sst", *QUICK, "--seeds", "3", "--seed", "5", "--output",
                       str(output)]) == 0
    return output


@pytest.mark.slow
def test_restarts_are_runs_with_other_seeds_on_the_same_rows(series):
    runs = [series / "seeds" / str(seed) for seed in (5, 6, 7)]
    assert [manifest(run)["config"]["seed"] for run in runs] == [5, 6, 7]
    assert len({(run / "train_rows.txt").read_text() for run in runs}) == 1
    assert not equal(tensors(runs[0]), tensors(runs[1]))


@pytest.mark.slow
def test_restarts_are_summed_up(series):
    report = json.loads((series / "restarts.json").read_text())
    scores = [
        json.loads((series / "seeds" / str(seed) / "metrics.json").read_text())["sst"]["dev"][
            "accuracy"]
        for seed in (5, 6, 7)
    ]
    assert [row["score"] for row in report["seeds"]] == scores
    found = report["summary"]
    assert found["mean"] == pytest.approx(statistics.fmean(scores))
    assert found["std"] == pytest.approx(np.std(scores, ddof=1))
    assert found["best"] == max(scores)
    floor = report["seeds"][0]["floor"]
    assert floor == manifest(series / "seeds" / "5")["result"]["floor"]["sst"]
    assert found["degenerate_share"] == pytest.approx(np.mean([s <= floor for s in scores]))


@pytest.mark.slow
def test_the_rows_of_restarts_are_those_that_their_runs_tell(series, tmp_path):
    bare = shutil.copytree(series, tmp_path / "bare")
    (bare / "restarts.json").unlink()
    (read_run_by_run,) = read_experiments([str(bare)])
    report = json.loads((series / "restarts.json").read_text())
    assert list(read_run_by_run.rows) == report["seeds"]
    assert [row["run"] for row in report["seeds"]] == ["seeds/5", "seeds/6", "seeds/7"]
    assert [row["updates"] for row in report["seeds"]] == [4, 4, 4]


@pytest.mark.slow
def test_a_series_is_not_a_run_and_says_which_are(series):
    with pytest.raises(UserError, match=r"name one of its runs under .*seeds \(5, 6, 7\)"):
        Run.open(series)


@pytest.mark.slow
def test_a_finished_series_repeats_nothing(series, capsys):
    assert train.main(["--output", str(series), "--resume"]) == 0
    assert capsys.readouterr().out.count("complete already") == 3


@pytest.mark.long
def test_a_killed_series_through_a_chain_goes_on_where_it_stopped(tmp_path, recipe):
    output = tmp_path / "run"
    command = [sys.executable, "-m", "tfglue.train"]
    settings = ["--task", "rte", "--intermediate", "mnli", "--intermediate_recipe", recipe, *QUICK,
                "--seeds", "2", "--output", str(output)]
    # In the intermediate task, and in the second restart.
    for sign, arguments in (("update", settings), ("seed 1", ["--output", output, "--resume"])):
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith(sign):
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert (output / "seeds/0/metrics.json").exists()
    assert not (output / "seeds/1/metrics.json").exists()
    done = subprocess.run([*command, "--output", output, "--resume"], check=True, text=True,
                          capture_output=True)
    assert done.stdout.count("complete already") == 2  # the step and the first restart
    assert json.loads((output / "restarts.json").read_text())["summary"]["count"] == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--task", "rte", "--intermediate", "rte"], "--intermediate rte: that is the target"),
        (["--task", "rte", "--intermediate", "mnil"], "did you mean 'mnli'"),
        (["--task", "rte", "--intermediate", "ax"], "no training data"),
        (["--task", "rte", "--intermediate_recipe", "x.yaml"], "goes with --intermediate"),
        (["--task", "rte", "--init", "nowhere"], "nowhere: not a run folder"),
        (["--task", "rte", "--init_parts", "all"], "--init_parts goes with --init"),
        (["--task", "rte", "--init", "a", "--encoder", "tiny"], "exclude each other"),
        (["--task", "rte", "--seeds", "1"], "--seeds: must be at least 2"),
        (["--task", "rte", "--seeds", "2", "--strategy", "multi_worker", "--output", "x"],
         "one run at a time"),
        (["--seeds", "2"], "--task is needed"),
        (["--task", "rte", "--intermediate", ""], "--intermediate: names no task"),
        (["--task", "rte", "--intermediate", "mnli", "--save", "bogus"], "unknown value 'bogus'"),
        (["--task", "rte,mnli", "--intermediate", "mnli"], "that is the target itself"),
        (["--task", "rte", "--intermediate", "mnli", "--freeze", "encoder"], "would be thrown"),
        (["--task", "rte", "--init", "a", "--init_parts", "all", "--intermediate", "mnli"],
         "the head of an intermediate task"),
    ],
)
def test_mistakes_get_one_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(argv) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_epochs_and_heads_that_are_not_there_are_said(chain, series, tmp_path, capsys):
    for argv, message in (
        (["--task", "sst", "--init", f"{chain}@9"], "kept no weights of epoch 9 (it kept 0, 1"),
        (["--task", "sst", "--init", str(chain), "--init_parts", "all"], "none for sst"),
        (["--task", "sst", "--init", str(series)], "a series of restarts"),
        (["--task", "sst", "--seeds", "2", "--output", str(series)], "add --resume"),
        (["--output", str(series), "--resume", "--seed", "9"], "seed was 5, now 9"),
    ):
        output = [] if "--output" in argv else ["--output", str(tmp_path / "new")]
        assert train.main([*argv, *output]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_overwriting_by_a_command_that_cannot_run_deletes_nothing(series, capsys):
    argv = ["--task", "sst", "--seeds", "2", "--output", str(series), "--overwrite"]
    for mistake in (["--data", "/nowhere"], ["--encoder", "/nowhere"], ["--save", "bogus"]):
        assert train.main([*argv, *mistake]) == 2
    assert Run.open(series / "seeds" / "7")


@pytest.mark.slow
def test_dropout_of_an_intermediate_task_is_not_the_targets(tmp_path):
    recipe = tmp_path / "step.yaml"
    recipe.write_text("epochs: 1\ntrain_examples: 32\ndropout: 0\n")
    run = Run.train(task="rte", intermediate="cola", intermediate_recipe=str(recipe), max_steps=1,
                    output=str(tmp_path / "run"))
    assert manifest(tmp_path / "run" / "steps" / "1-cola")["config"]["dropout"] == 0
    assert run.encoder.dropout == 0.1


@pytest.mark.slow
def test_a_run_moved_with_its_source_is_resumed(chain, tmp_path, monkeypatch):
    shutil.copytree(chain, tmp_path / "there" / "chain")
    folder = tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    assert train.main(["--task", "mrpc", "--init", "there/chain", "--max_steps", "1", "--output",
                       "there/run"]) == 0
    text = (folder / "run" / "run.yaml").read_text()
    (folder / "run" / "run.yaml").write_text(text.replace("status: complete", "status: training"))
    monkeypatch.chdir(folder)
    assert train.main(["--init", "chain", "--output", "run", "--resume"]) == 0


@pytest.mark.slow
def test_odd_neighbours_are_no_equal_runs(tmp_path, recipe):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "run.yaml").write_text(
        "format: tfglue.run.v1\nstatus: complete\nconfig: {}\ntasks: {}\nencoder: {}\n"
        "tokenizer: {}\ndata: {}\n"
    )
    argv = ["--task", "rte", "--intermediate", "cola", "--intermediate_recipe", recipe,
            "--max_steps", "0", "--output", str(tmp_path / "run")]
    assert train.main(argv) == 0


@pytest.mark.slow
def test_a_damaged_experiment_is_said(series, tmp_path, capsys):
    for text in ("format: tfglue.experiment.v1\n", "format: tfglue.experiment.v1\nsettings: 3\n"):
        (tmp_path / "experiment.yaml").write_text(text)
        assert train.main(["--output", str(tmp_path), "--resume"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
