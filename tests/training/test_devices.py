"""Several devices do what one does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tfglue.errors import UserError
from tfglue.training.devices import open_strategy, worker_index
from tfglue.training.replicas import padding_for

ROOT = Path(__file__).resolve().parents[2]


def on_two_devices(settings: str):
    """Logical devices have to be declared before TensorFlow starts, so in another process."""
    command = [sys.executable, "-m", "tests.training.two_devices", *settings.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "settings",
    [
        # Odd batches, accumulated and clipped.
        pytest.param("nli adamw 5 3 0.3", marks=pytest.mark.long),
        pytest.param("nli sgd 7 1 1.0", marks=pytest.mark.long),
        pytest.param("nli sgd 5 3 0", marks=pytest.mark.long),
        # The second replica gets nothing.
        pytest.param("nli adamw 1 1 1.0", marks=pytest.mark.long),
        pytest.param("nli sgd 7 1 1.0 fixed", marks=pytest.mark.slow),
        pytest.param("ner adamw 5 3 0.3", marks=pytest.mark.long),
        pytest.param("ner sgd 7 1 1.0 fixed", marks=pytest.mark.long),
        pytest.param("nli adamw 5 2 0.3 terms", marks=pytest.mark.slow),
        pytest.param("qa adamw 5 3 0.3", marks=pytest.mark.long),
        pytest.param("qa adamw 1 1 1.0", marks=pytest.mark.slow),
    ],
)
def test_two_devices_train_and_answer_as_one_does(settings):
    found = on_two_devices(settings)
    assert found["replicas"] == 2
    assert found["moved"] > 1e-3
    # Adam divides by the size of a gradient, and so makes more of rounding where that is small.
    few = 1e-5 if "sgd" in settings else 5e-5
    assert found["weights"] < few
    assert found["state"] < 1e-5
    assert found["losses"] < 1e-5
    assert found["logits"] < few
    assert found["answer losses"] < 1e-5
    assert found["masks differ"]
    if settings.endswith("fixed"):
        assert found["shapes"] == [[8, 16], [8, 24]]
    else:
        assert all(rows % 2 == 0 for rows, _ in found["shapes"])


def test_padding_for_fixed_shapes_leaves_few_of_them():
    padding = padding_for(replicas=8, batch_size=30, max_length=128, fixed_shapes=True)
    assert padding.row_multiple == 32
    assert padding.lengths[-1] == 128 and list(padding.lengths) == sorted(padding.lengths)
    assert padding_for(1, 30, 128, fixed_shapes=False).row_multiple == 1


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 1}}',
     '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "ps", "index": 0}}'],
)
def test_a_cluster_that_is_none_is_said(monkeypatch, text):
    if text is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG is not"):
        open_strategy("multi_worker")


def test_workers_know_their_number(monkeypatch):
    monkeypatch.setenv(
        "TF_CONFIG",
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}',
    )
    assert worker_index() == 1


def test_a_tpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "nowhere")
    with pytest.raises(UserError, match="--strategy tpu: no TPU found"):
        open_strategy("tpu")


def test_an_unknown_strategy_gets_a_suggestion():
    with pytest.raises(UserError, match="did you mean 'mirrored'"):
        open_strategy("miror")
