import csv
import subprocess
import sys

import numpy as np
import pytest

from data_prep.download import main, write_split
from tfglue import tasks
from tfglue.data.examples import TextExamples
from tfglue.data.sources import open_source
from tfglue.data.tfds_source import TfdsSource

tfds = pytest.importorskip("tensorflow_datasets")

IN_TFDS = [name for name in tasks.names() if tasks.get(name).tfds]


@pytest.fixture
def shuffled_rows(monkeypatch):
    """TFDS with rows of odd texts in its own shuffled order, by the builders' real features."""

    def as_dataset(self, *_, **__):
        import tensorflow as tf

        features = self.info.features
        rng = np.random.default_rng(0)
        rows = []
        for number in rng.permutation(20):
            row = {}
            for name, feature in features.items():
                if name == "idx":
                    row[name] = number
                elif name == "label":
                    classes = getattr(feature, "num_classes", 0)
                    row[name] = number % classes if classes else rng.uniform(0, 5)
                else:
                    row[name] = f'{name} "{number}" 漢 \u2028 \'end'
            rows.append(features.encode_example(row))
        signature = {
            name: tf.TensorSpec(spec.shape, tf.as_dtype(spec.dtype))
            for name, spec in features.get_tensor_info().items()
        }
        return tf.data.Dataset.from_generator(lambda: iter(rows), output_signature=signature)

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


@pytest.mark.parametrize("name", IN_TFDS)
def test_what_is_written_reads_back_equal(name, tmp_path, shuffled_rows, capsys):
    assert main(["--task", name, "--output", str(tmp_path)]) == 0
    task = tasks.get(name)
    ours, theirs = open_source(task, str(tmp_path)), TfdsSource(task)
    assert ours.folder == tmp_path / task.folders[0]
    assert ours.splits() == theirs.splits()
    for split in ours.splits():
        assert ours.read(split).digest() == theirs.read(split).digest()
    assert "now spaces" not in capsys.readouterr().out


def test_headers_are_the_declared_columns(tmp_path, shuffled_rows):
    main(["--task", "mrpc,stsb", "--output", str(tmp_path)])
    with open(tmp_path / "MRPC" / "train.tsv", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["index", "#1 String", "#2 String", "Quality"]
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(20)]
    header = (tmp_path / "STS-B" / "test.tsv").read_text().split("\n")[0]
    assert header == "index\tsentence1\tsentence2"


def test_tabs_and_line_breaks_become_spaces_and_are_counted(tmp_path):
    sst = tasks.get("sst")
    examples = TextExamples(
        ids=["0", "1"], origin="here", texts=(["a\tb\nc\rd", "plain"],),
        labels=np.array([1, 0], np.int32),
    )
    path = tmp_path / "SST-2" / "train.tsv"
    assert write_split(examples, sst, sst.files["train"], path) == 1
    assert path.read_bytes() == b"index\tsentence\tlabel\n0\ta b c d\t1\n1\tplain\t0\n"


def test_existing_files_are_kept_unless_overwritten(tmp_path, shuffled_rows, capsys):
    flags = ["--task", "rte", "--output", str(tmp_path)]
    assert main(flags) == 0
    (tmp_path / "RTE" / "dev.tsv").write_text("mine")
    assert main(flags) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "RTE" / "dev.tsv").read_text() == "mine"
    assert main([*flags, "--overwrite"]) == 0
    assert len((tmp_path / "RTE" / "dev.tsv").read_text().splitlines()) > 20


def test_all_leaves_out_what_tfds_does_not_hold(tmp_path, shuffled_rows, capsys):
    assert main(["--task", "all", "--output", str(tmp_path)]) == 0
    assert "scitail: left out" in capsys.readouterr().out
    written = {folder.name for folder in tmp_path.iterdir()}
    assert written == {tasks.get(name).folders[0] for name in IN_TFDS}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task", "scitail"], "scitail is not in tensorflow-datasets"),
        (["--task", "rt"], "unknown task 'rt'; did you mean 'rte'"),
        ([], "--task"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path, capsys, flags, message):
    assert main([*flags, "--output", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_file_as_output_is_a_mistake(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--task", "rte", "--output", str(tmp_path / "file")]) == 2
    assert "this is a file, not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["download", "verify"])
def test_help_loads_no_tensorflow(module):
    code = (
        f"import sys, data_prep.{module} as command\n"
        "try: command.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"data_prep.{module}" in result.stdout
