"""A source that gives a part of its training data for a dev set."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tfglue.data.examples import Examples
from tfglue.data.held_out import split_held_out

if TYPE_CHECKING:
    from tfglue.data.sources import Source


class HeldOutSource:
    """Another source, whose ``train`` becomes ``train`` and ``dev``.

    Args:
        source: where the examples come from; of its other splits those that are dev are left out.
        share: of the training data that serves as dev.
    """

    def __init__(self, source: "Source", share: float):
        self.task = source.task
        self.kind = source.kind
        self.description = f"{source.description}, {_held_out(share)} as dev"
        self._source = source
        self._share = share

    def splits(self) -> tuple[str, ...]:
        """The splits of the source, dev splits left out, and ``dev`` behind ``train``."""
        rest = tuple(
            split for split in self._source.splits()
            if split != "train" and not split.startswith("dev")
        )
        return ("train", "dev", *rest) if "train" in self._source.splits() else rest

    def undivided(self) -> Examples:
        """All rows of ``train``, those that are held out included."""
        return self._source.read("train")

    def read(self, split: str, labelled: bool = True) -> Examples:
        """Reads one split; ``train`` and ``dev`` are the same two parts each time.

        Raises UserError as the source does.
        """
        if split not in ("train", "dev"):
            return self._source.read(split, labelled)
        examples = self._source.read("train", labelled)
        kept, aside = split_held_out(examples, self._share)
        part = examples.take(kept if split == "train" else aside)
        note = _held_out(self._share) if split == "train" else f"the {_held_out(self._share)}"
        return replace(part, origin=f"{examples.origin}, {note}")


def _held_out(share: float) -> str:
    return f"{100 * share:g} % held out"
