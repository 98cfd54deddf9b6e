"""Test sets of GLUE's sizes, and runs that are submitted: what tests of submissions share."""

from pathlib import Path

import numpy as np

from tfglue import submit, tasks
from tfglue.data.sources import open_source
from tfglue.kept_predictions import KeptPredictions
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions

WORDS = ("the", "a", "cat", "dog", "film", "house", "reads", "likes", "warm", "old", "not")


def write_rows(path: Path, columns: tuple[str, ...], rows: int, seed: int = 0) -> None:
    """A test file of short drawn sentences, numbered as GLUE's are."""
    rng = np.random.default_rng(seed)
    words = np.array(WORDS)[rng.integers(len(WORDS), size=(rows, len(columns), 4))]
    lines = ["\t".join(["index", *columns])]
    lines += [
        "\t".join([str(index), *(" ".join(field) for field in row)])
        for index, row in enumerate(words)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def submitted(capsys, *argv) -> str:
    """Runs the command, which must succeed, and returns what it prints."""
    capsys.readouterr()
    status = submit.main([str(word) for word in argv])
    out, error = capsys.readouterr()
    assert (status, error) == (0, "")
    return out


def fails(capsys, *argv) -> str:
    """Runs the command, which must fail, and returns its one line."""
    capsys.readouterr()
    assert submit.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answers(folder: Path, name: str) -> list[str]:
    """The second column of a file of a submission."""
    return [line.split("\t")[1] for line in (folder / name).read_text().splitlines()[1:]]


def predicted(run: Path, task: str, split: str, data: Path) -> list[str]:
    """Lets a run keep predictions that are drawn at random; returns the labels."""
    examples = open_source(tasks.get(task), str(data)).read(split, labelled=False)
    labels = tasks.get(task).labels
    drawn = np.random.default_rng(3).integers(len(labels), size=len(examples))
    probabilities = np.where(np.eye(len(labels))[drawn] == 1, 0.75, 0.25 / (len(labels) - 1))
    outputs = Outputs(np.log(probabilities).astype(np.float32), None)
    predictions = ClassPredictions(tasks.get(task), examples, None, outputs)
    KeptPredictions(run).write(split, predictions)
    return [labels[i] for i in drawn]
