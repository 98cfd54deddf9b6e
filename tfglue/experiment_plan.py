"""``experiment.yaml``: what a chain or restarts were asked for, beside the runs they make."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tfglue.config import OF_ONE_COMMAND, TrainConfig
from tfglue.files import read_yaml, write_text
from tfglue.flags import checked
from tfglue.form import check_file

FORMAT = "tfglue.experiment.v1"


class ExperimentPlan:
    """The settings of an experiment, in its folder.

    Args:
        folder: of the experiment; the file need not be there yet.
    """

    def __init__(self, folder: Path):
        self.path = Path(folder) / "experiment.yaml"

    @property
    def exists(self) -> bool:
        """Whether the folder is of a chain or of restarts."""
        # Unlike the method of a path, this takes names that no file can have.
        return os.path.isfile(self.path)

    def write(self, given: Mapping[str, Any]) -> None:
        """Writes the settings that were given, but for where and how the command was started."""
        settings = {name: value for name, value in given.items() if name not in OF_ONE_COMMAND}
        content = {"format": FORMAT, "settings": settings}
        write_text(
            self.path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        )

    def read(self) -> dict[str, Any]:
        """The settings that were given. Raises UserError if the file is not what `write` writes."""
        content = read_yaml(self.path)
        check_file(content, FORMAT, {"settings": {str: object}}, self.path)
        settings = checked(content["settings"], TrainConfig, where=str(self.path))
        return {name: value for name, value in settings.items() if value is not None}
