"""An encoder that came from somewhere, and what came with it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
from keras.ops import convert_to_numpy

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import digest_tensors
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import initialize_weights

_POOLER = ("pooler.kernel", "pooler.bias")
_SHOWN_NAMES = 3


@dataclass(frozen=True)
class LoadReport:
    """Which weights an encoder got, and from where.

    Args:
        loaded: our names of the weights that were read.
        new: our names of the weights that were drawn at random.
        unused: names in the source that the encoder has no place for.
    """

    loaded: tuple[str, ...]
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def random(self) -> bool:
        """Whether no weight at all was read."""
        return not self.loaded

    def __str__(self) -> str:
        if self.random:
            return f"RANDOM WEIGHTS: nothing was loaded, all {len(self.new)} tensors are new"
        parts = [f"{len(self.loaded)} of {len(self.loaded) + len(self.new)} tensors loaded"]
        if self.new:
            parts.append(f"NEW, drawn at random: {', '.join(self.new)}")
        if self.unused:
            parts.append(f"{len(self.unused)} unused ({_first(self.unused)})")
        return "; ".join(parts)


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its tokenizer and a record of its origin.

    Args:
        encoder: the encoder.
        report: which weights were loaded, are new, or were left unused.
        source: where it came from, for messages and model cards.
        read_tokenizer: makes the tokenizer; takes ``lower_case``, None for the source's own choice.
        language_model: weights of a `MaskedHead` that the source has beside the encoder, by our
            names; empty where it has none.
    """

    encoder: BertEncoder
    report: LoadReport
    source: str
    read_tokenizer: Callable[[bool | None], BertTokenizer]
    language_model: Mapping[str, np.ndarray] = field(default_factory=dict)

    def tokenizer(self, lower_case: bool | None = None) -> BertTokenizer:
        """Returns the tokenizer that belongs to the encoder.

        Args:
            lower_case: None takes what the source says, and else what its vocabulary suggests.

        Raises:
            UserError: there is no vocabulary, or it has more tokens than the encoder has ids.
        """
        tokenizer = self.read_tokenizer(lower_case)
        if len(tokenizer.vocabulary) > self.encoder.vocabulary_size:
            raise UserError(
                f"{self.source}: the vocabulary has {len(tokenizer.vocabulary)} tokens but the "
                f"encoder {self.encoder.vocabulary_size} ids; expected files of one model"
            )
        return tokenizer

    def digest(self) -> str:
        """SHA-256 of all weights, whatever file or format they came from."""
        return weights_digest(self.encoder.named_weights())


def weights_digest(named_weights: Mapping[str, keras.Variable]) -> str:
    """SHA-256 of names, shapes and values, in the order of the names."""
    return digest_tensors(
        (name, convert_to_numpy(named_weights[name].value)) for name in sorted(named_weights)
    )


def random_report(encoder: BertEncoder, seed: int) -> LoadReport:
    """Draws all weights of `encoder` from `seed` and reports them as new."""
    encoder.initialize(seed)
    return LoadReport(loaded=(), new=tuple(encoder.named_weights()))


def assign_weights(
    encoder: BertEncoder,
    source: str,
    expected: Mapping[str, str],
    available: Collection[str],
    read: Callable[[str], np.ndarray],
    seed: int,
) -> LoadReport:
    """Fills an encoder from a checkpoint of any format.

    All weights must be there. The pooler alone may be missing as a whole (checkpoints of masked
    language models have none): it is then drawn from `seed` and reported as new.

    Args:
        encoder: the encoder to fill.
        source: the checkpoint, for messages.
        expected: our name of every weight -> its name in the checkpoint.
        available: all names in the checkpoint.
        read: returns the value for one of our names, in our layout.
        seed: for a new pooler.

    Raises:
        UserError: weights are missing or have another shape.
    """
    weights = encoder.named_weights()
    new = tuple(name for name in weights if expected[name] not in available)
    if set(new) - set(_POOLER) or len(new) == 1:
        raise UserError(
            f"{source}: {len(new)} of {len(weights)} encoder weights are missing "
            f"({_first([expected[name] for name in new])}); expected a whole BERT encoder as the "
            "configuration describes it"
        )
    loaded = tuple(name for name in weights if name not in new)
    for name in loaded:
        value = read(name)
        if value.shape != tuple(weights[name].shape):
            raise UserError(
                f"{source}: {expected[name]} has shape {value.shape}; the configuration asks for "
                f"{tuple(weights[name].shape)} (as {name})"
            )
        weights[name].assign(value)
    initialize_weights({name: weights[name] for name in new}, encoder.initializer_range, seed)
    used = {expected[name] for name in loaded}
    return LoadReport(loaded, new, tuple(sorted(name for name in available if name not in used)))


def _first(names: Collection[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(list(names)[:_SHOWN_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
