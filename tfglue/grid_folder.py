"""The folder of a grid of runs, and what was asked for in it."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tfglue.errors import UserError
from tfglue.files import read_yaml, write_text
from tfglue.form import check_file


class GridFolder:
    """Whose a folder is, by a file that says what was asked for.

    Args:
        path: the folder; it need not exist yet.
        file: name of that file.
        form: format that the file names.
        noun: what messages call the grid.
    """

    def __init__(self, path: Path, *, file: str, form: str, noun: str):
        self.path = Path(path)
        self.file = self.path / file
        self._form, self._noun = form, noun

    def write(self, settings: Mapping[str, Any]) -> None:
        """Writes down what was asked for."""
        content = {"format": self._form, "settings": dict(settings)}
        write_text(self.file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def read(self) -> dict[str, Any]:
        """What was asked for. Raises UserError if the folder holds no such grid."""
        if not self.file.is_file():
            raise UserError(f"{self.path}: holds no {self._noun} (it has no {self.file.name})")
        content = read_yaml(self.file)
        check_file(content, self._form, {"settings": {str: object}}, self.file)
        return content["settings"]

    def claim(self, *, resume: bool, overwrite: bool) -> bool:
        """Whether the folder holds a grid that is gone on with.

        Raises:
            UserError: it holds something else, or a grid that neither flag speaks of.
        """
        there = self.file.is_file()
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--output: {self.path} is a file; name a folder")
        if not there and self._entries():
            raise UserError(
                f"--output: {self.path} is not empty and holds no {self._noun}; name another folder"
            )
        if resume and overwrite:
            raise UserError("--resume and --overwrite exclude each other; give one")
        if there and not (resume or overwrite):
            raise UserError(
                f"--output: {self.path} holds a {self._noun}; add --resume to go on with it, "
                "--overwrite to replace it, or name another folder"
            )
        return there and resume

    def check_same(self, now: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """Raises UserError if a setting is not what it was."""
        for name, value in now.items():
            if stored.get(name) != value:
                raise UserError(
                    f"--resume: {name} was {stored.get(name)}, now {value} in {self.path}; a "
                    f"{self._noun} goes on as it began: leave it out, or name another folder"
                )

    def clear(self) -> None:
        """Deletes what is in the folder, but for hidden files such as its lock."""
        # The file that says what the folder is goes last, so that a kill leaves it overwritable.
        for entry in sorted(self._entries(), key=lambda entry: entry == self.file):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _entries(self) -> list[Path]:
        if not self.path.is_dir():
            return []
        return [entry for entry in self.path.iterdir() if not entry.name.startswith(".")]
