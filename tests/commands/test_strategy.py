"""Whole runs under a strategy."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parents[2]
# 50 updates of two passes, clipped. The last update of an epoch holds one row alone, so that one of
# two replicas gets nothing. The rate is one of fine-tuning: at high ones Adam turns the rounding of
# gradients near zero into updates.
SETTINGS = ["--task", "sst", "--data", "sample", "--epochs", "12.5", "--train_examples", "91",
            "--batch_size", "15", "--accumulate", "2", "--dropout", "0", "--learning_rate", "1e-4",
            "--evaluate_every", "50"]
# Three kinds in turns, each with an adapter; batches of 7 rows do not split evenly.
SEVERAL = ["--task", "sst,ner,squad2", "--data", "sample", "--sampler", "annealed", "--adapter",
           "pal:size=8,heads=2", "--steps_per_epoch", "12", "--epochs", "2", "--train_examples",
           "60", "--batch_size", "7", "--dropout", "0", "--learning_rate", "1e-4"]
SGD = ["--optimizer", "sgd", "--learning_rate", "0.05"]
TWO_DEVICES = """
import sys, tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from tfglue import train
sys.exit(train.main())
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on_one_device(tmp_path_factory):
    """Runs by optimizer."""
    folder = tmp_path_factory.mktemp("one")
    for name, optimizer in (("adamw", []), ("sgd", SGD)):
        command = [sys.executable, "-m", "tfglue.train", *SETTINGS, *optimizer, "--output",
                   folder / name]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        assert "updates: 50 of 15 x 2 rows, 4 an epoch" in done.stdout
    return folder


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start_workers(arguments, count=2):
    """Processes of one cluster on this machine."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes = []
    for index in range(count):
        cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(subprocess.Popen(
            [sys.executable, "-m", "tfglue.train", *arguments],
            cwd=ROOT, env=os.environ | {"TF_CONFIG": json.dumps(cluster)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))
    return processes


def assert_same_run(one, other):
    assert_same_weights_and_metrics(one, other)
    tables = [
        [line.split("\t") for line in (run / "predictions/sst/dev.tsv").read_text().splitlines()]
        for run in (one, other)
    ]
    for mine, theirs in zip(*tables, strict=True):
        assert mine[:2] == theirs[:2]
    shares = [np.array([row[2:] for row in table[1:]], float) for table in tables]
    assert np.abs(shares[0] - shares[1]).max() < 1e-5


def assert_same_weights_and_metrics(one, other):
    files = [path.relative_to(one) for path in sorted(one.rglob("*.safetensors"))]
    assert Path("encoder.safetensors") in files
    for name in files:
        left, right = load_file(one / name), load_file(other / name)
        assert left.keys() == right.keys()
        worst = max(np.abs(left[key] - right[key]).max() for key in left)
        print(f"{name}: largest difference {worst:.1e}")
        assert worst < 1e-5
    left, right = (json.loads((run / "metrics.json").read_text()) for run in (one, other))
    for task in left["main"]:
        for metric, value in left[task]["dev"].items():
            # Scores are of answers, which are the same; losses are of logits.
            tolerance = 1e-5 if metric == "loss" else 0
            assert right[task]["dev"][metric] == pytest.approx(value, abs=tolerance, rel=0), metric


def test_a_run_on_two_devices_is_that_on_one(tmp_path, on_one_device):
    output = tmp_path / "run"
    command = [sys.executable, "-c", TWO_DEVICES, *SETTINGS, "--strategy", "mirrored", "--output",
               output]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "MirroredStrategy, 2 replicas" in done.stdout
    assert_same_run(on_one_device / "adamw", output)


@pytest.mark.long
def test_several_tasks_with_adapters_on_two_devices_are_those_on_one(tmp_path):
    for name, start, more in (
        ("one", ["-m", "tfglue.train"], []),
        ("two", ["-c", TWO_DEVICES], ["--strategy", "mirrored"]),
    ):
        command = [sys.executable, *start, *SEVERAL, *more, "--output", tmp_path / name]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert_same_weights_and_metrics(tmp_path / "one", tmp_path / "two")
    files = {str(path.relative_to(tmp_path / "one"))
             for path in (tmp_path / "one").rglob("*.safetensors")}
    assert {f"{part}/{task}.safetensors" for part in ("heads", "adapters")
            for task in ("sst", "ner", "squad2")} < files
    one, two = ((tmp_path / name / "history.csv").read_text().splitlines()
                for name in ("one", "two"))
    assert len(one) == len(two) > 2


@pytest.mark.parametrize("optimizer", ["adamw", pytest.param("sgd", marks=pytest.mark.long)])
def test_a_run_of_two_workers_is_that_of_one_process(tmp_path, on_one_device, optimizer):
    output = tmp_path / "run"
    settings = [*SETTINGS, *(SGD if optimizer == "sgd" else [])]
    workers = start_workers([*settings, "--strategy", "multi_worker", "--output", str(output)])
    printed = [worker.communicate(timeout=300) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], printed
    assert "2 replicas" in printed[0][0]
    assert_same_run(on_one_device / optimizer, output)


@pytest.mark.long
def test_workers_stop_with_one_line_when_one_is_gone_and_go_on_together(tmp_path):
    output = tmp_path / "run"
    settings = ["--epochs", "40", "--checkpoint_seconds", "0.1", "--dropout", "0"]
    arguments = ["--task", "sst", "--data", "sample", *settings, "--train_examples", "64",
                 "--strategy", "multi_worker", "--output", str(output)]
    first, second = start_workers(arguments)
    for line in first.stdout:
        if line.startswith("epoch 2.00"):
            break
    second.kill()
    _, error = first.communicate(timeout=300)
    second.communicate()
    assert first.returncode == 2
    assert error.splitlines()[-1].startswith("error: another worker is gone; go on with")
    again = start_workers(["--output", str(output), "--resume"])
    printed = [worker.communicate(timeout=300) for worker in again]
    assert [worker.returncode for worker in again] == [0, 0], printed
    assert all("resuming after update" in out for out, _ in printed)
    assert (output / "metrics.json").is_file()
