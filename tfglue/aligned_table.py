"""Tables as people read them in a terminal."""

from collections.abc import Collection, Sequence


def aligned_table(rows: Sequence[Sequence[str]], text: Collection[int]) -> list[str]:
    """Lines with columns of one width.

    Args:
        rows: cells, the header's first.
        text: numbers of the columns that begin at the left; the others are numbers.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number in text else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
