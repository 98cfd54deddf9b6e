"""BERT weights from KerasHub: its published presets, and folders in its format."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import ModuleType

import keras
import numpy as np

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import read_json
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import undrawn
from tfglue.models.loaded_encoder import LoadedEncoder, assign_weights

_TABLES = {
    "embeddings.word": "token_embedding/embeddings",
    "embeddings.position": "position_embedding/embeddings",
    "embeddings.segment": "segment_embedding/embeddings",
}
_MODULES = {
    "embeddings.layer_norm": "embeddings_layer_norm",
    "attention.query": "self_attention_layer/query",
    "attention.key": "self_attention_layer/key",
    "attention.value": "self_attention_layer/value",
    "attention.output": "self_attention_layer/attention_output",
    "attention.layer_norm": "self_attention_layer_norm",
    "feed_forward.intermediate": "feedforward_intermediate_dense",
    "feed_forward.output": "feedforward_output_dense",
    "feed_forward.layer_norm": "feedforward_layer_norm",
    "pooler": "pooled_dense",
}


def keras_hub_path(name: str) -> str:
    """Returns the path that `keras_hub.models.BertBackbone` has for one of our weights."""
    if name in _TABLES:
        return _TABLES[name]
    module, _, kind = name.rpartition(".")
    prefix = ""
    if module.startswith("layers."):
        _, index, module = module.split(".", 2)
        prefix = f"transformer_layer_{index}/"
    return f"{prefix}{_MODULES[module]}/{kind}"


def preset_names() -> Iterable[str]:
    """Names of the published BERT presets; known without the network."""
    return _keras_hub().models.BertBackbone.presets


def holds_keras_hub_preset(folder: Path) -> bool:
    """Whether a folder was written by KerasHub's ``save_to_preset``."""
    path = folder / "config.json"
    if not path.is_file():
        return False
    config = read_json(path)
    return isinstance(config, dict) and "registered_name" in config


def read_keras_hub_preset(preset: str | Path, seed: int) -> LoadedEncoder:
    """Loads a published preset, by its name, or a folder in KerasHub's format.

    KerasHub's own backbone runs these weights with GELU's tanh approximation; ours with the exact
    GELU that BERT was trained with, so hidden states differ from KerasHub's by up to 5e-3.

    Args:
        preset: name or folder.
        seed: not used for a complete backbone, which KerasHub's always are.

    Raises:
        UserError: the preset cannot be downloaded or read, or is no BERT.
    """
    models = _keras_hub().models
    try:
        # Our encoder keeps float32 variables whatever the global policy is.
        backbone = models.BertBackbone.from_preset(str(preset), dtype="float32")
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"KerasHub preset '{preset}' cannot be loaded ({_one_line(error)}); without network, "
            "give a folder with the model instead of a name"
        ) from None
    with undrawn():
        encoder = BertEncoder(
            backbone.vocabulary_size,
            backbone.num_layers,
            backbone.num_heads,
            backbone.hidden_dim,
            backbone.intermediate_dim,
            dropout=backbone.dropout,
            attention_dropout=backbone.dropout,
            max_sequence_length=backbone.max_sequence_length,
            num_segments=backbone.num_segments,
        )
    weights = encoder.named_weights()
    variables = {variable.path: variable for variable in backbone.weights}
    expected = {name: keras_hub_path(name) for name in weights}

    def read(name: str) -> np.ndarray:
        # Attention kernels are split by head there: (input, heads, head_dim) and the like.
        value = keras.ops.convert_to_numpy(variables[expected[name]].value)
        return value.reshape(weights[name].shape)

    source = f"KerasHub preset {preset}"
    report = assign_weights(encoder, source, expected, variables, read, seed)
    return LoadedEncoder(encoder, report, source, partial(_read_tokenizer, preset))


def _read_tokenizer(preset: str | Path, lower_case: bool | None) -> BertTokenizer:
    try:
        tokenizer = _keras_hub().models.BertTokenizer.from_preset(str(preset))
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"KerasHub preset '{preset}': its vocabulary cannot be loaded ({_one_line(error)})"
        ) from None
    if lower_case is None:
        lower_case = tokenizer.lowercase
    return BertTokenizer(tokenizer.get_vocabulary(), lower_case)


def _keras_hub() -> ModuleType:
    try:
        # A second's import that only presets need; keras-nlp is its name on the package index.
        import keras_hub
    except ImportError as error:
        raise UserError(
            f"KerasHub presets need keras-nlp ({_one_line(error)}); pip install keras-nlp"
        ) from None
    return keras_hub


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
