"""``python -m tfglue.recommend`` on embeddings whose ranking is known."""

import csv
import json
import shutil

import numpy as np
import pytest

from tests.transfer.made_library import OUTPUTS, vectors, write, write_bare
from tfglue import recommend
from tfglue.errors import UserError
from tfglue.transfer.library import Library
from tfglue.transfer.ranking import fuse, rank_sources
from tfglue.transfer.recommendation import recommend as recommended
from tfglue.transfer.task_space import TaskSpace, scaled, strongest

NAMES = ("rte", "mnli", "sst", "ner", "squad2")
KINDS = {"ner": "tag", "squad2": "span"}


@pytest.fixture
def library(tmp_path):
    for seed, name in enumerate(NAMES):
        facts = {"kind": KINDS.get(name, "classify"), "examples": 10 * seed + 10}
        write(tmp_path / "library", name, seed, **facts)
        write(tmp_path / "library", name, seed + 50, "task", **facts)
    return tmp_path / "library"


def expected_task_ranking():
    rankings = []
    for component in OUTPUTS:
        own = {name: vectors(seed + 50, OUTPUTS)[component] for seed, name in enumerate(NAMES)}
        rankings.append(rank_sources(own, "rte"))
    return fuse(rankings)


def test_methods_are_ranked_and_fused(library, tmp_path, capsys):
    output = tmp_path / "report"
    words = ["--task", "rte", "--library", str(library), "--output", str(output)]
    assert recommend.main(words) == 0
    text = {name: vectors(seed)["avg_sequence_output"] for seed, name in enumerate(NAMES)}
    by_text, by_task = rank_sources(text, "rte"), expected_task_ranking()
    fused = fuse([by_text, by_task])
    report = json.loads((output / "recommendation.json").read_text())
    assert report["recommended"] == fused[0][0]
    for ranking, found in ((by_text, report["methods"]["text"]),
                           (by_task, report["methods"]["task"]), (fused, report["fused"])):
        assert [row["source"] for row in found] == [name for name, _ in ranking]
        assert [row["score"] for row in found] == pytest.approx([s for _, s in ranking])
    assert set(report["components"]) == {"avg_sequence_output", *OUTPUTS}
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "sources for rte, by text + task"
    assert [line.split()[1] for line in out[2:6]] == [name for name, _ in fused]
    with open(output / "recommendation.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 4 * (1 + 2 + 4) and {row["source"] for row in rows} == {*NAMES[1:]}
    page = (output / "recommendation.html").read_text()
    assert page.count("data:image/png;base64,") == 2 and "http" not in page
    assert (output / "tasks_text.png").stat().st_size > 5000
    assert recommend.main(words) == 2 and "add --overwrite" in capsys.readouterr().err


def test_baselines_and_components_and_centring(library, capsys):
    words = ["--task", "RTE", "--library", str(library)]
    assert recommend.main([*words, "--methods", "data_size"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in out[2:6]] == ["squad2", "ner", "sst", "mnli"]
    found = recommended(Library.read(library), "rte", ["task"], [OUTPUTS[1]])
    own = {name: vectors(seed + 50, OUTPUTS)[OUTPUTS[1]] for seed, name in enumerate(NAMES)}
    assert found.methods["task"] == rank_sources(own, "rte")
    found = recommended(Library.read(library), "rte", ["task"], [OUTPUTS[1]], center=True)
    assert found.methods["task"] == rank_sources(own, "rte", center=True)


def test_bare_folders_of_other_programs(tmp_path, capsys):
    for seed, name in enumerate(("WNLI", "SNLI", "GED")):
        write_bare(tmp_path / "text", name, seed)
    target = write_bare(tmp_path, "mine", 9)
    words = ["--library", str(tmp_path / "text")]
    assert recommend.main([*words, "--task", "GED"]) == 0
    assert "sources for GED, by text" in capsys.readouterr().out
    assert recommend.main([*words, "--target", str(target)]) == 0
    out = capsys.readouterr().out
    assert "sources for mine" in out and "WNLI" in out


def test_a_source_that_one_method_lacks_is_not_put_last_for_it(library, capsys):
    text = {name: vectors(seed)["avg_sequence_output"] for seed, name in enumerate(NAMES)}
    by_text = rank_sources(text, "rte")
    best = by_text[0][0]
    shutil.rmtree(library / "task" / best)
    found = recommended(Library.read(library), "rte")
    rankings = list(found.methods.values())
    assert found.fused == fuse(rankings, neutral=True)
    places = [name for name, _ in found.fused]
    both = {name: [dict(map(reversed, enumerate(n for n, _ in r)))[name] for r in rankings]
            for name in places if name != best}
    worst = max(both, key=lambda name: min(both[name]))
    assert places.index(best) < places.index(worst)
    assert f"note: task says nothing of {best}, neither for nor against" in found.lines()


def test_every_shared_component_is_ranked_and_the_default_ones_are_fused(tmp_path):
    for seed, name in enumerate(NAMES):
        write(tmp_path, name, seed, "task", names=("cls_output", *OUTPUTS))
    found = recommended(Library.read(tmp_path), "rte")
    assert set(found.to_dict()["components"]) == {"cls_output", *OUTPUTS}
    assert found.fused == fuse([fuse([found.components[name] for name in OUTPUTS])])
    own = {name: vectors(seed, ("cls_output", *OUTPUTS))["cls_output"]
           for seed, name in enumerate(NAMES)}
    assert found.components["cls_output"] == rank_sources(own, "rte")


def test_by_default_a_target_is_compared_by_what_it_has(library, capsys):
    shutil.rmtree(library / "task" / "rte")
    words = ["--task", "rte", "--library", str(library)]
    assert recommend.main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("sources for rte, by text\n")
    assert "has no embedding of rte by task, so sources are not compared by it" in out
    assert recommend.main([*words, "--methods", "text,task"]) == 2
    assert "or leave the method out of --methods" in capsys.readouterr().err


def test_maps_are_of_what_was_compared(library, tmp_path):
    shutil.rmtree(library / "task" / "ner")
    (library / "task" / "sst" / f"{OUTPUTS[2]}.npy").unlink()
    content = json.loads((library / "task" / "sst" / "manifest.json").read_text())
    del content["components"][OUTPUTS[2]]
    (library / "task" / "sst" / "manifest.json").write_text(json.dumps(content))
    words = ["--task", "rte", "--library", str(library), "--output"]
    output = tmp_path / "report"
    assert recommend.main([*words, str(output), "--methods", "text"]) == 0
    assert sorted(path.name for path in output.glob("tasks_*")) == [
        "tasks_text.csv", "tasks_text.png",
    ]
    output = tmp_path / "other"
    assert recommend.main([*words, str(output), "--components", "avg_sequence_output"]) == 0
    assert not list(output.glob("tasks_task*"))
    with pytest.raises(UserError, match="nothing to map"):
        TaskSpace.of(Library.read(library), "task", ["avg_sequence_output"])


def test_a_target_from_elsewhere_takes_the_place_of_its_own_in_the_library(library, tmp_path):
    place = write(tmp_path / "mine", "RTE", 9)
    words = ["--library", str(library), "--target", str(place), "--methods", "text", "--output"]
    for name, more in (("a", []), ("b", ["--task", "rte"])):
        assert recommend.main([*words, str(tmp_path / name), *more]) == 0
        report = json.loads((tmp_path / name / "recommendation.json").read_text())
        assert report["target"] == "rte"
        assert {row["source"] for row in report["fused"]} == {*NAMES[1:]}
    assert recommend.main([*words, str(tmp_path / "c"), "--task", "mine"]) == 0
    report = json.loads((tmp_path / "c" / "recommendation.json").read_text())
    assert report["target"] == "mine" and len(report["fused"]) == 5


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("mine", None, "mine was embedded from texts without labels, which logme need"),
        ("mrpc", None, "mrpc was embedded from texts without labels, which logme need"),
        ("mine", "classify", "mine is no declared task, so nothing is known of its labels"),
    ],
)
def test_what_has_no_labels_is_not_judged_by_estimators(library, name, kind, reason, capsys):
    write(library, name, 9, kind=kind)
    words = ["--task", name, "--library", str(library), "--runs", "none"]
    assert recommend.main([*words, "--methods", "logme,text"]) == 2
    assert f"--methods: {reason}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "rt"], "no embedding of it; did you mean 'rte'?"),
        (["--task", "rte", "--methods", "txt"], "did you mean 'text'?"),
        (["--task", "rte", "--methods", "logme"], "needs --runs"),
        (["--task", "rte", "--runs", "x", "--train_examples", "0"], "must be at least 1"),
        (["--task", "rte", "--components", "encoder.layer.9.layer_output"], "did you mean"),
        ([], "--task is needed"),
    ],
)
def test_mistakes(library, words, message, capsys):
    assert recommend.main(["--library", str(library), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_points_keep_distances_that_fit_into_a_plane():
    points = np.random.default_rng(0).normal(size=(7, 2))
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    found = scaled(distances)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=-1), distances,
                               atol=1e-9)
    np.testing.assert_array_equal(found, scaled(distances))


def test_lines_join_each_task_with_those_most_like_it(library):
    similarity = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])
    assert strongest(similarity, 1) == [(0, 1), (1, 2)]
    space = TaskSpace.of(Library.read(library), "text")
    assert space.positions.shape == (5, 2)
    np.testing.assert_allclose(space.similarity, space.similarity.T)
    assert dict(zip(space.names, space.classes, strict=True))["ner"] == "SL"
