"""BERT weights in Google's own format: a TF1 checkpoint with ``bert_config.json``."""

from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfglue.errors import UserError
from tfglue.models.bert_folder import read_config, read_tokenizer
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import undrawn
from tfglue.models.language_model_weights import GOOGLE_LANGUAGE_KEYS, read_language_model
from tfglue.models.loaded_encoder import LoadedEncoder, assign_weights
from tfglue.models.weight_names import google_name

_PUBLISHED_NAME = "bert_model.ckpt"
_INDEX_SUFFIX = ".index"
# What TensorFlow's reader raises for files that are cut or changed.
_BROKEN = (tf.errors.OpError, IndexError, RuntimeError, ValueError)


def checkpoint_prefix(path: Path) -> Path | None:
    """What the files of a checkpoint have in common, if `path` is that or its index file."""
    prefix = path.with_suffix("") if path.suffix == _INDEX_SUFFIX else path
    return prefix if _index(prefix).is_file() else None


def holds_google_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a checkpoint that `read_google_folder` reads."""
    return bool(_prefixes(folder))


def read_google_folder(folder: Path, seed: int) -> LoadedEncoder:
    """Loads a folder's ``bert_model.ckpt``, or else its only checkpoint.

    Raises:
        UserError: as `read_google_checkpoint`, or there are several checkpoints.
    """
    prefixes = _prefixes(folder)
    published = folder / _PUBLISHED_NAME
    if published in prefixes:
        return read_google_checkpoint(published, seed)
    if len(prefixes) > 1:
        names = ", ".join(prefix.name for prefix in prefixes)
        raise UserError(f"{folder}: several checkpoints ({names}); give {prefixes[-1]}, say")
    return read_google_checkpoint(prefixes[0], seed)


def read_google_checkpoint(prefix: Path, seed: int) -> LoadedEncoder:
    """Loads a TF1 checkpoint, with the configuration and the vocabulary that lie beside it.

    Variables that are no part of the encoder (``cls/*``, ``global_step``, the optimizer's
    ``adam_m`` and ``adam_v``) are reported as unused; of the language model (``cls/*``) they are
    kept beside the encoder all the same.

    Args:
        prefix: the path that its files have in common, such as ``folder/bert_model.ckpt``.
        seed: for the pooler, where the checkpoint has none.

    Raises:
        UserError: a file is missing or broken, or weights are missing or have another shape.
    """
    folder = prefix.parent
    config = read_config(folder)
    # The index alone would open, and fail at the first value with a message about a shard.
    if not any(folder.glob(f"{prefix.name}.data-*-of-*")):
        raise UserError(
            f"{_index(prefix)}: no {prefix.name}.data-00000-of-00001 beside it; copy all files "
            "of the checkpoint"
        )
    try:
        checkpoint = tf.train.load_checkpoint(str(prefix))
    except _BROKEN as error:
        raise UserError(f"{_index(prefix)}: not a whole checkpoint ({_one_line(error)})") from None
    with undrawn():
        encoder = BertEncoder(**config)
    types = checkpoint.get_variable_to_dtype_map()
    expected = {name: google_name(name) for name in encoder.named_weights()}

    def read(theirs: str) -> np.ndarray:
        if not types[theirs].is_floating:
            raise UserError(
                f"{prefix}: {theirs} is of type {types[theirs].name}; expected floating point"
            )
        try:
            return checkpoint.get_tensor(theirs).astype(np.float32)
        except _BROKEN as error:
            raise UserError(f"{prefix}: {theirs} cannot be read ({_one_line(error)})") from None

    def read_ours(name: str) -> np.ndarray:
        return read(expected[name])

    report = assign_weights(encoder, str(prefix), expected, types, read_ours, seed)
    found = read_language_model(GOOGLE_LANGUAGE_KEYS, types, read, encoder, transposed=False)
    return LoadedEncoder(encoder, report, str(prefix), partial(read_tokenizer, folder), found)


def _index(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + _INDEX_SUFFIX)


def _prefixes(folder: Path) -> list[Path]:
    return sorted(path.with_suffix("") for path in folder.glob(f"*.ckpt*{_INDEX_SUFFIX}"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
