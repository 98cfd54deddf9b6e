"""Checkpoints under the worst: SIGKILL in the middle of a save, and a full disk."""

import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from tfglue.run_folder import RunFolder
from tfglue.training.checkpoint import CheckpointFolder

KILLS = 24

CONTENT = """
import sys
from pathlib import Path
import numpy as np
from tfglue.training.checkpoint import CheckpointFolder

def content(update):
    sizes = {"weights": 20_000, "optimizer": 40_000, "best": 20_000}
    groups = {g: {"a": np.full(n, update, np.float32), "b": np.full(3, -update, np.float32)}
              for g, n in sizes.items()}
    return {"update": update, "history": [update] * 500}, groups

checkpoints = CheckpointFolder(Path(sys.argv[1]))
"""

ENDLESS = CONTENT + """
from itertools import count
loaded = checkpoints.load()
print(loaded[0]["update"] if loaded else 0, flush=True)
for update in count((loaded[0]["update"] if loaded else 0) + 1):
    checkpoints.save(update, *content(update))
    print(update, flush=True)
"""

# RLIMIT_FSIZE is a disk that is full for files over so many bytes; SIGXFSZ would kill the process.
LIMITED = CONTENT + """
import resource, signal
from tfglue.command_line import run

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
checkpoints.save(1, *content(1))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
raise SystemExit(run(lambda: checkpoints.save(2, *content(2))))
"""


def loaded_update(folder):
    """The update of the latest checkpoint; every tensor of it must be of that update."""
    loaded = CheckpointFolder(folder).load()
    if loaded is None:
        return 0
    state, groups = loaded
    assert state["history"] == [state["update"]] * 500
    assert sorted(groups) == ["best", "optimizer", "weights"]
    for tensors in groups.values():
        assert (tensors["a"] == state["update"]).all() and (tensors["b"] == -state["update"]).all()
        assert tensors["a"].size >= 20_000
    return state["update"]


def hidden(folder):
    return [path for path in folder.rglob(".*")]


@pytest.mark.slow
def test_a_kill_during_a_save_leaves_the_save_before(tmp_path):
    folder = tmp_path / "checkpoint"
    moments = random.Random(0)
    cut, seen, seconds = 0, [0], 0.02
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, folder], stdout=subprocess.PIPE, text=True
        )
        last, saves = int(process.stdout.readline()), moments.randint(0, 2)
        begun = time.monotonic()
        for _ in range(saves):
            last = int(process.stdout.readline())
        if saves:  # However busy the machine is, kills are spread over a save.
            seconds = (time.monotonic() - begun) / saves
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        lines = process.communicate()[0].split("\n")
        # The last line may itself be cut; what was reported is what a line feed ends.
        reported = int(lines[-2]) if len(lines) > 1 else last
        found = loaded_update(folder)
        # The kill may fall between the end of a save and its line.
        assert found in (reported, reported + 1)
        seen.append(found)
        cut += bool(hidden(folder))
        RunFolder(tmp_path).remove_leftovers()
        assert not hidden(folder)
        assert loaded_update(folder) == found
    # Unless most kills cut a save short, this test has not looked where it should.
    assert cut >= KILLS // 3
    assert len(set(seen)) >= KILLS // 3
    CheckpointFolder(folder).save(seen[-1] + 1, {}, {})
    assert len(list(folder.glob("update-*"))) == 2


@pytest.mark.parametrize("limit", [100, 1_000, 50_000, 100_000])
def test_a_full_disk_loses_nothing_older(tmp_path, limit):
    folder = tmp_path / "checkpoint"
    command = [sys.executable, "-c", LIMITED, folder]
    full = subprocess.run([*command, str(limit)], capture_output=True, text=True)
    assert full.returncode == 2
    assert full.stderr.count("\n") == 1
    assert f"{folder}/update-00000002: cannot be written (File too large)" in full.stderr
    assert loaded_update(folder) == 1
    assert sorted(os.listdir(folder)) == ["latest", "update-00000001"]
    room = subprocess.run([*command, "0"], capture_output=True, text=True)
    assert (room.returncode, room.stderr) == (0, "")
    assert loaded_update(folder) == 2


def test_saved_tensors_have_the_rights_of_other_files(tmp_path):
    CheckpointFolder(tmp_path).save(1, {}, {"weights": {"a": np.zeros(3)}})
    (tmp_path / "plain").touch()
    saved = tmp_path / "update-00000001" / "weights.safetensors"
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_a_kill_left_within_a_half_written_folder_goes_with_it(tmp_path):
    half = tmp_path / "checkpoint" / ".update-00000002.99.tmp"
    (half / ".state.json.99.tmp").mkdir(parents=True)
    (half / ".state.json.99.tmp" / "state.json").write_text("half")
    (half / ".older.99.tmp").write_text("half")
    RunFolder(tmp_path).remove_leftovers()
    assert not hidden(tmp_path)
