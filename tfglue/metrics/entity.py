"""Entities in the tags of a sentence.

They are what ``conlleval`` (Tjong Kim Sang and Buchholz, 2000, the CoNLL-2000 shared task) and the
default mode of the library seqeval take for them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tfglue.errors import UserError

_TAG = re.compile(r"([BIES])(?:-(.*))?", re.DOTALL)


class Entity(NamedTuple):
    """A typed span of tokens.

    Attributes:
        label: its type, "_" where the tags name none.
        start: its first token.
        stop: one past its last token.
    """

    label: str
    start: int
    stop: int


def entities(tags: Sequence[str]) -> list[Entity]:
    """Entities of one sentence, whatever the scheme: IOB1, IOB2 (BIO), IOE, IOBES.

    An entity begins at B and S, after O, E and S, and wherever the type changes; it ends before
    the next O and the next beginning. So no sequence of these tags is wrong.

    Args:
        tags: O, or B, I, E or S with "-" and the type.

    Raises:
        UserError: another tag.
    """
    found = []
    start, last_prefix, last_label = 0, "O", ""
    for position, tag in enumerate((*tags, "O")):
        prefix, label = _split(tag)
        begins = prefix != "O" and (prefix in "BS" or last_prefix in "OES" or label != last_label)
        if last_prefix != "O" and (begins or prefix == "O"):
            found.append(Entity(last_label, start, position))
        if begins:
            start = position
        last_prefix, last_label = prefix, label
    return found


def _split(tag: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    match = _TAG.fullmatch(tag)
    if match is None:
        raise UserError(
            f"tag '{tag}': entities need O, or B, I, E or S with '-' and a type, as in B-PER; "
            "score other tags with accuracy"
        )
    return match[1], match[2] or "_"
