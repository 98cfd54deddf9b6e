import time

from tfglue.training import progress as module
from tfglue.training.progress import TrainingProgress


def test_a_log_gets_plain_lines_with_rate_and_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(module, "_LOG_SECONDS", 10.0)
    progress = TrainingProgress(total=101)
    with progress.running():
        for _ in range(51):
            progress.loss(0.5)
            progress.advance(examples=8)
            now[0] += 1.0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "expected: 1:35 for the updates left (8.0 examples/s)"
    assert "update 16/101  loss 0.5000  8.0 examples/s  1:25 left" in lines
    assert all("\x1b" not in line for line in lines)


def test_evaluations_do_not_count_in_the_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = TrainingProgress(total=10)
    with progress.running():
        progress.advance(4)
        for _ in range(5):
            now[0] += 1.0
            progress.advance(4)
        with progress.paused():
            now[0] += 100.0
    assert progress.rate == 4.0
