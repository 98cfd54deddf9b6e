"""``python -m tfglue.recommend`` on embeddings whose ranking is known."""

import csv
import json

import numpy as np
import pytest

from tests.transfer.made_library import OUTPUTS, vectors, write, write_bare
from tfglue import recommend
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
