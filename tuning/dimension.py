"""One searched setting: which values it may have, and how they are spread."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfglue.errors import UserError, suggestion

if TYPE_CHECKING:
    import keras_tuner

Value = float | int | str

SPREADS = ("log", "uniform", "int", "choice")
_FORMS = "log:LOW:HIGH, uniform:LOW:HIGH, int:LOW:HIGH[:STEP] or choice:A,B,..."
_DIGITS = 4
_MOVED_IN = 1e-3
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Dimension:
    """The values of one setting; `read_dimension` makes it.

    Args:
        name: of the setting, such as ``learning_rate`` or ``head.size``.
        spread: one of `SPREADS`.
        low, high: ends of a range, both of them in it.
        step: between the whole numbers of ``int``.
        values: of ``choice``; numbers in their order.
        whole: whether the values of a range are whole numbers.
    """

    name: str
    spread: str
    low: float = 0.0
    high: float = 0.0
    step: int = 1
    values: tuple[Value, ...] = ()
    whole: bool = False

    def __str__(self) -> str:
        if self.spread == "choice":
            shown = [_text(value) for value in self.values]
            return "choice:" + ("|" if any("," in text for text in shown) else ",").join(shown)
        step = [str(self.step)] if self.step != 1 else []
        return ":".join([self.spread, _text(self.low), _text(self.high), *step])

    def declare(self, hyperparameters: "keras_tuner.HyperParameters") -> None:
        """Adds the dimension to those that a tuner of keras-tuner searches."""
        if self.spread == "choice":
            hyperparameters.Choice(self.name, list(self.values))
        elif self.whole and self.spread == "log":
            hyperparameters.Int(self.name, self.low, self.high, sampling="log")
        elif self.whole:
            hyperparameters.Int(self.name, self.low, self.high, step=self.step)
        else:
            sampling = "log" if self.spread == "log" else "linear"
            hyperparameters.Float(self.name, self.low, self.high, sampling=sampling)

    def clean(self, value: Value) -> Value:
        """The value with four digits at most, inside its range, in its own type.

        Fewer digits can be read and typed; and they survive keras-tuner's messages between
        processes, which hold 32 bits of a number, so that one worker and two see the same values.
        """
        if self.spread == "choice":
            if isinstance(self.values[0], str):
                return value
            return min(self.values, key=lambda known: abs(known - value))
        if self.whole:
            return int(value)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)

    @property
    def every(self) -> Sequence[Value] | None:
        """All values in their order; None for a range of numbers that are not whole."""
        if self.spread == "choice":
            return self.values
        return range(self.low, self.high + 1, self.step) if self.whole else None

    def points(self, count: int) -> list[Value]:
        """Values for a grid: all, or so many of a range, its ends included."""
        if self.spread == "choice":
            return list(self.values)
        if self.spread == "int":
            every = self.every
            if len(every) <= count:
                return list(every)
            return [every[round(i * (len(every) - 1) / (count - 1))] for i in range(count)]
        shares = [i / (count - 1) for i in range(count)]
        if self.spread == "log":
            values = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            values = [self.low + share * (self.high - self.low) for share in shares]
        return list(dict.fromkeys(self.clean(round(v) if self.whole else v) for v in values))

    def position(self, value: Value) -> float:
        """Where a value stands between the first (0) and the last (1), as the spread counts."""
        if self.spread == "choice":
            return self.values.index(value) / max(len(self.values) - 1, 1)
        if self.spread == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def read_dimension(
    name: str, text: str, kind: type, check: Callable[[Any], Any], where: str
) -> Dimension:
    """Reads ``log:1e-6:1e-3`` and the like.

    A range may begin at a value that its setting itself excludes, as published ones do (a learning
    rate from 0): that end moves in by a thousandth of the range.

    Args:
        name: the setting's.
        text: what is said of it.
        kind: ``int``, ``float``, ``bool`` or ``str``.
        check: returns a value in its right type, or raises UserError.
        where: the flag or file, for messages.

    Raises:
        UserError: the text is of no known form, the range empty or reversed, or a value is none
            that the setting may have.
    """
    spread, colon, rest = text.strip().partition(":")
    if spread not in SPREADS or not colon:
        raise UserError(f"{where}: expected {_FORMS}, not '{text}'{suggestion(spread, SPREADS)}")
    if spread == "choice":
        return Dimension(name, spread, values=_choices(rest, kind, check, where))
    if kind not in (int, float):
        raise UserError(f"{where}: {name} is no number; expected choice:A,B,...")
    if spread == "uniform" and kind is int:
        raise UserError(f"{where}: {name} is a whole number; expected int:{rest} or log:{rest}")
    parts = rest.split(":")
    if len(parts) not in ((2, 3) if spread == "int" else (2,)):
        raise UserError(f"{where}: expected {spread}:LOW:HIGH, not '{text}'")
    whole = spread == "int" or kind is int
    low, high, *steps = [_number(part, whole, where) for part in parts]
    if low == high:
        raise UserError(f"{where}: an empty range; give one value as --{name.partition('.')[0]}")
    if low > high:
        raise UserError(f"{where}: a reversed range; did you mean {spread}:{parts[1]}:{parts[0]}?")
    if spread == "log" and low <= 0:
        raise UserError(f"{where}: log needs ends above 0, not {parts[0]}")
    step = steps[0] if steps else 1
    if steps and not 0 < step <= high - low:
        raise UserError(f"{where}: expected a step from 1 to {high - low}, not {step}")
    check(high)
    if spread == "uniform":
        try:
            check(low)
        except UserError:
            low += _MOVED_IN * (high - low)
    check(low)
    return Dimension(name, spread, low, high, step, whole=whole)


def _choices(text: str, kind: type, check: Callable, where: str) -> tuple[Value, ...]:
    parts = [part.strip() for part in text.split("|" if "|" in text else ",")]
    if not all(parts):
        raise UserError(f"{where}: expected choice:A,B,..., not 'choice:{text}'")
    if kind is bool:
        unknown = [part for part in parts if part not in ("true", "false")]
        if unknown:
            raise UserError(f"{where}: expected true or false, not '{unknown[0]}'")
        values: Sequence[Value] = parts
    else:
        values = [check(part) for part in parts]
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"{where}: {_text(value)} is given twice")
    if len(values) == 1:
        raise UserError(f"{where}: one value is no choice; give it as a flag, or a second one")
    return tuple(values if isinstance(values[0], str) else sorted(values))


def _number(text: str, whole: bool, where: str) -> float | int:
    try:
        value = float(text)
        if not math.isfinite(value) or (whole and value != int(value)):
            raise ValueError
    except ValueError:
        noun = "a whole number" if whole else "a number"
        raise UserError(f"{where}: expected {noun}, not '{text}'") from None
    if whole and abs(value) > _LARGEST:
        raise UserError(f"{where}: expected a whole number of at most {_LARGEST}, not '{text}'")
    return int(value) if whole else value


def _text(value: Value) -> str:
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return repr(value) if isinstance(value, float) and float(short) != value else short
