"""Which part of the encoder is trained: the `--freeze` setting."""

from tfglue.errors import UserError, suggestion
from tfglue.models.encoder import BertEncoder

CHOICES = (
    "none", "embeddings", "embeddings:word", "layers:N", "encoder_except_norms", "encoder",
)

_TABLES = ("word", "position", "segment")


def freeze(encoder: BertEncoder, setting: str) -> None:
    """Freezes parts of an encoder that is all trainable.

    A frozen weight has no gradient, no optimizer slot and no share in the clipping norm. A part
    that is wholly frozen runs without dropout.

    Args:
        setting: ``none``; ``embeddings``; ``embeddings:word``, this table alone, or ``position`` or
            ``segment``, or several joined by ``+``; ``layers:N``, the embeddings and the first N
            layers;
            ``encoder_except_norms``, all but the LayerNorms, with dropout on (Stickland and Murray
            2019, as in their code); ``encoder``, all of it with the pooler.

    Raises:
        UserError: for an unknown setting, or more layers than the encoder has.
    """
    encoder.trainable = True
    name, _, count = setting.partition(":")
    if name == "layers":
        layers = encoder.encoder_layers
        if not (count.isascii() and count.isdigit()) or int(count) > len(layers):
            raise UserError(
                f"--freeze {setting}: expected layers:N with N from 0 to {len(layers)}, "
                "the number of layers of this encoder"
            )
        for part in (encoder.embeddings, *layers[: int(count)]):
            part.trainable = False
    elif setting == "embeddings":
        encoder.embeddings.trainable = False
    elif name == "embeddings":
        for table in count.split("+"):
            if table not in _TABLES:
                raise UserError(
                    f"--freeze {setting}: unknown table '{table}'{suggestion(table, _TABLES)} "
                    f"(expected {', '.join(_TABLES)}, several joined by +)"
                )
            getattr(encoder.embeddings, table).trainable = False
    elif setting == "encoder_except_norms":
        for weight_name, weight in encoder.named_weights().items():
            weight.trainable = "layer_norm" in weight_name
    elif setting == "encoder":
        encoder.trainable = False
    elif setting != "none":
        raise UserError(
            f"--freeze: unknown value '{setting}'{suggestion(setting, CHOICES)} "
            f"(expected one of: {', '.join(CHOICES)})"
        )
