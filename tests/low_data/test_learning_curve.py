"""Small learning curves from end to end: killed, gone on with, and computed again by hand."""

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from tests.commands.test_bad_input import fails
from tfglue import compare, grid_run, learning_curve
from tfglue.data.sources import SAMPLE_FOLDER
from tfglue.low_data.curve_points import curve_points
from tfglue.low_data.speed import Speed
from tfglue.run_folder import RunFolder
from tfglue.training.loop import Diverged, TrainingLoop

SMALL_BERT = Path(__file__).parents[1] / "reference" / "small_bert"
SAMPLE = (SAMPLE_FOLDER / "RTE" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
QUICK = ["--data", "sample", "--dev_examples", "24", "--max_length", "16", "--batch_size", "8",
         "--epochs", "9", "--max_steps", "2", "--evaluate_every", "2"]


def second(training, of_sizes, ready):
    """The speed of no machine: measuring has a test of its own."""
    return Speed(1.0, dict.fromkeys(of_sizes, 1.0), 1.0)


@pytest.fixture
def unmeasured(monkeypatch):
    monkeypatch.setattr(Speed, "measured", second)


def stop(loop):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def begun(tmp_path_factory, sst_run):
    """Curves of an encoder and a run, killed while the third training of four went on."""
    folder = tmp_path_factory.mktemp("curves") / "sst"
    words = ["--task", "rte", "--start", "plain=tiny", "--start", f"sst={sst_run.folder.path}",
             "--train_examples", "4,12", *QUICK, "--output", str(folder)]
    trained, train_run = [], grid_run.train_run

    def stops(given, **options):
        trained.append(given["output"])
        if len(trained) == 3:
            # After it wrote what it is, and before it is finished.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(TrainingLoop, "run", stop)
                return train_run(given, **options)
        return train_run(given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_run, "train_run", stops)
        patch.setattr(Speed, "measured", second)
        assert learning_curve.main(words) == 130
    return folder, trained, words


@pytest.fixture(scope="module")
def finished(begun):
    """The same, gone on with; and what was trained only then."""
    folder, before, _ = begun
    trained, train_run = [], grid_run.train_run

    def notes(given, **options):
        trained.append(given["output"])
        return train_run(given, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_run, "train_run", notes)
        patch.setattr(Speed, "measured", second)
        assert learning_curve.main(["--output", str(folder), "--resume"]) == 0
    return folder, before, trained


def cell(folder, start, size, seed=0):
    return folder / "starts" / start / str(size) / "seeds" / str(seed)


def rows_of(run):
    return [int(line) for line in (run / "train_rows.txt").read_text().split()]


def records(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_a_kill_leaves_what_is_finished_and_nothing_is_repeated(finished):
    folder, before, after = finished
    order = [str(cell(folder, start, size)) for size in (4, 12) for start in ("plain", "sst")]
    assert before == order[:3] and after == order[2:]
    assert all(RunFolder(path).is_finished() for path in order)


@pytest.mark.slow
def test_rows_are_nested_and_the_same_for_all_starts(finished):
    folder = finished[0]
    small, large = (rows_of(cell(folder, "plain", size)) for size in (4, 12))
    assert len(small) == 4 and len(large) == 12 and large[:4] == small
    assert len(set(large)) == 12
    for size, rows in ((4, small), (12, large)):
        assert rows_of(cell(folder, "sst", size)) == rows
    labels = [line.split("\t")[-1] for line in SAMPLE]
    shares = np.mean([label == "entailment" for label in labels])
    assert sum(labels[row] == "entailment" for row in large) == pytest.approx(12 * shares, abs=1)


@pytest.mark.slow
def test_starts_begin_where_they_say(finished, sst_run):
    folder = finished[0]
    digests = {
        start: yaml.safe_load((cell(folder, start, 4) / "run.yaml").read_text())
        for start in ("plain", "sst")
    }
    assert digests["plain"]["parents"] == []
    assert digests["sst"]["parents"][0]["run"] == str(sst_run.folder.path)
    assert digests["plain"]["encoder"]["digest"] != digests["sst"]["encoder"]["digest"]
    assert digests["plain"]["total_updates"] == digests["sst"]["total_updates"] == 2


@pytest.mark.slow
def test_the_report_says_what_the_runs_say(finished):
    folder = finished[0]
    points = records(folder / "learning_curve.csv")
    assert [(p["start"], p["size"]) for p in points] == [
        ("plain", "4"), ("plain", "12"), ("sst", "4"), ("sst", "12"),
    ]
    total = len(SAMPLE)
    for point in points:
        run = cell(folder, point["start"], point["size"])
        score = json.loads((run / "metrics.json").read_text())["rte"]["dev"]["accuracy"]
        assert float(point["mean"]) == score and point["std"] == ""
        assert int(point["examples"]) == int(point["size"])
        assert float(point["share"]) == pytest.approx(int(point["size"]) / total)
    written = json.loads((folder / "learning_curve.json").read_text())
    assert [f"{p['mean']}" for p in written["points"]] == [p["mean"] for p in points]
    assert len(written["runs"]) == len(records(folder / "scores.csv")) == 4
    assert written["dev_rows"] == 24 and "one seed" in " ".join(written["notes"])
    card = (folder / "README.md").read_text()
    assert f"| 12 | {1200 / total:.2g} % | {float(points[1]['mean']):.4f} |" in card
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_weights_are_gone_and_results_are_not(finished):
    folder = finished[0]
    assert not list(folder.rglob("*.safetensors"))
    assert len(list(folder.rglob("dev.tsv"))) == 4


@pytest.mark.slow
def test_compare_reads_a_point_as_restarts(finished, capsys):
    folder = finished[0]
    words = [f"{start}={folder / 'starts' / start / '12'}" for start in ("plain", "sst")]
    assert compare.main(words) == 0
    assert "plain" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_done_is_done(finished, unmeasured, monkeypatch, capsys):
    monkeypatch.setattr(grid_run, "train_run", lambda *_, **__: pytest.fail("trained again"))
    before = (finished[0] / "scores.csv").read_bytes()
    left = cell(finished[0], "sst", 4) / "encoder.safetensors"
    left.write_bytes(b"as a kill leaves it while weights are dropped")
    assert learning_curve.main(["--output", str(finished[0]), "--resume"]) == 0
    assert "finished already: 4 of 4" in capsys.readouterr().out
    assert (finished[0] / "scores.csv").read_bytes() == before
    assert not left.exists()


@pytest.mark.slow
def test_other_curves_and_other_runs_are_refused(finished, begun, unmeasured, tmp_path, capsys):
    folder, words = finished[0], begun[2]
    assert "holds a learning curve; add --resume" in fails(capsys, learning_curve, *words)
    for changed, message in (
        (["--train_examples", "4,13"], "train_examples was 4,12, now 4,13"),
        (["--task", "sst"], "task was rte, now sst"),
        (["--start", "other=tiny"], "start was ['plain=tiny', "),
        (["--learning_rate", "0.1"], "learning_rate was None, now 0.1"),
        (["--keep_weights", "all"], "weights of 4 finished trainings are gone; leave it out"),
    ):
        error = fails(capsys, learning_curve, "--output", folder, "--resume", *changed)
        assert message in error
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = cell(copy, "sst", 4) / "run.yaml"
    manifest = yaml.safe_load(path.read_text())
    manifest["data"]["rte"]["train"]["digest"] = "0"
    manifest["config"]["epochs"] = 8.0
    path.write_text(yaml.safe_dump(manifest))
    error = fails(capsys, learning_curve, "--output", copy, "--resume")
    assert "sst/4/seeds/0" in error and "other data, epochs than" in error


@pytest.mark.slow
def test_another_teacher_of_the_same_name_is_refused(tmp_path, sst_run, unmeasured, capsys):
    teacher, output = tmp_path / "teacher", tmp_path / "curves"
    shutil.copytree(sst_run.folder.path, teacher)
    words = ["--task", "sst", "--start", "a=tiny", "--train_examples", "4", *QUICK,
             "--teachers", str(teacher), "--output", str(output)]
    assert learning_curve.main(words) == 0
    assert learning_curve.main(["--output", str(output), "--resume"]) == 0
    head = teacher / "heads" / "sst.safetensors"
    tensors = load_file(head)
    save_file({name: 2 * value for name, value in tensors.items()}, head)
    error = fails(capsys, learning_curve, "--output", output, "--resume")
    assert f"teacher {teacher} is not what it was" in error


@pytest.mark.slow
def test_teachers_and_what_goes_with_them_may_stand_in_a_recipe(
    tmp_path, sst_run, unmeasured, capsys
):
    teacher, output, recipe = tmp_path / "teacher", tmp_path / "curves", tmp_path / "own.yaml"
    shutil.copytree(sst_run.folder.path, teacher)
    recipe.write_text(f"teachers: {teacher}\ntemperature: 2\n")
    words = ["--task", "sst", "--start", "a=tiny", "--train_examples", "4", *QUICK,
             "--recipe", str(recipe), "--output", str(output)]
    assert learning_curve.main(words) == 0
    manifest = RunFolder(output / "starts/a/4/seeds/0").manifest()
    assert manifest["teaching"] and manifest["config"]["temperature"] == 2
    card = (output / "README.md").read_text()
    assert f"| teachers | {teacher} |" in card and "| temperature | 2.0 |" in card
    recipe.write_text(f"teachers: {teacher}\ntemperature: 3\n")
    error = fails(capsys, learning_curve, "--output", output, "--resume")
    assert "other temperature than a run would be now" in error
    recipe.write_text(f"teachers: {sst_run.folder.path}\ntemperature: 2\n")
    error = fails(capsys, learning_curve, "--output", output, "--resume")
    assert f"was begun with teachers {teacher}, not {sst_run.folder.path}" in error


@pytest.mark.slow
def test_a_training_that_diverges_has_no_score_and_stops_nothing(
    tmp_path, unmeasured, monkeypatch, capsys
):
    folder, trained, train_run = tmp_path / "curves", [], grid_run.train_run

    def diverges(given, **options):
        trained.append(given["output"])
        if given["output"].endswith("12/seeds/1"):
            Path(given["output"]).mkdir(parents=True)
            raise Diverged("training diverged: the loss is nan after 2 updates")
        return train_run(given, **options)

    monkeypatch.setattr(grid_run, "train_run", diverges)
    words = ["--task", "rte", "--start", "plain=tiny", "--train_examples", "4,12", "--seeds", "2",
             *QUICK, "--output", str(folder)]
    assert learning_curve.main(words) == 0
    out = capsys.readouterr().out
    assert "  no score: training diverged: the loss is nan" in out
    assert "note: 1 run from plain diverged; means are over the others" in out
    report = json.loads((folder / "learning_curve.json").read_text())
    assert [(point["examples"], point["runs"]) for point in report["points"]] == [(4, 2), (12, 1)]
    assert [row["score"] for row in records(folder / "scores.csv")].count("") == 1
    number = len(trained)
    assert not cell(folder, "plain", 12, 1).exists()
    assert learning_curve.main(["--output", str(folder), "--resume"]) == 0
    assert trained[number:] == [str(cell(folder, "plain", 12, 1))]


@pytest.mark.slow
def test_if_all_diverge_there_is_nothing_to_report(tmp_path, unmeasured, monkeypatch, capsys):
    def diverges(given, **options):
        Path(given["output"]).mkdir(parents=True)
        raise Diverged("training diverged: the loss is nan after 2 updates")

    monkeypatch.setattr(grid_run, "train_run", diverges)
    words = ["--task", "rte", "--start", "plain=tiny", "--train_examples", "4", *QUICK]
    assert "every training diverged; lower --learning_rate" in fails(
        capsys, learning_curve, *words, "--output", tmp_path / "curves"
    )


def test_means_and_deviations_over_seeds():
    scores = {("a", 10): [0.5, 0.7, 0.6], ("a", 100): [0.8], ("b", 10): [0.4, 0.4]}
    rows = [
        {"start": start, "size": str(size), "examples": size, "share": size / 1000, "seed": seed,
         "metric": "accuracy", "score": score, "floor": 0.4, "degenerate": score <= 0.4,
         "updates": 5}
        for (start, size), values in scores.items() for seed, score in enumerate(values)
    ]
    points = {(p["start"], p["examples"]): p for p in curve_points(rows)}
    assert points.keys() == scores.keys()
    for place, values in scores.items():
        assert points[place]["mean"] == pytest.approx(np.mean(values))
        assert points[place]["runs"] == len(values)
        deviation = points[place]["std"]
        if len(values) == 1:
            assert deviation is None
        else:
            assert deviation == pytest.approx(np.std(values, ddof=1))
    assert points["b", 10]["degenerate_share"] == 1 and points["a", 10]["degenerate_share"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "sizes"),
    [("stsb", "8,40"), ("squad2", "5,20"), ("pos", "3,30"), ("qnli_rank", "20,60"),
     ("squad2_answerable", "5,20")],
)
def test_budgets_of_every_kind(task, sizes, tmp_path, unmeasured, capsys):
    words = ["--task", task, "--data", "sample", "--start", "a=tiny", "--train_examples", sizes,
             "--seeds", "3", "--batch_size", "8", "--epochs", "2", "--max_length", "64"]
    output = ["--output", str(tmp_path / "out")]
    assert learning_curve.main([*words, *output, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "sizes: 2, seeds: 3, trainings: 6" in said
    assert not (tmp_path / "out").exists()
    table = [line.split() for line in said.splitlines() if line.startswith("  ")][1:]
    for size, (name, rows, updates, *_) in zip(sizes.split(","), table, strict=True):
        assert name == size and 1 <= int(rows) <= int(size)
        assert int(updates) >= 2 * math.ceil(int(rows) / 8 - 1)
    total = sum(int(row[2]) for row in table)
    assert f"in all: {3 * total:,} updates" in said


@pytest.mark.slow
def test_the_speed_is_measured(tmp_path, capsys):
    # Of candidates that are ranked, which come in groups, beside a language model.
    words = ["--task", "qnli_rank", *QUICK, "--start", "a=tiny", "--train_fraction", "0.05,1",
             "--mlm_weight", "0.1"]
    assert learning_curve.main([*words, "--output", str(tmp_path / "out"), "--dry_run"]) == 0
    said = capsys.readouterr().out
    table = [line.split() for line in said.splitlines() if line.startswith("  ")][1:]
    assert [(row[0], row[2]) for row in table] == [("0.05", "2"), ("1", "2")]

    def seconds(clock):
        *hours, minutes, rest = map(int, clock.split(":"))
        return 3600 * sum(hours) + 60 * minutes + rest

    whole = seconds(said.split("time: about ")[1].split(",")[0])
    assert whole > 0 and whole == pytest.approx(sum(seconds(row[4]) for row in table), abs=1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--train_fraction or --train_examples is needed"),
        (["--train_fraction", "0.1,1.5"], "at most 1, not 1.5"),
        (["--train_fraction", "0,1"], "above 0 and at most 1, not 0"),
        (["--train_fraction", "nan"], "above 0 and at most 1, not nan"),
        (["--train_fraction", "0.1,all"], "such as 0.001,0.01,0.1,1, not 'all'"),
        (["--train_fraction", "0.1,0.01"], "0.01 follows 0.1"),
        (["--train_fraction", "0.1,0.1"], "name every size once"),
        (["--train_examples", "10,5"], "5 follows 10"),
        (["--train_examples", "10,"], "not ''"),
        (["--train_examples", "0.5"], "shares go with --train_fraction"),
        (["--train_examples", "0"], "at least 1, not 0"),
        (["--train_examples", "10", "--train_fraction", "0.1"], "exclude each other"),
        (["--train_examples", "10", "--start", "tiny"], "expected NAME=ENCODER"),
        (["--train_examples", "10", "--start", "=tiny"], "expected NAME=ENCODER"),
        (["--train_examples", "10", "--start", "b="], "expected NAME=ENCODER"),
        (["--train_examples", "10", "--start", "a/b=tiny"], "the name is a folder's"),
        (["--train_examples", "10", "--start", "a=other"], "'a' is named twice"),
        (["--train_examples", "10", "--start", "b=nowhere"], "--start b: encoder 'nowhere'"),
        (["--train_examples", "10,9999999"], "sst has 1400 training rows"),
        (["--train_fraction", "0.0001,0.0002"], "0.0001 and 0.0002 are the same 1 of the 1400"),
        (["--train_examples", "10", "--encoder", "tiny"], "name encoders with --start"),
        (["--train_examples", "10", "--text", "x"], "trained by python -m tfglue.pretrain"),
        (["--train_examples", "10", "--init", "run"], "name runs to begin with by --start"),
        (["--train_examples", "10", "--activations", "x"], "use --freeze encoder"),
        (["--train_examples", "10", "--train_exampels", "3"], "did you mean '--train_examples'"),
        (["--train_examples", "10", "--seeds", "0"], "--seeds: must be at least 1"),
        (["--train_examples", "10", "--max_steps", "0"], "--dry_run prints the budget"),
        (["--train_examples", "10", "--task", "sst,rte"], "learning curves are of one task"),
        (["--train_examples", "10", "--task", "sstt"], "did you mean 'sst'"),
        (["--train_examples", "10", "--recipe", "stiltz"], "did you mean 'stilts'"),
        (["--train_examples", "10", "--head", "san"], "--start a: "),
        (["--train_examples", "10", "--resume", "--output", "none"], "holds no learning curve"),
    ],
)
def test_bad_input(argv, message, capsys, tmp_path):
    words = ["--task", "sst", "--data", "sample", "--start", "a=tiny", "--output", tmp_path / "o"]
    assert message in fails(capsys, learning_curve, *words, *argv)
    assert not (tmp_path / "o").exists()


def test_a_start_is_needed(capsys):
    assert "--start is needed" in fails(capsys, learning_curve, "--task", "sst")


def test_folders_of_others_are_left_alone(tmp_path, capsys, sst_run):
    words = ["--task", "sst", "--start", "a=tiny", "--train_examples", "4", "--overwrite"]
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, sst_run.folder.path):
        error = fails(capsys, learning_curve, *words, "--output", folder)
        assert "is not empty and holds no learning curve" in error
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_runs_that_cannot_be_begun_with(tmp_path, capsys, sst_run):
    words = ["--task", "sst", "--train_examples", "4", "--output", tmp_path / "out"]
    copy = tmp_path / "copy"
    shutil.copytree(sst_run.folder.path, copy)
    RunFolder(copy).drop_weights()
    error = fails(capsys, learning_curve, *words, "--start", f"a={copy}")
    assert error.startswith("error: --start a: ") and "results were kept, not weights" in error
    manifest = RunFolder(copy).manifest()
    RunFolder(copy).write_manifest({**manifest, "status": "training"})
    assert "is not finished" in fails(capsys, learning_curve, *words, "--start", f"a={copy}")
    missing = f"a={sst_run.folder.path}@7"
    assert "kept no weights of epoch 7" in fails(capsys, learning_curve, *words, "--start", missing)


@pytest.mark.slow
def test_starts_that_would_be_trained_differently(tmp_path, capsys, unmeasured):
    words = ["--task", "sst", "--start", "a=tiny", "--start", f"b={SMALL_BERT}",
             "--train_examples", "4", "--output", tmp_path / "out", "--max_length", "16"]
    error = fails(capsys, learning_curve, *words)
    assert "--start b: it would not be trained as a is" in error and "give --learning_rate" in error
    settings = ["--learning_rate", "1e-3", "--epochs", "2", "--batch_size", "8", "--dry_run"]
    assert learning_curve.main([str(word) for word in (*words, *settings)]) == 0


def test_a_table_that_lacks_rows_of_the_largest_size_is_refused(capsys, tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("id\tprobability_negative\tprobability_positive\n0\t0.5\t0.5\n")
    words = ["--task", "sst", "--data", "sample", "--start", "a=tiny", "--train_examples", "1,10",
             "--teachers", table, "--output", tmp_path / "o", "--dry_run"]
    assert "of 10 training examples" in fails(capsys, learning_curve, *words)
