"""Runs of a grid: by one process at a time, each trained to its end, and never twice."""

import gc
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfglue.config import TrainConfig
from tfglue.files import read_text, write_text
from tfglue.flags import checked
from tfglue.folder_lock import locked
from tfglue.run_folder import RunFolder
from tfglue.trainer import train_run
from tfglue.training.loop import Diverged, Interrupted

DIVERGED = "diverged.txt"
"""In the folder of a run whose loss was no longer finite: what was said of it."""


@contextmanager
def training_grid(folder: Path, lock: str, module: str) -> Iterator[None]:
    """While runs of the grid in a folder are trained.

    Args:
        folder: of the grid.
        lock: name of the file in it that other processes see.
        module: what goes on with the grid, after ``python -m``.

    Raises:
        UserError: another process trains it.
        Interrupted: by a signal; the message says how to go on.
    """
    tf.get_logger().setLevel("ERROR")  # Every run is traced anew, which TensorFlow warns of.
    try:
        with locked(folder, lock):
            yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"what is finished is kept; go on with python -m {module} --output "
            f"{shlex.quote(str(folder))} --resume"
        ) from None


def train_unless_finished(settings: Mapping[str, Any], path: Path) -> float | None:
    """Trains a run, or goes on with it where it stopped, saying nothing.

    Args:
        settings: of the run, but for its place.
        path: the run's folder.

    Returns:
        Seconds it took; None for a run that is finished already.

    Raises:
        Diverged: it diverges, or did when it was trained before. One run of many has no score then,
            and would have none if it was trained again.
        UserError, KeyboardInterrupt: as `train_run` does.
    """
    place, note = RunFolder(path), path / DIVERGED
    if place.is_finished():
        return None
    if note.is_file():
        raise Diverged(read_text(note).strip())
    given = checked(
        {**settings, "output": str(path), "resume": place.is_run()}, TrainConfig, where="settings"
    )
    begin = time.monotonic()
    try:
        train_run(given, say=lambda line: None)
    except Diverged as error:
        write_text(note, f"{error}\n")
        raise
    gc.collect()  # A model and its graphs refer to each other.
    return time.monotonic() - begin
