"""The names that BERT's weights have in published checkpoints, beside our own."""

from collections.abc import Collection, Iterable

from tfglue.errors import UserError

_MODULES = {
    "embeddings.word": "embeddings.word_embeddings",
    "embeddings.position": "embeddings.position_embeddings",
    "embeddings.segment": "embeddings.token_type_embeddings",
    "embeddings.layer_norm": "embeddings.LayerNorm",
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.output": "attention.output.dense",
    "attention.layer_norm": "attention.output.LayerNorm",
    "feed_forward.intermediate": "intermediate.dense",
    "feed_forward.output": "output.dense",
    "feed_forward.layer_norm": "output.LayerNorm",
    "pooler": "pooler.dense",
}
# PyTorch's name for each kind of weight; embedding tables have no kind with us.
_PYTORCH_KINDS = {
    "": "weight", "kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"
}
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


def hugging_face_name(name: str) -> str:
    """Returns the name that `transformers.BertModel` has for one of our weights."""
    layer, module, kind = _split(name)
    prefix = f"encoder.layer.{layer}." if layer else ""
    return f"{prefix}{module}.{_PYTORCH_KINDS[kind]}"


def google_name(name: str) -> str:
    """Returns the name that Google's TF1 checkpoints have for one of our weights."""
    layer, module, kind = _split(name)
    layers = ["encoder", f"layer_{layer}"] if layer else []
    return "/".join(["bert", *layers, *module.split("."), *([kind] if kind else [])])


def _split(name: str) -> tuple[str, str, str]:
    """The layer's number, the published name of the module, and our kind of weight."""
    layer = ""
    if name.startswith("layers."):
        _, layer, name = name.split(".", 2)
    if name in _MODULES:
        return layer, _MODULES[name], ""
    module, _, kind = name.rpartition(".")
    return layer, _MODULES[module], kind


def hugging_face_keys(names: Iterable[str], keys: Collection[str], source: str) -> dict[str, str]:
    """Finds our weights among the keys of a PyTorch or safetensors file.

    The encoder may be a part of another model and have a prefix there (``bert.``,
    ``module.bert.``): it is the one that the word embeddings have. LayerNorm's old names gamma and
    beta are taken for weight and bias.

    Args:
        names: our names.
        keys: all keys of the file.
        source: the file, for messages.

    Returns:
        Our name -> its key; the key it ought to have where the weight is missing.

    Raises:
        UserError: there are several encoders, or a weight is there under an old and a new name.
    """
    table = hugging_face_name("embeddings.word")
    prefixes = [key.removesuffix(table) for key in keys if f".{key}".endswith(f".{table}")]
    if len(prefixes) > 1:
        raise UserError(
            f"{source}: {len(prefixes)} encoders in one file ({', '.join(sorted(prefixes))}); "
            "expected one"
        )
    prefix = prefixes[0] if prefixes else ""
    found: dict[str, str] = {}
    for key in keys:
        if not key.startswith(prefix):
            continue
        name = _new_name(key.removeprefix(prefix))
        if name in found:
            raise UserError(f"{source}: {key} and {found[name]} are the same tensor; expected one")
        found[name] = key
    expected = {name: hugging_face_name(name) for name in names}
    return {name: found.get(theirs, prefix + theirs) for name, theirs in expected.items()}


def _new_name(key: str) -> str:
    for old, new in _OLD_NAMES.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key
