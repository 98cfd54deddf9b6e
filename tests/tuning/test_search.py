"""Whole searches on sample data with the tiny encoder."""

import csv
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras_tuner
import pytest
import yaml

from data_prep import activations
from tests.tuning.fake import Killed, fake_search
from tfglue import convert, tasks
from tfglue.config import TrainConfig
from tfglue.data.sources import SAMPLE_FOLDER, open_source
from tfglue.errors import UserError
from tfglue.files import CannotWrite
from tfglue.flags import add_flags, given
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tuning import hypermodel
from tuning.plan import make_plan
from tuning.report import write_report
from tuning.role import CHIEF, IP, NAME, PORT
from tuning.search_folder import SearchFolder
from tuning.session import search

TRAIN = dict(task="sst", data="sample", train_examples=32, batch_size=16, epochs=2, dev_examples=20)
SPACE = ["learning_rate=log:1e-4:1e-2", "head_dropout=uniform:0:0.3"]
SEARCH = dict(tuner="random", trials=3)

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def bytes_of(run, *names):
    names = names or ("metrics.json", "history.csv", "heads/sst.safetensors")
    return {name: (run / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory):
    """A finished search that was killed in its second trial, and what it said in both sessions."""
    output = tmp_path_factory.mktemp("search") / "sst"
    lines, calls, train = [], [], hypermodel.train

    def killed_later(settings, callbacks):
        calls.append(settings)
        if len(calls) == 2:
            callbacks = [*callbacks, Killer()]
        return train(settings, callbacks=callbacks)

    hypermodel.train = killed_later
    try:
        with pytest.raises(Killed):
            search(SEARCH, {**TRAIN, "output": str(output)}, SPACE, say=lines.append)
    finally:
        hypermodel.train = train
    first = SearchFolder(output).records()
    search({}, {"output": str(output), "resume": True}, say=lines.append)
    return output, lines, first


class Killer(hypermodel.PauseAtEpoch):
    """Ends the process, as it were, after the first evaluation of a run."""

    def __init__(self):
        super().__init__(0)

    def on_evaluation(self, history):
        raise Killed


def test_every_trial_is_an_ordinary_run(killed_and_resumed):
    output, _, first = killed_and_resumed
    folder = SearchFolder(output)
    records = folder.records()
    assert [record.trial for record in records] == [0, 1, 2] and len(first) == 1
    assert records[0] == first[0]  # Not trained again.
    assert len({record.values["learning_rate"] for record in records}) == 3
    for record in records:
        run = RunFolder(folder.trial(record.trial))
        manifest = run.manifest()
        assert manifest["status"] == "complete" and manifest["config"]["tune_split"] == 0.1
        for name, value in record.values.items():
            assert manifest["config"][name] == value
        assert run.metrics()["sst"]["dev"]["accuracy"] == record.score
        assert record.epochs == 2
        assert record.seconds >= run.timing()["seconds"]  # Of both lives of the second.


def test_scores_are_of_held_out_rows_and_dev_is_computed_for_the_best_alone(killed_and_resumed):
    output, lines, _ = killed_and_resumed
    report = json.loads((output / "report.json").read_text())
    dev = open_source(tasks.get("sst"), "sample").read("dev")
    evaluated = [path for path in output.glob("trials/*/evaluation.json")]
    assert len(evaluated) == 1
    content = json.loads(evaluated[0].read_text())
    assert content["data"]["sst"]["dev"] == {"rows": len(dev), "digest": dev.digest()}
    assert report["dev"]["dev"]["accuracy"]["mean"] == content["sst"]["dev"]["accuracy"]
    for path in output.glob("trials/*/run.yaml"):
        data = yaml.safe_load(path.read_text())["data"]["sst"]["dev"]
        assert data["digest"] != dev.digest() and "held out" in data["origin"]
    said = "\n".join(lines)
    tune = report["best"]["tune"]["score"]
    assert f"accuracy on 10 % of train, held out (searched on): {tune:.4f}" in said
    assert "accuracy on dev (computed once): " in said


def test_the_command_of_the_best_makes_it_again(killed_and_resumed, tmp_path):
    output, _, _ = killed_and_resumed
    report = json.loads((output / "report.json").read_text())
    records = SearchFolder(output).records()
    best = max(records, key=lambda record: record.score)
    assert report["best"]["trial"] == best.trial
    kept = output / "best"
    assert bytes_of(kept) == bytes_of(output / best.runs[0])
    from tfglue.command_line import Parser

    parser = Parser("train", "")
    add_flags(parser, TrainConfig)
    words = shlex.split(report["best"]["command"])
    assert words[:3] == ["python", "-m", "tfglue.train"]
    settings = given(parser.parse_args(words[3:]), TrainConfig)
    again = Run.train(settings | {"output": str(tmp_path / "again")})
    assert bytes_of(again.folder.path) == bytes_of(kept)
    # The other one trains on all rows, and takes its best evaluation on dev.
    words = shlex.split(report["best"]["command_on_all_rows"])
    settings = given(parser.parse_args(words[3:]), TrainConfig)
    assert settings["learning_rate"] == best.values["learning_rate"]
    assert "tune_split" not in settings and settings["epochs"] == 2


def test_weights_stay_of_the_best_alone(killed_and_resumed, tmp_path, capsys):
    output, _, _ = killed_and_resumed
    records = SearchFolder(output).records()
    kept = [record for record in records if (output / record.runs[0] / "heads").is_dir()]
    assert [record.score for record in kept] == [max(record.score for record in records)]
    other = next(record for record in records if record not in kept)
    run = str(output / other.runs[0])
    assert convert.main(["--run", run, "--output", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert "results were kept, not weights" in error and "--overwrite" in error
    assert error.count("\n") == 1


def test_table_plots_and_hparams(killed_and_resumed):
    output, _, _ = killed_and_resumed
    with open(output / "trials.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert set(rows[0]) >= {"accuracy", "learning_rate", "head_dropout", "epochs", "seconds"}
    for name in ("parallel_coordinates.png", "progress.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")
    assert not (output / "importance.png").exists()  # Of three trials nothing can be told.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(output / "tensorboard" / "0002"))
    events.Reload()
    assert {"accuracy", "_hparams_/session_start_info"} <= {
        *events.Tags()["tensors"], *events.summary_metadata,
    }
    card = (output / "README.md").read_text()
    assert "![trials](parallel_coordinates.png)" in card and "--tune_split 0.1" in card


def test_a_finished_search_is_not_repeated_and_says_the_same(killed_and_resumed, monkeypatch):
    output, lines, _ = killed_and_resumed
    before = json.loads((output / "report.json").read_text())
    monkeypatch.setattr(hypermodel, "train", None)
    monkeypatch.setattr("tuning.report.evaluation", None)  # Nor is dev computed again.
    again = []
    assert search({}, {"output": str(output), "resume": True}, say=again.append) == before
    assert again[-5:] == lines[-5:]


@pytest.mark.parametrize(
    ("train", "options", "space", "message"),
    [
        ({"task": "rte"}, {}, (), "--resume: task was sst, now rte"),
        ({"epochs": 3}, {}, (), "--resume: epochs was 2.0, now 3"),
        ({}, {"tuner": "grid"}, (), "--resume: tuner was random, now grid"),
        ({}, {}, ["learning_rate=log:1e-5:1e-2"], "--resume: the space of"),
        ({"resume": False}, {}, (), "add --resume to go on with it, --overwrite"),
    ],
)  # fmt: skip
def test_the_folder_of_another_search_is_refused(
    killed_and_resumed, train, options, space, message
):
    output, _, _ = killed_and_resumed
    with pytest.raises(UserError) as error:
        search(options, {"output": str(output), "resume": True} | train, space)
    assert message in str(error.value)


def test_what_is_the_same_by_another_name_goes_on(killed_and_resumed, tmp_path):
    output = shutil.copytree(killed_and_resumed[0], tmp_path / "sst")
    moved = shutil.copytree(SAMPLE_FOLDER, tmp_path / "moved")
    defaults = {"tuner": "random", "model": "bert", "keep_weights": "best"}
    train = {"data": str(moved), "checkpoint_seconds": 60, "output": str(output), "resume": True}
    before = json.loads((output / "report.json").read_text())
    assert search(defaults, train, SPACE)["trials"] == before["trials"]
    rows = (moved / "SST-2" / "train.tsv").read_text().splitlines(keepends=True)
    (moved / "SST-2" / "train.tsv").write_text("".join(rows[:-1]))
    with pytest.raises(UserError, match="data or encoder are not those"):
        search({}, train)


@pytest.mark.parametrize(
    "tuner", ["bayesian", "hyperband", pytest.param("random", marks=pytest.mark.long),
              pytest.param("grid", marks=pytest.mark.long)],
)
def test_every_tuner_searches_heads_on_a_store(rte_store, tuner, tmp_path):
    settings = {"model": "adapter_pooler", "tuner": tuner}
    settings |= {"grid": {"grid_points": 2}, "hyperband": {"factor": 2}}.get(tuner, {"trials": 3})
    train = dict(task="rte", data="sample", activations=str(rte_store), batch_size=8, epochs=2,
                 train_examples=24, dev_examples=16, max_length=32, output=str(tmp_path / tuner))
    report = search(settings, train, ["learning_rate=log:1e-3:1e-1", "head.size=choice:4,8"])
    assert report["trials"] == {"grid": 4, "hyperband": 5}.get(tuner, 3)
    assert set(report["best"]["values"]) == {"learning_rate", "head.size"}
    assert report["dev"]["dev"]["accuracy"]["count"] == 1


@pytest.fixture(scope="module")
def rte_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "rte"
    words = ["--encoder", "tiny", "--task", "rte", "--data", "sample", "--max_length", "32",
             "--max_steps", "1", "--tune_split", "0.1", "--output", str(folder)]
    assert activations.main(words) == 0
    return folder


def test_two_workers_end_where_one_does(killed_and_resumed, tmp_path):
    output, _, _ = killed_and_resumed
    search(
        SEARCH | {"workers": 2, "keep_weights": "all"},
        {**TRAIN, "output": str(tmp_path / "two")}, SPACE, say=lambda line: None,
    )
    one, two = (SearchFolder(folder).records() for folder in (output, tmp_path / "two"))
    assert [(r.trial, r.values, r.scores) for r in one] == [
        (r.trial, r.values, r.scores) for r in two
    ]
    logs = sorted(path.name for path in (tmp_path / "two" / "workers").iterdir())
    assert logs == ["worker0.log", "worker1.log"]
    for record in two:
        assert (tmp_path / "two" / record.runs[0] / "encoder.safetensors").is_file()


@pytest.mark.long
def test_a_chief_and_workers_that_were_started_by_hand_end_where_one_does(
    killed_and_resumed, tmp_path
):
    output, _, _ = killed_and_resumed
    flags = {**TRAIN, "output": str(tmp_path / "search")} | SEARCH
    command = [sys.executable, "-m", "tuning.search",
               *(word for name, value in flags.items() for word in (f"--{name}", str(value))),
               *(word for text in SPACE for word in ("--space", text))]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {IP: "127.0.0.1", PORT: str(port)}
    started = [
        subprocess.Popen(
            [*command, *more], cwd=REPOSITORY, env=environment | {NAME: name},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for name, more in ((CHIEF, ["--resume"]), ("worker0", []), ("worker1", []))
    ]
    for process in started:
        assert process.wait(300) == 0, process.stderr.read()
    one, several = (SearchFolder(folder).records() for folder in (output, tmp_path / "search"))
    assert [(r.trial, r.values, r.scores) for r in one] == [
        (r.trial, r.values, r.scores) for r in several
    ]
    assert json.loads((tmp_path / "search" / "report.json").read_text())["trials"] == len(one)


@pytest.mark.long
def test_killed_at_random_moments_no_trial_is_repeated_or_lost(tmp_path):
    """SIGKILL of the chief of two workers, and resumed at once, their trials perhaps still held."""
    output, trials = tmp_path / "killed", 5
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    flags = {**TRAIN, "epochs": 1, "output": str(output)} | SEARCH | {"trials": trials}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tuning.search", *words, "--workers", "2", "--resume",
               *(word for text in SPACE for word in ("--space", text))]
    # The first session while workers train, the second one anywhere from its start on.
    for wanted, seconds in ((2, 2), (0, 15)):
        chief = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        while len(recorded(output)) < wanted:
            assert chief.poll() is None, "ended before its kill"
            time.sleep(0.005)
        time.sleep(moments.uniform(0, seconds))
        os.kill(chief.pid, signal.SIGKILL)
        chief.wait()
    before = recorded(output)
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, (seed, ended.stderr)
    after = recorded(output)
    assert before.items() <= after.items(), seed  # What was over was not touched again.
    # What the search was to try, by the tuner alone, without any training.
    _, oracle, _ = fake_search(
        tmp_path / "planned", tuner="random", trials=trials, space=SPACE,
    )
    planned = [oracle.create_trial(str(number)).hyperparameters.values for number in range(trials)]
    records = SearchFolder(output).records()
    assert [record.trial for record in records] == list(range(trials)), seed
    assert [dict(record.values) for record in records] == planned
    for record in records:
        run = RunFolder(output / record.runs[0])
        assert run.manifest()["status"] == "complete" and record.epochs == 1, seed
        assert run.metrics()["sst"]["dev"]["accuracy"] == record.score
    report = json.loads((output / "report.json").read_text())
    assert report["trials"] == trials and not list(output.glob("trials/*/.lock"))


def recorded(output):
    """Trials that are over: record -> what it says, and when its run ended."""
    return {
        path.name: (path.read_bytes(), (path.with_suffix("") / "timing.json").read_bytes())
        for path in output.glob("trials/[0-9]*.json")
    }


def test_a_trial_that_cannot_be_is_refused_and_the_search_can_go_on(tmp_path, monkeypatch):
    """What no check before training has found does not end the search for good."""
    plan, folder = make_plan(SEARCH, TRAIN, SPACE), SearchFolder(tmp_path / "s")

    def refuses(settings, callbacks):
        raise UserError("--head x: does not go with this rate")

    monkeypatch.setattr(hypermodel, "train", refuses)
    hp = keras_tuner.HyperParameters()
    hp.values = {"learning_rate": 0.003, "head_dropout": 0.1}
    record = hypermodel.RunHyperModel(plan, folder, max_epochs=2).fit(hp, trial=0)
    assert (record.status, record.score, record.epochs) == ("refused", None, 0)
    assert record.message == "--head x: does not go with this rate"
    assert folder.records() == [record]


@pytest.mark.parametrize("lost", ["data", "disk"])
def test_what_is_wrong_for_all_trials_ends_the_search_and_no_trial(tmp_path, monkeypatch, lost):
    file = tmp_path / "rows.tsv"
    rows = [f"{word} film\t{label}" for word, label in (("good", 1), ("bad", 0)) for _ in range(20)]
    file.write_text("\n".join(["text\tlabel", *rows]) + "\n")
    train = dict(train_file=str(file), epochs=1, batch_size=16)
    plan, folder = make_plan(SEARCH, train, SPACE[:1]), SearchFolder(tmp_path / "s")
    if lost == "data":
        file.rename(tmp_path / "moved")
    else:
        def full(settings, callbacks):
            raise CannotWrite(Path(settings["output"]), "No space left on device")

        monkeypatch.setattr(hypermodel, "train", full)
    hp = keras_tuner.HyperParameters()
    hp.values = {"learning_rate": 0.003}
    model = hypermodel.RunHyperModel(plan, folder, max_epochs=2)
    with pytest.raises(UserError, match={"data": r"rows\.tsv", "disk": "No space left"}[lost]):
        model.fit(hp, trial=0)
    assert not folder.records()  # So it is begun again when the search is resumed.


def test_nothing_of_a_diverged_trial_of_several_seeds_stays_but_its_results(tmp_path, monkeypatch):
    train = dict(TRAIN, epochs=2, save="all", seeds=3)
    plan = make_plan(SEARCH, train, SPACE[:1])
    folder = SearchFolder(tmp_path / "s")
    calls, trains = [], hypermodel.train

    def diverges(settings, callbacks):
        calls.append(settings)
        if len(calls) == 2:
            callbacks = [*callbacks, Diverges()]
        return trains(settings, callbacks=callbacks)

    monkeypatch.setattr(hypermodel, "train", diverges)
    model = hypermodel.RunHyperModel(plan, folder, max_epochs=2)
    hp = keras_tuner.HyperParameters()
    hp.values = {"learning_rate": 0.003}
    record = model.fit(hp, trial=0)
    assert record.status == "diverged" and len(calls) == 2
    left = {path.name for path in folder.trials.rglob("*.safetensors")}
    assert not left
    assert (folder.path / record.runs[0] / "metrics.json").is_file()


class Diverges(hypermodel.PauseAtEpoch):
    """A loss that is no longer finite, after the first epoch is kept."""

    def __init__(self):
        super().__init__(2)

    def on_evaluation(self, history):
        if history[-1]["epoch"] >= self.epoch:
            raise hypermodel.Diverged("the loss is nan")


def test_hyperband_goes_on_with_runs_that_it_paused(tmp_path):
    """A trial of two seeds that is trained for one epoch, and goes on to two in another trial."""
    plan = make_plan(dict(tuner="hyperband", factor=2), {**TRAIN, "seeds": 2}, SPACE[:1])
    folder = SearchFolder(tmp_path / "h")
    model = hypermodel.RunHyperModel(plan, folder, max_epochs=2)
    for trial, rung in enumerate((
        {"tuner/epochs": 1, "tuner/initial_epoch": 0},
        {"tuner/epochs": 2, "tuner/initial_epoch": 1, "tuner/trial_id": "0"},
    )):
        hp = keras_tuner.HyperParameters()
        hp.values = {"learning_rate": 0.003, **rung}
        model.fit(hp, trial=trial)
    begun, whole = folder.records()
    assert (begun.status, whole.status, whole.continues) == ("paused", "finished", 0)
    assert (begun.epochs, whole.epochs) == (2, 2)  # One for each seed; nothing is trained twice.
    assert begun.runs == whole.runs == ("trials/0000/seeds/0", "trials/0000/seeds/1")
    straight = Run.train(
        TRAIN, learning_rate=0.003, tune_split=0.1, seed=1, output=str(tmp_path / "straight")
    )
    assert bytes_of(folder.path / whole.runs[1]) == bytes_of(straight.folder.path)

    report = write_report(plan, folder, {"0": 1.0, "1": 2.0}, say=lambda line: None)
    scores = [RunFolder(folder.path / run).metrics()["sst"]["dev"]["accuracy"]
              for run in whole.runs]  # fmt: skip
    assert list(whole.scores) == scores and report["best"]["tune"]["score"] == sum(scores) / 2
    assert report["best"]["trial"] == 1 and report["epochs"] == 4
    assert report["by_status"] == {"paused": 1, "finished": 1}
    assert report["dev"]["dev"]["accuracy"]["count"] == 2
    seed = yaml.safe_load((folder.best / "run.yaml").read_text())["config"]["seed"]
    assert scores[seed] == max(scores)
