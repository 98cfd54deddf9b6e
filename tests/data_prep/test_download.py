import csv
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from data_prep.download import main, write_split
from tests.tfds_rows import dataset_of
from tfglue import tasks
from tfglue.data.examples import TextExamples
from tfglue.data.sources import open_source
from tfglue.data.tfds_source import TfdsSource

tfds = pytest.importorskip("tensorflow_datasets")

IN_TFDS = [name for name in tasks.names() if tasks.get(name).tfds]


def value(name, feature, number, rng):
    """A value of a feature in row `number`; arrays are as long in each feature of the row."""
    if isinstance(feature, tfds.features.Sequence):
        return [value(name, feature.feature, number, rng) for _ in range(number % 3 + 1)]
    if isinstance(feature, tfds.features.ClassLabel):
        # The last part of speech marks what has none.
        return number % (feature.num_classes - (feature.names[-1] == "_"))
    if isinstance(feature, tfds.features.Text):
        # Words hold no blanks.
        blank = "_" if name in ("tokens", "idx") else " "
        return f'{name} "{number}" 漢 \u2028 \'end'.replace(" ", blank)
    return number if name == "idx" else rng.uniform(0, 5)


@pytest.fixture
def shuffled_rows(monkeypatch):
    """TFDS with rows of odd texts in its own shuffled order, by the builders' real features."""

    def as_dataset(self, *_, **__):
        features = self.info.features
        if "context" in features:
            return dataset_of(features, questions(features))
        rng = np.random.default_rng(0)
        rows = []
        for number in rng.permutation(20):
            row = {name: value(name, feature, number, rng) for name, feature in features.items()}
            rows.append(row)
        return dataset_of(features, rows)

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        yield


def questions(features):
    """Questions in an order that mixes their passages, some of them without an answer."""
    rows = []
    for number in range(20):
        context = f"passage\t{number % 3}\n漢 🎈 end"
        answers = {"text": ["漢 🎈", "end"], "answer_start": [10, 14]}
        none = {"text": [], "answer_start": []}
        row = {"id": str(number), "title": "t", "context": context, "question": f"{number}?"}
        row["answers"] = answers
        if "is_impossible" in features:
            impossible = number % 4 == 0
            row |= {"is_impossible": impossible, "plausible_answers": none}
            row["answers"] = none if impossible else answers
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("rte", "squad2", "ner") else pytest.mark.slow)
     for name in IN_TFDS],
)
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


def test_training_files_are_written_whole_where_a_run_holds_a_part_out(tmp_path, capsys):
    assert main(["--task", "chunk", "--data", "sample", "--output", str(tmp_path)]) == 0
    sample = open_source(replace(tasks.get("chunk"), held_out=0.0), "sample")
    for name in ("train.txt", "test.txt"):
        assert (tmp_path / "conll2000" / name).read_bytes() == (sample.folder / name).read_bytes()
    assert f"chunk train: {len(sample.read('train'))} rows" in capsys.readouterr().out


def test_existing_files_are_kept_unless_overwritten(tmp_path, shuffled_rows, capsys):
    flags = ["--task", "rte", "--output", str(tmp_path)]
    assert main(flags) == 0
    (tmp_path / "RTE" / "dev.tsv").write_text("mine")
    assert main(flags) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert (tmp_path / "RTE" / "dev.tsv").read_text() == "mine"
    assert main([*flags, "--overwrite"]) == 0
    assert len((tmp_path / "RTE" / "dev.tsv").read_text().splitlines()) > 20


@pytest.mark.slow
def test_all_leaves_out_what_tfds_does_not_hold(tmp_path, shuffled_rows, capsys):
    assert main(["--task", "all", "--output", str(tmp_path)]) == 0
    assert "scitail: left out" in capsys.readouterr().out
    written = {folder.name for folder in tmp_path.iterdir()}
    assert written == {tasks.get(name).folders[0] for name in IN_TFDS}


def test_all_of_the_sample_is_what_the_sample_holds(tmp_path, capsys):
    assert main(["--task", "all", "--data", "sample", "--output", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "newsqa: left out, it is not in sample" in told
    # squad2_answerable has the files of squad2.
    assert "squad2 dev: 120 rows" in told and "squad2_answerable dev" not in told
    for name in ("squad", "squad2", "squad2_answerable"):
        for split in ("train", "dev"):
            written = open_source(tasks.get(name), str(tmp_path)).read(split)
            assert written.digest() == open_source(tasks.get(name)).read(split).digest()


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
