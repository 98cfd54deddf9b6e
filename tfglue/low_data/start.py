"""What a learning curve begins with: an encoder, or a finished run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfglue.errors import UserError
from tfglue.run_folder import RunFolder

_FORM = "expected NAME=ENCODER or NAME=RUN, such as plain=bert_base_en_uncased"


@dataclass(frozen=True)
class Start:
    """A line of the picture.

    Args:
        name: how tables and pictures call it.
        place: encoder or run, as `--encoder` and `--init` take them.
    """

    name: str
    place: str

    def __str__(self) -> str:
        return f"{self.name}={self.place}"

    @property
    def is_run(self) -> bool:
        """Whether it is a run, whose encoder is taken."""
        folder, _ = RunFolder.named(self.place)
        return folder.is_run() or (folder.path / "restarts.json").is_file()

    @property
    def settings(self) -> dict[str, str]:
        """What a training is given to begin with it."""
        return {"init": self.place} if self.is_run else {"encoder": self.place}


def read_starts(texts: Sequence[str]) -> tuple[Start, ...]:
    """Reads values of ``--start``.

    Args:
        texts: each ``NAME=PLACE``.

    Raises:
        UserError: there is none, one has no name or no place, a name comes twice or can be no
            folder's, or a run is not finished.
    """
    if not texts:
        raise UserError(f"--start is needed, once for every line of the picture: {_FORM}")
    starts: list[Start] = []
    for text in texts:
        name, equals, place = (part.strip() for part in text.partition("="))
        if not (name and equals and place):
            raise UserError(f"--start {text}: {_FORM}")
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise UserError(
                f"--start {text}: the name is a folder's, too; use letters, digits, '.', '+', '-' "
                "and '_'"
            )
        if name in (start.name for start in starts):
            raise UserError(f"--start {text}: '{name}' is named twice; give each its own name")
        starts.append(Start(name, place))
    for start in starts:
        if start.is_run:
            folder, which = RunFolder.named(start.place)
            try:
                folder.finished_manifest()
                folder.weights(which)
            except UserError as error:
                raise UserError(f"--start {start.name}: {error}") from None
    return tuple(starts)
