"""Where caches live."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$TFGLUE_CACHE``, or ``tfglue`` in the user's cache folder."""
    if folder := os.environ.get("TFGLUE_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tfglue"
