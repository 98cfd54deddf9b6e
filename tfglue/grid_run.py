"""One run of a grid of them: trained to its end, and never twice."""

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.flags import checked
from tfglue.run_folder import RunFolder
from tfglue.trainer import train_run


def train_unless_finished(settings: Mapping[str, Any], path: Path) -> float | None:
    """Trains a run, or goes on with it where it stopped, saying nothing.

    Args:
        settings: of the run, but for its place.
        path: the run's folder.

    Returns:
        Seconds it took; None for a run that is finished already.

    Raises:
        UserError, KeyboardInterrupt: as `train_run` does.
    """
    place = RunFolder(path)
    if place.is_finished():
        return None
    given = checked(
        {**settings, "output": str(path), "resume": place.is_run()}, TrainConfig, where="settings"
    )
    begin = time.monotonic()
    train_run(given, say=lambda line: None)
    gc.collect()  # A model and its graphs refer to each other.
    return time.monotonic() - begin
