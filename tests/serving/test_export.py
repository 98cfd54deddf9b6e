"""``export`` as a user types it, and what becomes of what it wrote."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from data_prep import activations
from tests.serving.small_runs import dev_examples
from tfglue import export, predict
from tfglue.run import Run
from tfglue.serving.export_folder import EXTRA
from tfglue.serving.exported import Export
from tfglue.serving.fresh_process import WARMUP, read_requests

SMALL_BERT = str(Path(__file__).parents[1] / "reference" / "small_bert")


def exports(capsys, *argv) -> str:
    assert export.main([str(word) for word in argv]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def fails(capsys, *argv) -> str:
    capsys.readouterr()
    assert export.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


@pytest.fixture(scope="module")
def films(sst_run, tmp_path_factory):
    """Folder of one version of a run of one task."""
    output = tmp_path_factory.mktemp("serve") / "films"
    words = ["--run", str(sst_run.folder.path), "--output", str(output), "--no_verify"]
    assert export.main(words) == 0
    return output


def test_an_export_holds_all_that_it_needs_and_says(films):
    assert sorted(path.name for path in films.iterdir() if path.name[0] != ".") == [
        "1", "README.md", "models.config",
    ]
    extra = films / "1" / EXTRA
    assert (extra / "labels" / "sst.txt").read_text() == "negative\npositive\n"
    sums = subprocess.run(
        ["sha256sum", "--check", "--strict", "assets.extra/checksums.txt"], cwd=films / "1",
        capture_output=True, text=True, check=True,
    ).stdout
    assert sums.count(": OK") == sum(path.is_file() for path in (films / "1").rglob("*")) - 1
    card = (films / "README.md").read_text()
    assert card == (extra / "README.md").read_text()
    assert "Not verified" in card and "labels by id: negative, positive" in card
    variables = (films / "1/variables/variables.data-00000-of-00001").stat().st_size
    facts = json.loads((extra / "export.json").read_text())
    assert facts["bytes"] == 4 * facts["parameters"]
    assert variables <= 1.02 * facts["bytes"]
    assert len(read_requests(films / "1" / WARMUP)) == 4 * len(facts["signatures"]) == 12


def test_signatures_have_names_that_people_read(films):
    signatures = tf.saved_model.load(str(films / "1")).signatures
    assert set(signatures) == {"serving_default", "token_ids", "examples"}
    found = signatures["serving_default"]
    assert set(found.structured_input_signature[1]) == {"text"}
    assert set(found.structured_outputs) == {"label", "score", "probabilities"}


def test_predict_answers_alike_from_a_run_and_from_its_export(films, sst_run, capsys, monkeypatch):
    text = "a warm and funny film\n[SEP] dull, naïve\n"

    def answers(run, *more):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        argv = ["--run", str(run), "--input", "-", "--format", "json", *more]
        assert predict.main(argv) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    expected = answers(sst_run.folder.path)
    for place in (films, films / "1"):
        for own, record in zip(expected, answers(place), strict=True):
            assert own.keys() == record.keys() and own["label"] == record["label"]
            for key in set(own) - {"id", "label"}:
                assert record[key] == pytest.approx(own[key], abs=1e-6)
    argv = ["--run", str(films), "--data", "sample", "--split", "dev"]
    assert predict.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("id\tlabel\tprobability_negative") and len(lines) == 205
    assert predict.main(["--run", str(films), "--split", "dev"]) == 2
    assert "an export knows no data; name a folder with --data" in capsys.readouterr().err


def test_a_damaged_export_is_said_in_one_line(films, tmp_path, capsys):
    place = Path(shutil.copytree(films / "1", tmp_path / "1"))
    with (place / "saved_model.pb").open("ab") as stream:
        stream.write(b"more")
    (tmp_path / "texts").write_text("a film\n")
    argv = ["--run", str(place), "--input", str(tmp_path / "texts")]
    assert predict.main(argv) == 2
    error = capsys.readouterr().err
    assert "saved_model.pb: not what was exported" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--run", "RUN", "--output", "FILMS", "--version", "1"], "1 exists; versions are never"),
        (["--run", "RUN", "--output", "FILMS", "--version", "0"], "a whole number from 1 on"),
        (["--run", "RUN", "--output", "RUN"], "which is not of an export"),
        (["--run", "RUN", "--output", "NEW", "--weights", "int7"], "did you mean 'int8'"),
        (["--run", "RUN", "--output", "NEW", "--signatures", "mixed"], "for runs of several tasks"),
        (["--run", "RUN", "--output", "NEW", "--signatures", "token_id"], "mean 'token_ids'"),
        (["--run", "RUN", "--output", "NEW", "--data", "nowhere"], "no such folder"),
        (["--run", "RUN@7", "--output", "NEW"], "kept no weights of epoch 7"),
        (["--run", "NEW", "--output", "NEW"], "not a run folder"),
        (["--run", "EMPTY", "--output", "NEW"], "encoder.safetensors: no such file"),
        (["--run", "RUN", "--output", "NEW", "--verifi"], "did you mean '--verify'"),
    ],
)
def test_mistakes_get_one_line_and_write_nothing(films, sst_run, tmp_path, capsys, argv, message):
    run = sst_run.folder.path
    places = {"RUN": str(run), "FILMS": str(films), "NEW": str(tmp_path / "new"),
              "EMPTY": str(tmp_path / "empty")}
    if "EMPTY" in argv:
        shutil.copytree(run, tmp_path / "empty")
        (tmp_path / "empty" / "encoder.safetensors").unlink()
    argv = [re.sub("^[A-Z]+", lambda found: places[found[0]], word) for word in argv]
    before = sorted(films.rglob("*"))
    assert message in fails(capsys, *argv)
    assert not (tmp_path / "new").exists() and sorted(films.rglob("*")) == before


@pytest.mark.slow
def test_smaller_weights_are_a_version_of_their_own_whose_cost_is_written_down(
    sst_run, tmp_path, capsys
):
    output = tmp_path / "films"
    words = ["--run", f"{sst_run.folder.path}@1", "--output", output, "--no_verify"]
    printed = exports(
        capsys, *words, "--weights", "int8", "--version", "4", "--dev_examples", "40",
        "--signatures", "strings",
    )
    assert "sst dev (40 examples): accuracy" in printed
    facts = json.loads((output / "4" / EXTRA / "export.json").read_text())
    measured = facts["measured"]["sst"]
    assert measured["rows"] == 40 and 0 <= measured["stored"] <= 1
    assert facts["bytes"] < 0.4 * 4 * facts["parameters"]
    card = (output / "README.md").read_text()
    assert f"| sst | 40 | accuracy | {measured['float32']:.4f} | {measured['stored']:.4f} |" in card
    assert list(facts["signatures"]) == ["serving_default"]


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A run of several tasks with adapters, and its verified export."""
    root = tmp_path_factory.mktemp("several")
    Run.train(
        task="rte,ner", data="sample", adapter="houlsby:size=5", max_steps=0, train_examples=8,
        dev_examples=8, max_length=32, output=str(root / "run"),
    )
    words = ["--run", str(root / "run"), "--output", str(root / "all"), "--version", "3"]
    assert export.main([*words, "--signatures", "mixed"]) == 0
    return root


@pytest.mark.slow
def test_several_tasks_are_verified_in_a_fresh_process_and_asked_as_a_client_asks(several, capsys):
    card = (several / "all" / "README.md").read_text()
    verified = re.search(r"Verified: answers differ from the run's by (\S+) at most", card)
    assert float(verified[1]) <= 1e-5
    signatures = tf.saved_model.load(str(several / "all/3")).signatures
    body = json.loads(re.search(r":predict -d '(.*)'\n", card)[1])
    signature = signatures[body["signature_name"]]
    columns = {key: [row[key] for row in body["instances"]] for key in body["instances"][0]}
    rest = signature(**{key: tf.constant(values) for key, values in columns.items()})
    predict_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.predict_pb2", reason="needs the extra 'serve'"
    )
    client = re.search(r"```python\n(import grpc.*?)\nwith grpc", card, re.DOTALL)[1]
    names: dict = {}
    exec(client, names)
    request = predict_pb2.PredictRequest.FromString(names["request"].SerializeToString())
    assert request.model_spec.name == "all"
    signature = signatures[request.model_spec.signature_name]
    grpc = signature(**{k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()})
    for name, value in rest.items():
        assert np.array_equal(value, grpc[name]) or np.allclose(value, grpc[name])


@pytest.mark.slow
def test_a_run_from_a_store_of_activations_is_exported_with_its_encoder(tmp_path, capsys):
    settings = dict(
        task="rte", data="sample", train_examples=8, dev_examples=8, max_length=32, max_steps=0
    )
    Run.train(settings, encoder=SMALL_BERT, output=str(tmp_path / "run"))
    words = ["--run", str(tmp_path / "run"), "--output", str(tmp_path / "store")]
    assert activations.main([*words, "--dtype", "float32"]) == 0
    run = Run.train(
        settings, head="adapter_pooler:size=5", activations=str(tmp_path / "store"),
        output=str(tmp_path / "pooled"),
    )
    exports(capsys, "--run", tmp_path / "pooled", "--output", tmp_path / "serve", "--no_verify",
            "--signatures", "strings")
    own = run.answer(run.tasks["rte"], dev_examples("rte", 20))
    opened = Export.open(tmp_path / "serve")
    found = opened.answer(opened.task(), own.examples)
    assert np.allclose(found.probabilities, own.probabilities, atol=1e-5)
