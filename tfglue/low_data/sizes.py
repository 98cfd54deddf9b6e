"""Sizes of the training set that a learning curve goes through."""

from dataclasses import dataclass

from tfglue.errors import UserError


@dataclass(frozen=True)
class Sizes:
    """Sizes in ascending order.

    Args:
        setting: ``train_fraction`` or ``train_examples``, which every training is given.
        values: shares above 0 and at most 1, or numbers of rows.
    """

    setting: str
    values: tuple[float, ...]

    @classmethod
    def read(cls, fraction: str | None, examples: str | None) -> "Sizes":
        """Reads the two settings, of which one is given.

        Raises:
            UserError: both or none are given, or a size is no number, out of range, or not larger
                than the one before.
        """
        if fraction and examples:
            raise UserError("--train_fraction and --train_examples exclude each other; give one")
        if fraction:
            return cls("train_fraction", _ascending("train_fraction", fraction, _share))
        if examples:
            return cls("train_examples", _ascending("train_examples", examples, _count))
        raise UserError(
            "--train_fraction or --train_examples is needed: sizes of the training set, such as "
            "0.001,0.01,0.1,1 or 10,100,1000"
        )

    @staticmethod
    def name(value: float) -> str:
        """How folders and tables call a size."""
        return str(value) if isinstance(value, int) else f"{value:.10f}".rstrip("0").rstrip(".")


def _ascending(setting: str, text: str, read) -> tuple[float, ...]:
    values: list[float] = []
    for part in text.split(","):
        value = read(part.strip())
        if values and value <= values[-1]:
            raise UserError(
                f"--{setting} {text}: {part.strip()} follows {Sizes.name(values[-1])}; name every "
                "size once, the smallest first"
            )
        values.append(value)
    return tuple(values)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise UserError(
            f"--train_fraction: expected shares such as 0.001,0.01,0.1,1, not '{text}'"
        ) from None
    if not 1e-9 <= value <= 1:
        raise UserError(
            f"--train_fraction: expected shares above 0 and at most 1, not {text}; numbers of rows "
            "go with --train_examples"
        )
    return value


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise UserError(
            f"--train_examples: expected whole numbers such as 10,100,1000, not '{text}'; shares "
            "go with --train_fraction"
        ) from None
    if value < 1:
        raise UserError(f"--train_examples: expected numbers of at least 1, not {text}")
    return value
