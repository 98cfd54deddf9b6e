"""Runs of a grid: by one process at a time, each trained to its end, and never twice."""

import gc
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfglue.config import TrainConfig
from tfglue.flags import checked
from tfglue.folder_lock import locked
from tfglue.run_folder import RunFolder
from tfglue.trainer import train_run
from tfglue.training.loop import Diverged, Interrupted


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
        Diverged: its loss is no longer finite. Nothing is left of it then, so that whoever goes on
            with the grid trains it once more.
        UserError, KeyboardInterrupt: as `train_run` does.
    """
    place = RunFolder(path)
    if place.is_finished():
        return None
    gc.collect()  # Of a run that diverged the model lives on in what was raised.
    given = checked(
        {**settings, "output": str(path), "resume": place.is_run()}, TrainConfig, where="settings"
    )
    begin = time.monotonic()
    try:
        train_run(given, say=lambda line: None)
    except Diverged:
        shutil.rmtree(path)
        raise
    gc.collect()  # A model and its graphs refer to each other.
    return time.monotonic() - begin
