"""Shared fixtures: where the real data lies, and a small model and run that many tests read."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Where tests run side by side each has one thread: they took a fifth less time.
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """Keeps the user's token cache, GLUE folder and encoders out of tests."""
    monkeypatch.setenv("TFGLUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("GLUE_DIR", raising=False)
    monkeypatch.delenv("BERT_ALL_DIR", raising=False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real corpora; they are not ours to ship, so tests that read them skip without them."""
    if not (SHARED / "data" / "glue").is_dir():
        pytest.skip("needs the corpora in ../shared/data")
    return SHARED / "data"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A real pretrained encoder in Hugging Face layout."""
    folder = SHARED / "models" / "minilm-l6-h384-uncased"
    if not folder.is_dir():
        pytest.skip("needs the encoder in ../shared/models/minilm-l6-h384-uncased")
    return folder


@pytest.fixture(scope="session")
def sst_run(tmp_path_factory):
    """A finished run of the built-in demonstration, cut short."""
    from tfglue.run import Run

    output = tmp_path_factory.mktemp("runs") / "sst"
    return Run.train(
        task="sst", data="sample", epochs=1, train_examples=256, save="all", output=str(output)
    )
