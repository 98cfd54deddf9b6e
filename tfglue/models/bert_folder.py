"""What a BERT folder says besides its weights: configuration and tokenizer."""

from pathlib import Path
from typing import Any

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import read_json
from tfglue.models.activation import get_activation
from tfglue.models.encoder import BertEncoder

CONFIG_NAMES = ("config.json", "bert_config.json")
"""Hugging Face's and Google's name; the keys inside are the same."""

_REQUIRED_SIZES = {
    "vocab_size": "vocabulary_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "hidden_size": "hidden_dim",
    "intermediate_size": "intermediate_dim",
}
_OPTIONAL_SIZES = {
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "num_segments",
}
_RATES = {
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
_POSITIVE_NUMBERS = {
    "layer_norm_eps": "layer_norm_epsilon",
    "initializer_range": "initializer_range",
}
# Settings that change what the encoder computes, with the values of plain BERT.
_PLAIN_BERT = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "use_adapter": False,
}
# Where `transformers` knows an activation of ours by another name only.
_TRANSFORMERS_ACTIVATIONS = {"gelu_tanh": "gelu_pytorch_tanh"}


def find_config(folder: Path) -> Path | None:
    """The configuration file of a folder, or None."""
    paths = (folder / name for name in CONFIG_NAMES)
    return next((path for path in paths if path.is_file()), None)


def read_config(folder: Path) -> dict[str, Any]:
    """Reads a folder's ``config.json`` or ``bert_config.json``.

    Sizes of the network have to be there; what else is absent takes BERT's value.

    Returns:
        The arguments of `BertEncoder`.

    Raises:
        UserError: the file is missing, a key is missing or has a value that makes no sense, or the
            model is not a plain BERT.
    """
    path = find_config(folder)
    if path is None:
        raise UserError(
            f"{folder}: no {' and no '.join(CONFIG_NAMES)} in it; put the model's configuration "
            "there, and its vocab.txt"
        )
    config = read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object")
    for key, value in _PLAIN_BERT.items():
        if config.get(key, value) != value:
            raise UserError(
                f"{path}: {key} is {config[key]!r}; expected {value!r}, a plain BERT encoder"
            )
    missing = [key for key in _REQUIRED_SIZES if key not in config]
    if missing:
        raise UserError(f"{path}: no {', '.join(missing)}; expected the configuration of a BERT")
    arguments = {
        name: _check(path, key, config[key])
        for key, name in (_REQUIRED_SIZES | _OPTIONAL_SIZES | _RATES | _POSITIVE_NUMBERS).items()
        if key in config
    }
    if config["hidden_size"] % config["num_attention_heads"]:
        raise UserError(
            f"{path}: hidden_size {config['hidden_size']} is not a multiple of "
            f"num_attention_heads {config['num_attention_heads']}"
        )
    if "hidden_act" in config:
        arguments["activation"] = _check_activation(path, config["hidden_act"])
    return arguments


def config_of(encoder: BertEncoder) -> dict[str, Any]:
    """The content of a ``config.json`` from which `read_config` makes the same encoder.

    Returns:
        Keys and values as `transformers.BertConfig` has them.
    """
    settings = encoder.get_config()
    keys = _REQUIRED_SIZES | _OPTIONAL_SIZES | _RATES | _POSITIVE_NUMBERS
    activation = _TRANSFORMERS_ACTIVATIONS.get(encoder.activation, encoder.activation)
    return (
        _PLAIN_BERT
        | {"hidden_act": activation}
        | {key: settings[name] for key, name in keys.items()}
    )


def _check(path: Path, key: str, value: Any) -> int | float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _RATES:
        fine, expected = is_number and 0 <= value < 1, "a number from 0 to below 1"
    elif key in _POSITIVE_NUMBERS:
        fine, expected = is_number and 0 < value < float("inf"), "a positive number"
    else:
        fine, expected = is_number and isinstance(value, int) and value > 0, "a positive integer"
    if not fine:
        raise UserError(f"{path}: {key} is {value!r}; expected {expected}")
    return value


def _check_activation(path: Path, name: Any) -> str:
    try:
        get_activation(str(name))
    except UserError as error:
        raise UserError(f"{path}: hidden_act: {error}") from None
    return name


def read_tokenizer(folder: Path, lower_case: bool | None) -> BertTokenizer:
    """Reads a folder's vocabulary, from ``vocab.txt`` or else from ``tokenizer.json``.

    Args:
        folder: the folder of a model.
        lower_case: None takes what the folder's tokenizer files say, else what the vocabulary
            suggests.

    Raises:
        UserError: there is no vocabulary, or it is not a BERT's.
    """
    text_file, json_file = folder / "vocab.txt", folder / "tokenizer.json"
    if text_file.is_file():
        return BertTokenizer.from_file(text_file, lower_case)
    if not json_file.is_file():
        raise UserError(f"{text_file}: no such file; put the model's vocabulary there")
    content = read_json(json_file)
    try:
        vocabulary, normalizer = content["model"]["vocab"], content["normalizer"]
        in_order = sorted(vocabulary, key=vocabulary.__getitem__)
        ids_are_complete = [vocabulary[token] for token in in_order] == [*range(len(in_order))]
        is_wordpiece = content["model"]["type"] == "WordPiece"
        lowercase, strip_accents = normalizer["lowercase"], normalizer.get("strip_accents")
        splits_chinese = normalizer.get("handle_chinese_chars", True)
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{json_file}: expected the WordPiece tokenizer of a BERT") from None
    if not (is_wordpiece and ids_are_complete):
        raise UserError(f"{json_file}: expected a WordPiece vocabulary with ids 0, 1, 2, ...")
    if not splits_chinese or strip_accents not in (None, lowercase):
        raise UserError(
            f"{json_file}: expected BERT's normalizer: handle_chinese_chars true, and "
            "strip_accents as lowercase"
        )
    return BertTokenizer(in_order, lowercase if lower_case is None else lower_case)
