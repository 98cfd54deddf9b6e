"""A smaller encoder made of some layers of a larger one: the `--keep_layers` setting."""

from dataclasses import replace

from tfglue.errors import UserError, suggestion
from tfglue.models.encoder import BertEncoder
from tfglue.models.loaded_encoder import LoadedEncoder, LoadReport

_CHOICES = ("bottom", "alternate")


def kept_layers(setting: str, num_layers: int) -> tuple[int, ...]:
    """Which layers of an encoder, from 0, a smaller one gets.

    Args:
        setting: ``bottom:N``, the first N, or ``alternate:N``, N that are evenly spread, the last
            one among them: layers 2, 4 and 6 of six, counted from 1.
        num_layers: of the larger one.

    Raises:
        UserError: for another setting, or more layers than there are.
    """
    name, _, count = setting.partition(":")
    if name not in _CHOICES:
        raise UserError(
            f"--keep_layers: unknown value '{setting}'{suggestion(name, _CHOICES)} (expected "
            "bottom:N or alternate:N)"
        )
    if not (count.isascii() and count.isdigit() and 1 <= int(count) <= num_layers):
        raise UserError(
            f"--keep_layers {setting}: expected {name}:N with N from 1 to {num_layers}, the number "
            "of layers of this encoder"
        )
    size = int(count)
    if name == "bottom":
        return tuple(range(size))
    return tuple(layer * num_layers // size - 1 for layer in range(1, size + 1))


def with_layers(loaded: LoadedEncoder, setting: str) -> LoadedEncoder:
    """The encoder with fewer layers; embeddings and pooler are the larger one's.

    Raises:
        UserError: as `kept_layers` does.
    """
    larger = loaded.encoder
    layers = kept_layers(setting, larger.num_layers)
    config = {k: v for k, v in larger.get_config().items() if k not in ("name", "trainable")}
    smaller = BertEncoder(**config | {"num_layers": len(layers)})
    source = larger.named_weights()
    for name, weight in smaller.named_weights().items():
        weight.assign(source[_name_in_larger(name, layers)])
    kept = {_name_in_larger(name, layers) for name in smaller.named_weights()}
    report = LoadReport(
        loaded=tuple(name for name in loaded.report.loaded if name in kept),
        new=tuple(name for name in loaded.report.new if name in kept),
        unused=(*loaded.report.unused, *(name for name in source if name not in kept)),
    )
    shown = ", ".join(str(layer + 1) for layer in layers)
    return replace(
        loaded, encoder=smaller, report=report,
        source=f"{loaded.source}, layers {shown} of {larger.num_layers}",
    )


def _name_in_larger(name: str, layers: tuple[int, ...]) -> str:
    if not name.startswith("layers."):
        return name
    _, index, rest = name.split(".", 2)
    return f"layers.{layers[int(index)]}.{rest}"
