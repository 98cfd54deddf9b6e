"""Tag sequences drawn from a seed, and real ones damaged.

Drawn with `random.Random.random` alone, whose numbers do not change between Python versions.
"""

import random
from collections.abc import Sequence
from pathlib import Path

TYPES = ("PER", "LOC", "B-X", "")
# What a golden file damages: with this seed, so large a share of a corpus.
SEED, SHARE = 7, 0.15

PREFIXES = {"IOB": "BI", "IOE": "IE", "IOBES": "BIES"}


def drawn_tags(draw: random.Random, scheme: str, length: int) -> list[str]:
    """Tags in any order, so mostly no proper sequence of the scheme; "" is a prefix alone."""
    prefixes, tags = PREFIXES[scheme], []
    for _ in range(length):
        kind = TYPES[int(len(TYPES) * draw.random() ** 2)]
        prefix = prefixes[int(len(prefixes) * draw.random())]
        tag = f"{prefix}-{kind}" if kind else prefix
        tags.append("O" if draw.random() < 0.3 else tag)
    return tags


def damaged(sentences: Sequence[Sequence[str]], seed: int, share: float) -> list[list[str]]:
    """A copy in which so large a share of the tags is another one of the same corpus."""
    draw = random.Random(seed)
    tags = sorted({tag for sentence in sentences for tag in sentence})
    return [
        [tags[int(len(tags) * draw.random())] if draw.random() < share else tag for tag in sentence]
        for sentence in sentences
    ]


def corpus_tags(path: Path, column: int = -1) -> list[list[str]]:
    """One column of a CoNLL file, by sentence."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    return [[line.split()[column] for line in block.splitlines()] for block in blocks if block]
