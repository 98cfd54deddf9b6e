"""BERT weights in Hugging Face layout, in safetensors or PyTorch files."""

from collections.abc import Callable, Sequence
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
from tfglue.models.initialization import undrawn
from tfglue.models.language_model_weights import hugging_face_language_keys, read_language_model
from tfglue.models.loaded_encoder import LoadedEncoder, assign_weights
from tfglue.models.torch_file import read_torch_file
from tfglue.models.weight_names import hugging_face_keys

SAFETENSORS_SUFFIX = ".safetensors"
FILE_SUFFIXES = (SAFETENSORS_SUFFIX, ".bin", ".pt", ".pth", ".p")
"""Of files of weights that can be named by themselves."""

WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")
"""Files of weights in a folder; the first that is there is read, as in `transformers`."""

_INDEX_SUFFIX = ".index.json"
_FLOAT_TYPES = ("F64", "F32", "F16", "BF16")


def holds_hugging_face(folder: Path) -> bool:
    """Whether a folder holds weights that `read_hugging_face` reads."""
    names = (f"{name}{suffix}" for name in WEIGHT_NAMES for suffix in ("", _INDEX_SUFFIX))
    return any((folder / name).is_file() for name in names)


def read_hugging_face(folder: Path, seed: int) -> LoadedEncoder:
    """Loads a folder's configuration and weights, these in one file or in shards.

    Weights are found under any prefix, see `hugging_face_keys`. Heads and buffers of other models
    (``cls.*``, ``classifier.*``, ``scoring_list.*``, ``position_ids``) are reported as unused; of
    BERT's language model (``cls.*``) they are kept beside the encoder all the same.

    Args:
        folder: the folder.
        seed: for the pooler, where the file has none.

    Raises:
        UserError: a file is missing or broken, or weights are missing or have another shape.
    """
    return _read(folder, _weight_files(folder), str(folder), seed)


def read_weights_file(path: Path, seed: int) -> LoadedEncoder:
    """Loads one file of weights, with the configuration and the vocabulary that lie beside it.

    Takes what `read_hugging_face` takes, training states of STILTs (``all_state.p``) and MT-DNN
    (``model_4.pt``) among them.

    Raises:
        UserError: as `read_hugging_face`, or nothing lies beside the file.
    """
    return _read(path.parent, [path], str(path), seed)


def _read(folder: Path, paths: Sequence[Path], source: str, seed: int) -> LoadedEncoder:
    with undrawn():
        encoder = BertEncoder(**read_config(folder))
    with ExitStack() as stack:
        readers: dict[str, Callable[[], np.ndarray]] = {}
        for path in paths:
            readers |= _open(path, stack)
        keys = hugging_face_keys(encoder.named_weights(), readers, source)

        def read(name: str) -> np.ndarray:
            value = readers[keys[name]]()
            # PyTorch keeps kernels as (output, input).
            return value.T if name.endswith(".kernel") else value

        report = assign_weights(encoder, source, keys, readers, read, seed)
        found = read_language_model(
            hugging_face_language_keys(readers), readers, lambda key: readers[key](),
            encoder, transposed=True,
        )
    return LoadedEncoder(encoder, report, source, partial(read_tokenizer, folder), found)


def _weight_files(folder: Path) -> list[Path]:
    for name in WEIGHT_NAMES:
        # A single file wins over an index, as in `transformers`.
        if (folder / name).is_file():
            return [folder / name]
        if (folder / f"{name}{_INDEX_SUFFIX}").is_file():
            return _shards(folder / f"{name}{_INDEX_SUFFIX}")
    raise UserError(f"{folder}: no {' and no '.join(WEIGHT_NAMES)} in it; expected one of them")


def _shards(index: Path) -> list[Path]:
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{index}: expected an object 'weight_map' from tensors to files")
    names = sorted(set(map(str, weight_map.values())))
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise UserError(f"{index}: '{outside[0]}' is not the name of a file in the same folder")
    missing = [name for name in names if not index.with_name(name).is_file()]
    if missing:
        raise UserError(
            f"{index.with_name(missing[0])}: no such file, though {index.name} names it"
        )
    return [index.with_name(name) for name in names]


def _open(path: Path, stack: ExitStack) -> dict[str, Callable[[], np.ndarray]]:
    """Tensor name -> function that reads it as float32, while `stack` is open."""
    if path.suffix != SAFETENSORS_SUFFIX:
        return read_torch_file(path)
    try:
        handle = stack.enter_context(safe_open(path, framework="numpy"))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error})") from None
    keys = handle.keys()
    return {key: partial(_read_tensor, path, handle, key) for key in keys}


def _read_tensor(path: Path, handle: Any, key: str) -> np.ndarray:
    kind = handle.get_slice(key).get_dtype()
    if kind not in _FLOAT_TYPES:
        raise UserError(f"{path}: {key} is of type {kind}; expected floating point, not packed")
    return handle.get_tensor(key).astype(np.float32)
