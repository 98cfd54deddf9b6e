"""Workers on this machine: what ends them, and what is said of those that end too soon."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.tuning.fake import fake_search
from tfglue.errors import UserError
from tfglue.files import CannotWrite
from tfglue.folder_lock import Occupied
from tuning.search_folder import SearchFolder
from tuning.service import OracleClient, Workers, chief_errors, serve
from tuning.worker import work

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


def test_of_a_worker_that_was_killed_no_line_is_quoted(tmp_path):
    command = "import os; print('all is well', flush=True); os.kill(os.getpid(), 9)"
    workers = Workers([sys.executable, "-c", command], tmp_path, "")
    workers.start(1, 1)
    with pytest.raises(UserError) as error:
        waited(workers)
    workers.stop()
    assert "status -9; see" in str(error.value) and "all is well" not in str(error.value)


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


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from tuning.local_worker import end_with_parent
end_with_parent(grace=0.5)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_worker_that_does_not_end_is_killed():
    worker = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdout.readline() == b"ready\n"
    worker.stdin.close()
    assert worker.wait(20) == -signal.SIGKILL
    worker.stdout.close()


def test_a_search_waits_for_workers_of_its_last_session(tmp_path):
    place = tmp_path / "trials" / "0001"
    holder = SearchFolder(tmp_path).training(place, print)
    holder.__enter__()
    threading.Timer(0.5, holder.__exit__, (None, None, None)).start()
    said = []
    SearchFolder(tmp_path).wait_for_workers(20, said.append)
    (line,) = said
    assert f"{place}: waiting 20 s at most for another process (process " in line


def test_it_says_who_does_not_end(tmp_path):
    with SearchFolder(tmp_path).training(tmp_path / "trials" / "0001", print):
        began = time.monotonic()
        with pytest.raises(Occupied, match=r"0001: another process .*\(process \d+ on .*python"):
            SearchFolder(tmp_path).wait_for_workers(0.3, lambda line: None)
        assert 0.3 <= time.monotonic() - began < 5
    SearchFolder(tmp_path).wait_for_workers(0, lambda line: pytest.fail(line))


@pytest.mark.parametrize("part", ["update_trial", "on_end"])
def test_what_goes_wrong_in_the_chief_is_named_to_its_workers(tmp_path, monkeypatch, part):
    _, oracle, model = fake_search(tmp_path, tuner="random", trials=3)

    def fails(*args, **options):
        raise CannotWrite(tmp_path / "tensorboard", "No space left on device")

    if part == "on_end":
        oracle.on_end = fails
    else:
        monkeypatch.setattr("keras_tuner.Oracle.update_trial", fails)
    told = []

    def train(client):
        try:
            with chief_errors():
                work(client, "worker0", model)
        except UserError as error:
            told.append(str(error))

    def start(port):
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", str(port))
        monkeypatch.setenv("KERASTUNER_TUNER_ID", "worker0")
        threads.append(threading.Thread(target=train, args=(OracleClient(None),), daemon=True))
        threads[0].start()

    threads = []
    with pytest.raises(CannotWrite, match="No space left"):
        serve(oracle, "127.0.0.1:0", lambda: False, start)
    threads[0].join(20)
    (line,) = told
    assert "No space left on device" in line and "no chief answers" not in line
