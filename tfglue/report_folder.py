"""The folder that a command writes a report into."""

from collections.abc import Sequence
from pathlib import Path

from tfglue.errors import UserError


def report_folder(name: str | Path, files: Sequence[str], overwrite: bool) -> Path:
    """The folder that ``--output`` of a report names; nothing is made yet.

    Args:
        name: of the folder, which may hold other files.
        files: what the report writes into it.
        overwrite: whether they may be there already.

    Raises:
        UserError: they are there, or the name is a file's.
    """
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output: {folder} is a file; name a folder")
    taken = [file for file in files if (folder / file).exists()]
    if taken and not overwrite:
        raise UserError(
            f"--output: {folder} holds {', '.join(taken)}; add --overwrite or name another folder"
        )
    return folder
