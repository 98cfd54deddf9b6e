"""Libraries of embeddings: what is read, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.transfer.made_library import OUTPUTS, manifest, vectors, write, write_bare
from tfglue.errors import UserError
from tfglue.transfer.embedding import TaskEmbedding
from tfglue.transfer.library import Library
from tfglue.transfer.ranking import rank_sources


def test_an_embedding_comes_back_as_it_was_written(tmp_path):
    place = write(tmp_path, "rte", 3, "task", examples=7, granularity="example")
    found = TaskEmbedding.read(place)
    assert (found.name, found.kind, found.manifest["data"]["examples"]) == ("rte", "classify", 7)
    for name, vector in vectors(3, OUTPUTS).items():
        np.testing.assert_array_equal(found.vectors[name], vector)
    assert sorted(path.name for path in place.iterdir()) == [
        *(f"{name}.npy" for name in OUTPUTS), "manifest.json",
    ]


def test_embeddings_at_any_depth_are_one_library(tmp_path):
    for seed, name in enumerate(("rte", "mnli")):
        write(tmp_path / "deep" / "down", name, seed)
        write(tmp_path, name, seed, "task")
    (tmp_path / ".rte.tmp").mkdir()
    np.save(tmp_path / ".rte.tmp" / "x.npy", np.ones(3))
    library = Library.read(tmp_path)
    assert library.methods == ("text", "task") and library.names == ["mnli", "rte"]
    assert library.components("task") == list(OUTPUTS)
    assert library.sizes() == {"mnli": 100, "rte": 100}


def test_bare_files_are_told_apart_by_their_names(tmp_path):
    for seed, name in enumerate(("RTE", "NER")):
        write_bare(tmp_path / "textemb", name, seed)
        write_bare(tmp_path / "taskemb", name, seed, ("encoder.layer.0.layer_output",))
    write_bare(tmp_path / "taskemb", "RTE", 7, ("cls_output",))
    library = Library.read(tmp_path)
    assert library.methods == ("text", "task") and library.names == ["NER", "RTE"]
    assert library.components("text") == ["avg_sequence_output"]
    assert library.components("task") == ["encoder.layer.0.layer_output"]
    assert library.left_out("task", library.components("task")) == ["cls_output"]


def test_without_layer_outputs_what_all_have_is_compared(tmp_path):
    for seed, name in enumerate("ab"):
        write_bare(tmp_path, name, seed, ("cls_output", "embeddings.LayerNorm.weight"))
    write_bare(tmp_path, "a", 5, ("classifier.weight",))
    assert Library.read(tmp_path).components("task") == [
        "cls_output", "embeddings.LayerNorm.weight",
    ]


def test_what_cancels_in_one_task_is_compared_in_none(tmp_path):
    write(tmp_path, "rte", 0, "task")
    place = write(tmp_path, "squad2", 1, "task", names=OUTPUTS[:2])
    content = json.loads((place / "manifest.json").read_text())
    (place / "manifest.json").write_text(json.dumps(content | {"vanished": [OUTPUTS[2]]}))
    library = Library.read(tmp_path)
    assert library.components("task") == list(OUTPUTS[:2])
    assert library.left_out("task", OUTPUTS[:2]) == [OUTPUTS[2]]


def test_length_of_rows_may_differ(tmp_path):
    write(tmp_path, "squad2", 0, max_length=384)
    write(tmp_path, "rte", 1, max_length=128)
    assert Library.read(tmp_path).names == ["rte", "squad2"]


@pytest.mark.parametrize("inner", [("text", "task"), ("checkpoint-3", "checkpoint-3/task")])
def test_bare_folders_of_one_name_are_named_by_what_tells_them_apart(tmp_path, inner):
    for seed, name in enumerate(("RTE", "NER")):
        write_bare(tmp_path / name, inner[0], seed)
        write_bare(tmp_path / name, inner[1], seed, OUTPUTS)
    library = Library.read(tmp_path)
    assert library.methods == ("text", "task") and library.names == ["NER", "RTE"]
    assert set(library.members("task")) == {"NER", "RTE"}


def test_two_bare_folders_of_one_task_are_too_many(tmp_path):
    for seed, place in enumerate(("run1", "run2")):
        write_bare(tmp_path / place, "RTE", seed)
    with pytest.raises(UserError, match="two embeddings of RTE by text"):
        Library.read(tmp_path)


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    for seed, name in enumerate(("RTE", "NER")):
        write_bare(tmp_path / "elsewhere", name, seed)
        (tmp_path / "library").mkdir(exist_ok=True)
        (tmp_path / "library" / name).symlink_to(tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "NER" / "up").symlink_to(tmp_path / "library")
    (tmp_path / "elsewhere" / "NER" / "round").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "RTE" / "itself").symlink_to(tmp_path / "elsewhere" / "RTE")
    write_bare(tmp_path / "library", "SST", 3)
    (tmp_path / "library" / "latest").symlink_to(tmp_path / "library" / "SST")
    assert Library.read(tmp_path / "library").names == ["NER", "RTE", "SST"]


def test_a_batch_of_one_is_no_other_shape_and_hidden_files_are_none(tmp_path):
    write_bare(tmp_path, "RTE")
    place = write_bare(tmp_path, "NER", 1)
    np.save(place / "avg_sequence_output.npy", vectors(1)["avg_sequence_output"][None])
    (place / "._avg_sequence_output.npy").write_bytes(b"left by another system")
    library = Library.read(tmp_path)
    assert library.components("text") == ["avg_sequence_output"]
    ranking = rank_sources(library.vectors("text", "avg_sequence_output"), "RTE")
    expected = {name: vectors(seed)["avg_sequence_output"] for seed, name in
                enumerate(("RTE", "NER"))}
    assert ranking == rank_sources(expected, "RTE")


def test_weights_that_nobody_compares_stay_on_disk_unread(tmp_path):
    for seed, name in enumerate(("RTE", "NER")):
        place = write_bare(tmp_path, name, seed, (*OUTPUTS, "embeddings.word_embeddings.weight"))
    np.save(place / "embeddings.word_embeddings.weight.npy", np.full(8, np.nan))
    library = Library.read(tmp_path)
    for one in library.members("task").values():
        kept = {name for name, vector in one.vectors.items() if isinstance(vector, np.ndarray)}
        assert kept == set(OUTPUTS) and len(one.vectors) == 1 + len(kept)
    assert library.components("task") == list(OUTPUTS)
    with pytest.raises(UserError, match=r"NER: embeddings\.word_embeddings\.weight holds NaN"):
        library.vectors("task", "embeddings.word_embeddings.weight")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
def test_a_library_of_many_files_keeps_none_open(tmp_path):
    names = [f"encoder.layer.{layer}.output.dense.weight" for layer in range(30)]
    for seed, name in enumerate(("RTE", "NER", "SST")):
        write_bare(tmp_path, name, seed, names)
    before = len(list(Path("/proc/self/fd").iterdir()))
    library = Library.read(tmp_path)
    assert library.components("task") == sorted(names)
    ranking = rank_sources(library.vectors("task", names[3]), "RTE")
    own = {name: vectors(seed, names)[names[3]] for seed, name in enumerate(("RTE", "NER", "SST"))}
    assert ranking == rank_sources(own, "RTE")
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 10


def test_a_folder_of_arrays_is_no_library(tmp_path):
    np.save(tmp_path / "mnli.npy", np.arange(8.0))
    with pytest.raises(UserError, match="holds mnli as files; expected a folder for each task"):
        Library.read(tmp_path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"digest": "e" * 64}, "text/b differ in encoder"),
        ({"per": "question"}, "differ in per"),
    ],
)
def test_embeddings_made_differently_are_not_compared(tmp_path, other, message):
    write(tmp_path, "a", 0, per="window")
    write(tmp_path, "b", 1, **{"per": "window", **other})
    with pytest.raises(UserError, match=message):
        Library.read(tmp_path)


def test_granularities_are_not_mixed(tmp_path):
    write(tmp_path, "a", 0, "task", granularity="example")
    write(tmp_path, "b", 1, "task", granularity="batch")
    with pytest.raises(UserError, match=r"differ in granularity \(example and batch\)"):
        Library.read(tmp_path)


def test_components_are_not_mixed(tmp_path):
    write(tmp_path, "a", 0, "task")
    write(tmp_path, "b", 1, "task", names=OUTPUTS[:2])
    with pytest.raises(UserError, match=r"task/b: no encoder.layer.2.layer_output.npy"):
        Library.read(tmp_path).components("task")
    assert Library.read(tmp_path).components("task", OUTPUTS[:1]) == [OUTPUTS[0]]


def test_widths_are_not_mixed(tmp_path):
    write_bare(tmp_path, "a")
    write_bare(tmp_path, "b", 1, width=9)
    with pytest.raises(UserError, match="differ in the shape of avg_sequence_output"):
        Library.read(tmp_path).components("text")


def test_unknown_origins_are_not_mixed_with_known_ones(tmp_path):
    write(tmp_path, "a")
    write_bare(tmp_path, "b", 1)
    with pytest.raises(UserError, match=r"b has no manifest\.json"):
        Library.read(tmp_path)


def test_two_of_one_task_are_too_many(tmp_path):
    write(tmp_path / "one", "a")
    write(tmp_path / "two", "a", 1)
    with pytest.raises(UserError, match="two embeddings of a by text"):
        Library.read(tmp_path)


def test_an_empty_library(tmp_path):
    (tmp_path / "sub").mkdir()
    with pytest.raises(UserError, match="holds no embedding; make some with"):
        Library.read(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        Library.read(tmp_path / "none")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: np.save(f, np.full(8, np.nan, np.float32)), "holds NaN"),
        (lambda f: np.save(f, np.full(8, 2, np.float32)), "is constant"),
        (lambda f: np.save(f, np.arange(9.0)), r"shape \[9\], expected \[8\]"),
        (lambda f: f.write_bytes(b"\x93NUMPY rest"), "cannot be read as an array"),
        (lambda f: np.save(f, np.array([{"a": 1}]), allow_pickle=True), "cannot be read"),
        (lambda f: np.save(f, np.array(["a"] * 8)), "expected an array of numbers"),
        (lambda f: f.unlink(), "no embedding"),
        (lambda f: (f.parent / "manifest.json").write_text("{}"), "expected format"),
        (lambda f: (f.parent / "more.npy").write_bytes(b""), "more missing or not of this"),
    ],
)
def test_damaged_embeddings_are_said_in_one_line(tmp_path, damage, message):
    place = write(tmp_path, "a")
    damage(place / "avg_sequence_output.npy")
    with pytest.raises(UserError, match=message):
        TaskEmbedding.read(place)


def test_what_has_no_direction_is_not_written(tmp_path):
    for value, message in ((np.zeros(4), "is constant"), (np.array([1, np.inf]), "holds NaN")):
        with pytest.raises(UserError, match=message):
            TaskEmbedding("a", {"cls_output": value}, manifest("a")).write(tmp_path / "a")
        assert not (tmp_path / "a").exists()


def test_the_manifest_says_what_there_is(tmp_path):
    content = json.loads((write(tmp_path, "a") / "manifest.json").read_text())
    assert content["components"] == {"avg_sequence_output": [8]}
    assert content["encoder"]["digest"] and content["data"]["digest"]
