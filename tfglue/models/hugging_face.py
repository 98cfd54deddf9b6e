"""BERT weights in Hugging Face layout, in safetensors files."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from tfglue.errors import UserError
from tfglue.files import read_json
from tfglue.models.bert_folder import read_config, read_tokenizer
from tfglue.models.encoder import BertEncoder
from tfglue.models.loaded_encoder import LoadedEncoder, assign_weights

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"

_TABLES = {
    "embeddings.word": "embeddings.word_embeddings.weight",
    "embeddings.position": "embeddings.position_embeddings.weight",
    "embeddings.segment": "embeddings.token_type_embeddings.weight",
}
_MODULES = {
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
_KINDS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias"}
_FLOAT_TYPES = ("F64", "F32", "F16", "BF16")


def hugging_face_name(name: str) -> str:
    """Returns the name that `transformers.BertModel` has for one of our weights."""
    if name in _TABLES:
        return _TABLES[name]
    module, _, kind = name.rpartition(".")
    prefix = ""
    if module.startswith("layers."):
        _, index, module = module.split(".", 2)
        prefix = f"encoder.layer.{index}."
    return f"{prefix}{_MODULES[module]}.{_KINDS[kind]}"


def holds_hugging_face(folder: Path) -> bool:
    """Whether a folder holds weights that `read_hugging_face` reads."""
    return any((folder / name).is_file() for name in (WEIGHTS_NAME, INDEX_NAME))


def read_hugging_face(folder: Path, seed: int) -> LoadedEncoder:
    """Loads ``config.json`` and ``model.safetensors``, in one file or in shards.

    Takes names with and without the prefix ``bert.``, and LayerNorm's old names gamma and beta.
    Heads and buffers of other models (``cls.*``, ``classifier.*``, ``position_ids``) are reported
    as unused.

    Args:
        folder: the folder.
        seed: for the pooler, where the file has none.

    Raises:
        UserError: a file is missing or broken, or weights are missing or have another shape.
    """
    encoder = BertEncoder(**read_config(folder))
    with ExitStack() as stack:
        handles = _open_tensors(folder, stack)
        keys = {_canonical_name(key): key for key in handles}
        if len(keys) < len(handles):
            raise UserError(f"{folder}: a tensor is there twice, under an old and a new name")

        def read(name: str) -> np.ndarray:
            key = keys[hugging_face_name(name)]
            value = _read_tensor(folder, handles[key], key)
            # PyTorch keeps kernels as (output, input).
            return value.T if name.endswith(".kernel") else value

        expected = {name: hugging_face_name(name) for name in encoder.named_weights()}
        report = assign_weights(encoder, str(folder), expected, keys, read, seed)
    return LoadedEncoder(encoder, report, str(folder), partial(read_tokenizer, folder))


def _canonical_name(key: str) -> str:
    key = key.removeprefix("bert.")
    if key.endswith("LayerNorm.gamma"):
        return key.removesuffix("gamma") + "weight"
    if key.endswith("LayerNorm.beta"):
        return key.removesuffix("beta") + "bias"
    return key


def _open_tensors(folder: Path, stack: ExitStack) -> Mapping[str, Any]:
    """Opens all weight files; returns tensor name -> the open file that holds it."""
    index = folder / INDEX_NAME
    # A single file wins over an index, as in `transformers`.
    single = (folder / WEIGHTS_NAME).is_file()
    handles = {}
    for path in [folder / WEIGHTS_NAME] if single else _shards(index):
        try:
            handle = stack.enter_context(safe_open(path, framework="numpy"))
        except FileNotFoundError:
            raise UserError(f"{path}: no such file, though {index.name} names it") from None
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path}: not a whole safetensors file ({error})") from None
        handles.update(dict.fromkeys(handle.keys(), handle))
    return handles


def _shards(index: Path) -> list[Path]:
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{index}: expected an object 'weight_map' from tensors to files")
    names = sorted(set(map(str, weight_map.values())))
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise UserError(f"{index}: '{outside[0]}' is not the name of a file in the same folder")
    return [index.with_name(name) for name in names]


def _read_tensor(folder: Path, handle: Any, key: str) -> np.ndarray:
    kind = handle.get_slice(key).get_dtype()
    if kind not in _FLOAT_TYPES:
        raise UserError(f"{folder}: {key} is of type {kind}; expected floating point, not packed")
    return handle.get_tensor(key).astype(np.float32)
