"""Tasks come to a run, leave it and travel, while everything else stays byte for byte."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tfglue import added_task, compare, convert, evaluate, parts, predict, run_parts, tasks, train
from tfglue.data.sources import open_source
from tfglue.errors import UserError
from tfglue.kept_predictions import KeptPredictions
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.run_parts import RunParts
from tfglue.task_part import TaskPart
from tfglue.training.loop import Interrupted

SMALL_BERT = Path(__file__).parents[1] / "reference" / "small_bert"
PAL = "pal:size=8,heads=2"
SHORT = dict(data="sample", train_examples=24, batch_size=8, learning_rate=1e-3, max_length=32)


def does(command, *argv) -> None:
    assert command.main([str(word) for word in argv]) == 0


def fails(capsys, command, *argv) -> str:
    """Runs a command that must fail, and returns its one line."""
    capsys.readouterr()
    assert command.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def trained(path, **settings) -> Path:
    Run.train({**SHORT, "encoder": str(SMALL_BERT), "max_steps": 3, **settings,
               "output": str(path)})
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def base(place):
    """Two tasks with an adapter each."""
    return trained(place / "base", task="sst,ner", adapter=PAL, save="all")


@pytest.fixture(scope="module")
def wnli(base, place):
    """A further task beside the encoder of `base`, which it is not added to."""
    return trained(place / "wnli", task="wnli", adapter=PAL, init=str(base), freeze="encoder",
                   encoder=None)


@pytest.fixture
def run(base, tmp_path):
    return Path(shutil.copytree(base, tmp_path / "run"))


def files(folder: Path, *names: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in names for path in sorted(folder.rglob(name)) if path.is_file()
    }


def manifest(folder: Path) -> dict:
    return yaml.safe_load((folder / "run.yaml").read_text())


def answers(folder: Path, task: str, output: Path) -> bytes:
    does(predict, "--run", folder, "--task", task, "--data", "sample", "--split", "dev",
         "--output", output, "--overwrite")
    return output.read_bytes()


@pytest.mark.slow
def test_a_ninth_task_is_trained_and_added_and_nothing_else_changes(run, tmp_path, capsys):
    before = files(run, "*.safetensors", "*.tsv", "*.json")
    weights = {name: content for name, content in before.items() if name.endswith("tensors")}
    own = tmp_path / "wnli"
    does(parts, "add", "--run", run, "--task", "wnli", "--data", "sample", "--train_examples", "24",
         "--max_steps", "2", "--max_length", "24", "--batch_size", "4", "--output", own)
    assert "encoder" in capsys.readouterr().out
    after = files(run, "*.safetensors", "*.tsv", "*.json")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"metrics.json"} and weights.items() <= after.items()
    assert {name for name in after if name not in before} == {
        "adapters/wnli.safetensors", "heads/wnli.safetensors", "predictions/wnli/dev.tsv",
        "predictions/wnli/dev.json",
    }
    for name in ("encoder.safetensors", "adapters/wnli.safetensors", "heads/wnli.safetensors"):
        assert (run / name).read_bytes() == (own / name).read_bytes()

    content, lineage = manifest(run), manifest(own)
    assert content["task_settings"]["wnli"] | {"max_length": 24, "batch_size": 4} == (
        content["task_settings"]["wnli"]
    )
    assert [step["tasks"] for step in lineage["parents"]] == [["sst", "ner"]]
    assert [step["tasks"] for step in content["added"]["wnli"]["lineage"]] == [
        ["sst", "ner"], ["wnli"]
    ]
    counts = content["parameters"]
    assert counts["parts"]["heads.wnli"] == 2 * 33
    assert counts["total"] == sum(
        array.size for path in [run / "encoder.safetensors", *run.glob("*s/*.safetensors")]
        for array in load_file(path).values()
    )
    card = (run / "README.md").read_text()
    assert "| adapter of wnli |" in card and f"- wnli: from `{own}`" in card
    assert "| wnli | dev | 204 |" in card


@pytest.mark.slow
def test_an_added_task_answers_as_the_run_that_trained_it(run, wnli, tmp_path):
    does(parts, "add", "--run", run, "--from", wnli)
    assert answers(run, "wnli", tmp_path / "a") == answers(wnli, "wnli", tmp_path / "b")
    does(evaluate, "--run", run)
    found = json.loads((run / "evaluation.json").read_text())
    assert set(found["main"]) == {"sst", "ner", "wnli"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert found["wnli"]["dev"] == pytest.approx(metrics["wnli"]["dev"])
    opened = Run.open(run)
    assert opened.configs["wnli"].max_length == 32
    assert Run.open(f"{run}@0").tasks.keys() == {"sst", "ner"}
    for task in ("sst", "wnli"):
        examples = open_source(tasks.get(task), "sample").read("dev", labelled=False)
        assert KeptPredictions(run).objection(task, "dev", examples) == ""


@pytest.mark.slow
def test_a_task_that_left_comes_back_from_its_file_with_the_same_answers(
    base, run, wnli, tmp_path, capsys
):
    untouched, card = manifest(run), (run / "README.md").read_text()
    does(parts, "add", "--run", run, "--from", wnli)
    with_it = files(run, "wnli.safetensors")
    before = answers(run, "wnli", tmp_path / "before")
    file = tmp_path / "shipped" / "wnli.safetensors"
    does(parts, "export", "--run", run, "--task", "wnli", "--output", file)
    assert f"{file.stat().st_size / 1e6:.2f} MB" in capsys.readouterr().out
    does(parts, "remove", "--run", run, "--task", "wnli")
    assert not [path for path in run.rglob("*wnli*")]
    assert manifest(run) == untouched | {"added": {}}
    assert (run / "README.md").read_text() == card.replace(f"run {base}", f"run {run}")
    assert set(json.loads((run / "metrics.json").read_text())) == {"sst", "ner", "main"}

    does(parts, "import", "--run", run, "--file", file)
    assert files(run, "wnli.safetensors") == with_it
    assert answers(run, "wnli", tmp_path / "after") == before


@pytest.mark.slow
def test_a_trained_task_of_the_run_moves_to_another_run_of_the_encoder(run, wnli, tmp_path):
    other = Path(shutil.copytree(wnli, tmp_path / "other"))
    file = tmp_path / "ner.safetensors"
    does(parts, "export", "--run", run, "--task", "ner", "--output", file)
    does(parts, "import", "--run", other, "--file", file, "--as", "names")
    ours, theirs = Run.open(run), Run.open(other)
    words = ["anna met mr smith in new york"]
    assert theirs.predict(words, task="names") == ours.predict(words, task="ner")
    assert theirs.tasks["names"].labels == ours.tasks["ner"].labels
    does(parts, "remove", "--run", run, "--task", "ner")
    assert not (run / "epochs" / "0" / "heads" / "ner.safetensors").exists()
    assert list(Run.open(f"{run}@0").tasks) == list(Run.open(run).tasks) == ["sst"]


@pytest.mark.slow
def test_the_list_shows_every_task(run, wnli, capsys):
    does(parts, "add", "--run", run, "--from", wnli)
    capsys.readouterr()
    does(parts, "list", "--run", run)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["sst", "ner", "wnli"]
    assert lines[4].split()[1] == "classify" and lines[4].endswith(str(wnli))
    size = sum(array.size for array in load_file(run / "adapters" / "sst.safetensors").values())
    assert lines[2].split()[2:4] == [f"{size:,}", "66"]
    score = json.loads((run / "metrics.json").read_text())["sst"]["dev"]["accuracy"]
    assert f"accuracy {score:.4f}" in lines[2]


def strings(value) -> list[str]:
    """All texts in what was read from JSON, keys included."""
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in strings(item))]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def exported(file: Path) -> dict:
    with safe_open(file, framework="numpy") as opened:
        return json.loads(opened.metadata()["part"])


def check_without_places(file: Path, *places: Path) -> None:
    with safe_open(file, framework="numpy") as opened:
        texts = [*strings(opened.metadata()), *strings(json.loads(opened.metadata()["part"]))]
    # Neither where runs and rows lie, nor the encoder and the sample.
    for place in (*places, Path(__file__).parents[2]):
        assert not [text for text in texts if str(place) in text]


@pytest.mark.slow
def test_a_file_for_others_names_no_places(wnli, place, tmp_path):
    file = tmp_path / "wnli.safetensors"
    does(parts, "export", "--run", wnli, "--output", file)
    check_without_places(file, place, tmp_path)
    content = exported(file)
    assert content["settings"]["encoder"] is content["settings"]["init"] is None
    assert content["encoder"]["name"] == SMALL_BERT.name
    assert [step["run"] for step in content["lineage"]] == ["base", "wnli"]
    origins = {split: facts["origin"] for split, facts in manifest(wnli)["data"]["wnli"].items()}
    assert {"train", "dev"} <= set(origins)
    for split, facts in content["data"].items():
        assert "/" in origins[split] and facts["origin"] == origins[split].rpartition("/")[2]


@pytest.mark.slow
def test_changes_at_the_same_time_do_not_undo_each_other(run, wnli):
    folder = RunFolder(run)
    one, other = RunParts(folder), RunParts(folder)  # As two commands begin.
    one.remove("ner")
    does(parts, "add", "--run", run, "--from", wnli)
    other.attach(TaskPart.of_run(RunFolder(wnli)).called("pairs"), "elsewhere")
    content = manifest(run)
    assert list(content["tasks"]) == ["sst", "wnli", "pairs"]
    assert [n for n in content["parameters"]["parts"] if n.startswith("heads.")] == [
        "heads.sst", "heads.wnli", "heads.pairs"
    ]
    assert set(Run.open(run).tasks) == {"sst", "wnli", "pairs"}


@pytest.mark.slow
def test_the_card_is_written_after_what_it_tells_of(run, wnli, monkeypatch):
    before = (run / "README.md").read_bytes()

    def killed(*argv):
        raise Killed

    monkeypatch.setattr(run_parts, "model_card", killed)
    with pytest.raises(Killed):
        parts.main(["add", "--run", str(run), "--from", str(wnli)])
    assert "wnli" in manifest(run)["tasks"] and (run / "README.md").read_bytes() == before


@pytest.mark.slow
def test_nothing_of_a_removed_task_stays_with_kept_weights(run):
    kept = [run / "epochs" / "0", run / "best" / "sst", run / "best" / "ner"]
    for weights in kept:
        for task in ("sst", "ner"):
            (weights / "predictions" / task).mkdir(parents=True)
            (weights / "predictions" / task / "dev.tsv").write_text("index\tprediction\n")
    (kept[0] / "evaluation.json").write_text("{}")
    does(parts, "remove", "--run", run, "--task", "ner")
    assert not [path for path in run.rglob("*") if path.stem == "ner"]
    assert not (kept[0] / "evaluation.json").exists()
    assert sorted(path.parent for path in run.rglob("predictions/sst")) == sorted(
        weights / "predictions" for weights in (run, *kept[:2])
    )


@pytest.mark.slow
def test_weights_of_a_task_that_the_run_has_not_are_none(run):
    (run / "best" / "rte").mkdir(parents=True)
    with pytest.raises(UserError, match="@rte: this run kept no weights of task rte") as caught:
        Run.open(f"{run}@rte")
    assert "rte'" not in str(caught.value) and ", rte" not in str(caught.value)


@pytest.mark.slow
def test_whoever_is_interrupted_can_paste_the_rest(run, tmp_path, monkeypatch, capsys):
    seen = []

    def interrupted(settings, say):
        seen.append(settings["output"])
        folder = RunFolder(settings["output"])
        assert not folder.exists
        if len(seen) > 1:
            folder.write_history([])
        raise Interrupted("stopped")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(added_task, "train", interrupted)
    for _ in range(3):
        assert parts.main(["add", "--run", str(run), "--task", "wnli", "--data", "sample"])
        assert capsys.readouterr().err.rstrip().endswith(
            f"then python -m tfglue.parts add --run {run} --from {seen[-1]}"
        )
    # Where nothing was written, the name is free again.
    assert seen == ["saved_models/wnli", "saved_models/wnli", "saved_models/wnli-2"]
    parts.main(["add", "--run", str(run), "--task", "wnli", "--data", "sample", "--output", "a b"])
    assert capsys.readouterr().err.rstrip().endswith("--from 'a b'")


@pytest.mark.slow
def test_a_name_of_a_built_in_task_is_refused_before_training(run, monkeypatch, capsys):
    other = dataclasses.replace(tasks.get("rte"), labels=("no", "yes"))
    monkeypatch.setattr(added_task, "choose_tasks", lambda *argv: [(other, None)])
    monkeypatch.setattr(added_task, "train", None)
    error = fails(capsys, parts, "add", "--run", run, "--task", "rte")
    assert "--task rte: its task 'rte' is not the built-in one" in error
    assert error.endswith("with --task NAME\n")


@pytest.mark.slow
@pytest.mark.parametrize("flags", [("--keep_layers", "bottom:1"), ("--text", "a.txt")], ids=str)
def test_what_would_make_another_encoder_is_refused_before_training(
    run, flags, monkeypatch, capsys
):
    monkeypatch.setattr(added_task, "train", None)
    error = fails(capsys, parts, "add", "--run", run, "--task", "wnli", "--data", "sample", *flags)
    assert f"{flags[0]}: a task that is added to {run} is trained beside its encoder" in error


class Killed(BaseException):
    """Stands for SIGKILL: nothing that catches exceptions catches it."""


def stop_at(monkeypatch, number: int) -> None:
    """Stops the process before its n-th change of a name in the file system."""
    left = [number]

    def counted(function):
        def step(*argv, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*argv, **options)

        return step

    for owner, name in (("os", "replace"), ("os", "unlink"), ("shutil", "rmtree")):
        module = __import__(owner)
        monkeypatch.setattr(module, name, counted(getattr(module, name)))


@pytest.mark.slow
@pytest.mark.parametrize("action", ["add", pytest.param("remove", marks=pytest.mark.long)])
def test_a_kill_at_any_moment_leaves_a_run_that_can_be_read(run, wnli, tmp_path, action):
    prepared = tmp_path / "prepared"
    shutil.copytree(run, prepared)
    words = ["add", "--run", run, "--from", wnli]
    if action == "remove":
        does(parts, "add", "--run", prepared, "--from", wnli)
        words = ["remove", "--run", run, "--task", "wnli"]
    seen = set()
    for number in range(200):
        shutil.rmtree(run)
        shutil.copytree(prepared, run)
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, number)
            try:
                does(parts, *words)
                finished = True
            except Killed:
                finished = False
        known = set(manifest(run)["tasks"])
        seen.add("wnli" in known)
        assert known - {"wnli"} == {"sst", "ner"}
        # What run.yaml names is there, whole; scores of others are not shown.
        for task in known:
            assert load_file(run / "heads" / f"{task}.safetensors")
            assert load_file(run / "adapters" / f"{task}.safetensors")
        does(parts, "list", "--run", run)
        if finished:
            break
    else:
        pytest.fail("never came to its end")
    assert number > 8 and seen == {True, False}
    assert set(Run.open(run).tasks) == known


@pytest.mark.slow
def test_what_a_kill_left_is_gone_with_the_next_change(run, wnli, capsys):
    expected = Path(shutil.copytree(run, run.parent / "expected"))
    does(parts, "add", "--run", expected, "--from", wnli)
    for number in (3, 8, 11):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            stop_at(patch, number)
            parts.main(["add", "--run", str(run), "--from", str(wnli)])
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["ghost"], metrics["main"]["ghost"] = {"dev": {"accuracy": 1.0}}, "accuracy"
    (run / "metrics.json").write_text(json.dumps(metrics))
    (run / ".encoder.safetensors.1.tmp").mkdir()
    assert "ghost" not in Run.open(run).metrics
    does(parts, "add", "--run", run, "--from", wnli)
    names = ("*.safetensors", "*.json", "*.tsv", "run.yaml", ".*")
    assert files(run, *names) == files(expected, *names)


def changed(source: Path, target: Path, **config) -> Path:
    """A copy of a run that says of itself what is not so."""
    shutil.copytree(source, target)
    content = manifest(target)
    for part in ("config", "encoder"):
        content[part].update(config.get(part, {}))
    (target / "run.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return target


@pytest.mark.slow
def test_parts_that_do_not_fit_are_refused(run, base, wnli, tmp_path, capsys):
    file = tmp_path / "wnli.safetensors"
    does(parts, "export", "--run", wnli, "--output", file)
    before = files(run, "*")

    def refused(*argv) -> str:
        return fails(capsys, parts, *argv)

    more = changed(wnli, tmp_path / "more")
    weights = load_file(more / "encoder.safetensors")
    weights["pooler.bias"][0] += 1e-6
    save_file(weights, more / "encoder.safetensors")
    assert "encoder with other weights" in refused("add", "--run", run, "--from", more)
    assert "tfglue.parts add --run" in refused("import", "--run", more, "--file", file,
                                              "--as", "w")
    shape = manifest(wnli)["encoder"]["config"] | {"num_layers": 2}
    tiny = changed(wnli, tmp_path / "tiny", encoder={"config": shape})
    own = manifest(wnli)["encoder"]["config"]
    for setting, value in (("activation", "relu"), ("layer_norm_epsilon", 1e-5)):
        other = changed(wnli, tmp_path / setting, encoder={"config": own | {setting: value}})
        assert f"made for an encoder with {setting} {value}; that of {run} has " in refused(
            "add", "--run", run, "--from", other)
    assert "num_layers 2" in refused("add", "--run", run, "--from", tiny)
    assert "num_layers 3; that of" in refused("import", "--run", tiny, "--file", file, "--as", "w")
    wide = changed(wnli, tmp_path / "wide", config={"adapter": "pal:size=16,heads=2"})
    assert "size=16" in refused("add", "--run", run, "--from", wide)
    plain = changed(wnli, tmp_path / "plain", config={"adapter": "none"})
    assert "its adapter is none" in refused("add", "--run", run, "--from", plain)

    assert "has a task 'sst' already; give the new one another name with --as" in refused(
        "add", "--run", run, "--from", base, "--task", "sst")
    assert "--as NAME" in refused("add", "--run", run, "--task", "SST2", "--data", "sample")
    assert "did you mean 'sst'" in refused("add", "--run", run, "--from", base, "--task", "ssst")
    assert "--task is needed" in refused("add", "--run", run, "--from", base)
    assert "letters, digits" in refused("add", "--run", run, "--from", wnli, "--as", "../x")
    assert "not the built-in one of this name" in refused(
        "add", "--run", run, "--from", wnli, "--as", "rte")
    for flags, named in (
        (["--adapter", "none"], "--adapter"), (["--freeze", "none"], "--freeze"),
        (["--encoder", "tiny"], "--encoder"), (["--seeds", "2"], "--seeds"),
        (["--init", wnli], "--init"), (["--lower_case", "false"], "--lower_case"),
    ):
        error = refused("add", "--run", run, "--task", "wnli", *flags)
        assert error.startswith(f"error: {named}: ") and "leave the flag out" in error
    assert "--epochs is a flag of training" in refused(
        "add", "--run", run, "--from", wnli, "--epochs", "2")
    assert "leave out @0" in refused("remove", "--run", f"{run}@0", "--task", "sst")
    assert "has no task 'sts'" in refused("remove", "--run", run, "--task", "sts")
    assert "only task" in refused("remove", "--run", wnli, "--task", "wnli")
    assert "did you mean 'export'" in refused("exprot", "--run", run)
    assert "exists" in refused("export", "--run", run, "--task", "sst", "--output", file)
    assert files(run, "*") == before


def with_metadata(source: Path, target: Path, change) -> Path:
    """A copy of a part's file with other metadata."""
    with safe_open(source, framework="numpy") as opened:
        metadata = opened.metadata()
    content = json.loads(metadata["part"])
    change(content)
    save_file(load_file(source), target, {**metadata, "part": json.dumps(content)})
    return target


@pytest.mark.slow
def test_damaged_files_get_one_line(run, wnli, tmp_path, capsys):
    good = tmp_path / "good.safetensors"
    does(parts, "export", "--run", wnli, "--output", good)
    data, bad = good.read_bytes(), tmp_path / "bad.safetensors"
    before = files(run, "*")

    def refused() -> str:
        error = fails(capsys, parts, "import", "--run", run, "--file", bad)
        assert str(bad) in error
        return error

    assert "no such file" in refused()
    flipped = bytearray(data)
    flipped[-5] ^= 1
    for content, message in (
        (b"", "cannot be read"), (data[:-1], "cannot be read"), (data[:40], "cannot be read"),
        (b"no tensors at all", "cannot be read"), (bytes(flipped), "its weights are damaged"),
        ((10**15).to_bytes(8, "little") + data[8:], "cannot be read"),
        ((wnli / "heads" / "wnli.safetensors").read_bytes(), "expected a file of"),
    ):
        bad.write_bytes(content)
        assert message in refused()

    def set_in(*path_and_value):
        *path, value = path_and_value

        def change(content):
            for key in path[:-1]:
                content = content[key]
            content[path[-1]] = value

        return change

    for change, message in (
        (set_in("task", "name", "../../evil"), "letters, digits"),
        (set_in("task", "kind", "regress"), "labels do not belong"),
        (lambda content: content["task"].update(kind="guess", name="mine"), "a kind 'guess'"),
        (set_in("task", "labels", ["entailment", "not_entailment"]), "not the built-in one"),
        (set_in("task", [1]), "expected keys and values"),
        (set_in("adapter", "pal"), "its adapter is pal"),
        (set_in("adapter", 3), "adapter: expected text"),
        (set_in("tokenizer", "0"), "another vocabulary"),
        (set_in("encoder", "digest", "0" * 64), "other weights"),
        (set_in("settings", "max_length", "many"), "expected a whole number"),
        (set_in("settings", "max_length", 4096), "is above 40"),
        (set_in("metrics", "dev", {"accuracy": "high"}), "expected a finite number"),
        (lambda content: content.pop("lineage"), "'lineage' is missing"),
    ):
        with_metadata(good, bad, change)
        assert message in refused()
    save_file(load_file(good), bad, {"format": "tfglue.part.v1", "part": "{"})
    assert "not valid JSON" in refused()
    assert files(run, "*") == before


@pytest.mark.slow
def test_other_tensors_than_the_tasks_are_refused(run, wnli, tmp_path, capsys):
    part = TaskPart.of_run(RunFolder(wnli))
    key = "heads.dense.kernel"
    for tensors, message in (
        ({**part.tensors, key: part.tensors[key].astype("float16")}, "is float16, expected"),
        ({**part.tensors, key: part.tensors[key][:, :1].copy()}, "has shape (32, 1), expected"),
        ({**part.tensors, "heads.more": np.zeros(1, "float32")}, "1 unknown"),
        ({**part.tensors, "encoder.x": np.zeros(1, "float32")}, "nothing that the task has"),
        ({name: v for name, v in part.tensors.items() if name != key}, "1 tensors missing"),
    ):
        file = tmp_path / "part.safetensors"
        dataclasses.replace(part, tensors=tensors).write(file)
        assert message in fails(capsys, parts, "import", "--run", run, "--file", file)


@pytest.mark.slow
def test_files_of_ones_own_become_a_task_and_names_do_not_clash(run, tmp_path, capsys):
    rows = "".join(f"it is {w}\t{w}\n" for w in ("good", "bad", "odd") for _ in range(5))
    (tmp_path / "sst.tsv").write_text("text\tlabel\n" + rows)
    shutil.copy(tmp_path / "sst.tsv", tmp_path / "moods.tsv")
    error = fails(capsys, parts, "add", "--run", run, "--train_file", tmp_path / "sst.tsv")
    assert "named like the built-in task sst" in error and "--task NAME" in error
    assert "built-in task sst" in fails(capsys, train, "--train_file", tmp_path / "sst.tsv")
    does(parts, "add", "--run", run, "--train_file", tmp_path / "moods.tsv", "--dev_file",
         tmp_path / "moods.tsv", "--max_steps", "2", "--max_length", "16", "--output",
         tmp_path / "moods")
    again = fails(capsys, parts, "add", "--run", run, "--train_file", tmp_path / "moods.tsv")
    assert "has a task 'moods' already" in again
    does(evaluate, "--run", run, "--task", "moods")
    does(evaluate, "--run", run, "--task", "sst")
    file = tmp_path / "moods.safetensors"
    does(parts, "export", "--run", run, "--task", "moods", "--output", file)
    check_without_places(file, tmp_path)
    settings = exported(file)["settings"]
    assert settings["train_file"] is None and settings["max_length"] == 16


@pytest.fixture(scope="module")
def lora(place):
    adapter = "lora:rank=2,targets=query+intermediate"
    return trained(place / "lora", task="sst,wnli", adapter=adapter, max_steps=12)


@pytest.mark.slow
def test_a_merged_run_answers_the_same_without_adapters(lora, base, tmp_path, capsys):
    assert "tfglue.parts merge --run" in fails(
        capsys, convert, "--run", lora, "--head", "sst", "--output", tmp_path / "hf")
    merged = tmp_path / "merged"
    does(parts, "merge", "--run", lora, "--task", "sst", "--output", merged)
    whole, plain = Run.open(lora), Run.open(merged)
    assert list(plain.tasks) == ["sst"] and not plain.model.adapters
    examples = open_source(tasks.get("sst"), "sample").read("dev")
    one, other = (
        run.answer(run.tasks["sst"], examples).outputs.logits for run in (whole, plain)
    )
    np.testing.assert_allclose(one, other, atol=2e-6)
    bare = whole.model.encoder.named_weights()["layers.0.attention.query.kernel"].numpy()
    own = plain.model.encoder.named_weights()["layers.0.attention.query.kernel"].numpy()
    assert np.abs(bare - own).max() > 1e-5  # The updates are in it, and are not nothing.
    content = manifest(merged)
    assert content["merged"]["run"] == str(lora) and content["config"]["adapter"] == "none"
    assert content["parents"][-1]["run"] == str(lora)
    does(evaluate, "--run", merged)
    does(convert, "--run", merged, "--output", tmp_path / "hf")
    assert (tmp_path / "hf" / "model.safetensors").is_file()
    assert "exists" in fails(capsys, parts, "merge", "--run", lora, "--task", "sst",
                             "--output", merged)
    assert "only lora" in fails(capsys, parts, "merge", "--run", base, "--task", "sst",
                                "--output", tmp_path / "no")
    assert not (tmp_path / "no").exists()
    assert "--task is needed" in fails(capsys, parts, "merge", "--run", lora, "--output",
                                       tmp_path / "no")
    named = fails(capsys, convert, "--run", base, "--head", "sst", "--output", tmp_path / "no")
    assert "convert a run without them" in named


@pytest.mark.slow
def test_a_merged_task_that_was_added_tells_nothing_of_the_runs_training(lora, tmp_path):
    run, merged = Path(shutil.copytree(lora, tmp_path / "run")), tmp_path / "merged"
    does(parts, "add", "--run", run, "--from", lora, "--task", "wnli", "--as", "pairs")
    does(parts, "merge", "--run", run, "--task", "pairs", "--output", merged)
    content = manifest(merged)
    assert [step["run"] for step in content["parents"]] == [str(lora)]
    assert not {"updates", "best_update"} & set(content["result"])
    assert "total_updates" not in content and "parts merge" in content["command"]
    assert not {"history.csv", "curves.png", "timing.json"} & {p.name for p in merged.iterdir()}
    examples = open_source(tasks.get("wnli"), "sample").read("dev")
    one, other = (
        Run.open(path).answer(dataclasses.replace(tasks.get("wnli"), name="pairs"), examples)
        for path in (run, merged)
    )
    np.testing.assert_allclose(one.outputs.logits, other.outputs.logits, atol=2e-6)
    does(compare, merged)

    does(parts, "merge", "--run", run, "--task", "wnli", "--output", tmp_path / "own")
    content = manifest(tmp_path / "own")
    assert content["parents"][-1]["run"] == str(run) and content["result"]["updates"] == 12
    assert (tmp_path / "own" / "history.csv").is_file()
