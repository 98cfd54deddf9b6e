"""The JSON files that configure adapters in the PALs code."""

from pathlib import Path
from typing import Any

from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.errors import UserError, suggestion
from tfglue.files import read_json

_SWITCHES = ("pals", "mult", "houlsby", "lhuc", "top", "bert_lay_top")
_SIZES = ("hidden_size_aug", "extra_dim")
# What the code assumes where a file has no size.
_DEFAULT_SIZE = 204
_ADAPTERS = {
    frozenset(switches.split()): name
    for switches, name in {
        "mult pals": "pal",
        "mult pals lhuc": "pal",
        "mult": "low_rank",
        "mult lhuc": "low_rank",
        "houlsby": "houlsby",
        "houlsby pals": "houlsby_pal",
        "lhuc": "lhuc",
        "top": "top_attention",
        "top bert_lay_top": "top_layer",
    }.items()
}
# They describe the encoder, which we are given with its own, or are overwritten by the code.
_NOT_OF_THE_ADAPTER = (
    "attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size",
    "initializer_range", "intermediate_size", "max_position_embeddings", "num_attention_heads",
    "num_hidden_layers", "num_tasks", "type_vocab_size", "vocab_size",
)


def read_published(path: Path) -> AdapterConfig | None:
    """Reads a configuration file of Stickland and Murray's code as that code understands it.

    The file's description of BERT is left alone: the adapter takes its widths and rates from the
    encoder that it sits in. Unlike the code, which ignores what it does not look for, we refuse
    unknown keys and combinations of which it would drop a part.

    Returns:
        The adapter; None for a file without any, the code's fully shared model.

    Raises:
        UserError: for a file that is not such a configuration.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a JSON object")
    known = (*_SWITCHES, *_SIZES, *_NOT_OF_THE_ADAPTER)
    for key in content:
        if key not in known:
            raise UserError(f"{path}: unknown key '{key}'{suggestion(key, known)}")
    on = {name for name in _SWITCHES if _switch(path, name, content.get(name, False))}
    if "houlsby" in on:
        on.discard("mult")  # The code looks for houlsby first.
    name = _ADAPTERS.get(frozenset(on))
    if name is None:
        if on <= {"pals"}:  # By itself it says what, but not where.
            return None
        raise UserError(
            f"{path}: {', '.join(sorted(on))} do not go together; expected mult, mult and pals "
            "(each also with lhuc), houlsby, houlsby and pals, lhuc, top, or top and bert_lay_top"
        )
    sizes = {key: content[key] for key in _SIZES if content.get(key) is not None}
    return ADAPTERS.get(name).of(_settings(name, sizes, "lhuc" in on), where=f"{path} ({name})")


def _settings(name: str, sizes: dict[str, Any], lhuc: bool) -> dict[str, Any]:
    """What the file's sizes are called in an adapter's configuration."""
    size = sizes.get("hidden_size_aug", _DEFAULT_SIZE)
    rank = sizes.get("extra_dim", size)
    if name in ("pal", "low_rank"):
        return {"size": size if name == "pal" else rank, "lhuc": lhuc}
    if name == "houlsby_pal":
        return {"size": size, "low_rank_size": rank}
    return {"houlsby": {"size": rank}, "top_attention": {"size": size}}.get(name, {})


def _switch(path: Path, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{path}: {name}: expected true or false, not '{value}'")
    return value
