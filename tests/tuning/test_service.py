"""Workers on this machine: what ends them, and what is said of those that end too soon."""

import subprocess
import sys
import time

import pytest

from tfglue.errors import UserError
from tuning.service import Workers

ENDS = "import sys; print('error: --data x: no such folder'); sys.exit(int(sys.argv[1]))"
WAITS = "from tuning.local_worker import end_with_parent as e; e(); import time; time.sleep(60)"


def waited(workers):
    while not workers.done():
        time.sleep(0.02)


def test_workers_that_end_well_are_done(tmp_path):
    workers = Workers([sys.executable, "-c", ENDS, "0"], tmp_path, "go on")
    workers.start(2, 1)
    waited(workers)
    workers.stop()
    assert (tmp_path / "worker1.log").read_text().startswith("error: --data")


def test_a_worker_that_ends_before_its_time_is_named_with_its_last_line(tmp_path):
    workers = Workers([sys.executable, "-c", ENDS, "2"], tmp_path, "python -m x --resume")
    workers.start(1, 1)
    with pytest.raises(UserError) as error:
        waited(workers)
    workers.stop()
    for part in ("worker0 ended", "status 2", "--data x: no such folder", "python -m x --resume"):
        assert part in str(error.value)


def test_workers_are_stopped(tmp_path):
    workers = Workers([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, "")
    workers.start(2, 1)
    assert not workers.done()
    began = time.monotonic()
    workers.stop()
    assert time.monotonic() - began < 20


def test_a_worker_ends_with_the_process_that_made_it():
    worker = subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE)
    assert worker.poll() is None
    worker.stdin.close()  # As the end of this process would.
    assert worker.wait(20) == -15
