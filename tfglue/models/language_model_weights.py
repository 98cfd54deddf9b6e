"""Weights of BERT's language model by our names, and by those of published checkpoints."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfglue.models.encoder import BertEncoder

LANGUAGE_MODEL_FILE = "language_model.safetensors"
"""Of a run that learned one beside its tasks."""

_DECODER = "decoder"
HUGGING_FACE_LANGUAGE_KEYS = {
    "transform.kernel": "cls.predictions.transform.dense.weight",
    "transform.bias": "cls.predictions.transform.dense.bias",
    "layer_norm.gamma": "cls.predictions.transform.LayerNorm.weight",
    "layer_norm.beta": "cls.predictions.transform.LayerNorm.bias",
    "output.bias": "cls.predictions.bias",
    "next_sentence.kernel": "cls.seq_relationship.weight",
    "next_sentence.bias": "cls.seq_relationship.bias",
    _DECODER: "cls.predictions.decoder.weight",
}
"""Our names -> those of ``transformers.BertForPreTraining``; the decoder is the word embeddings."""

GOOGLE_LANGUAGE_KEYS = {
    "transform.kernel": "cls/predictions/transform/dense/kernel",
    "transform.bias": "cls/predictions/transform/dense/bias",
    "layer_norm.gamma": "cls/predictions/transform/LayerNorm/gamma",
    "layer_norm.beta": "cls/predictions/transform/LayerNorm/beta",
    "output.bias": "cls/predictions/output_bias",
    "next_sentence.kernel": "cls/seq_relationship/output_weights",
    "next_sentence.bias": "cls/seq_relationship/output_bias",
}
"""Our names -> those of Google's TF1 checkpoints."""

_OF_PAIRS = "next_sentence."


def hugging_face_language_keys(keys: Collection[str]) -> dict[str, str]:
    """Our names -> keys of a file, as `HUGGING_FACE_LANGUAGE_KEYS`, under the prefix they have.

    LayerNorm's old names gamma and beta are taken for weight and bias.
    """
    table = HUGGING_FACE_LANGUAGE_KEYS["output.bias"]
    prefixes = [key.removesuffix(table) for key in keys if f".{key}".endswith(f".{table}")]
    prefix = prefixes[0] if len(prefixes) == 1 else ""
    found = {name: prefix + key for name, key in HUGGING_FACE_LANGUAGE_KEYS.items()}
    for name in ("layer_norm.gamma", "layer_norm.beta"):
        old = found[name].rpartition(".")[0] + "." + name.rpartition(".")[2]
        found[name] = old if old in keys else found[name]
    return found


def hugging_face_language_model(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights in PyTorch's layout under the names of `HUGGING_FACE_LANGUAGE_KEYS`."""
    return {HUGGING_FACE_LANGUAGE_KEYS[name]: value for name, value in weights.items()}


def read_language_model(
    names: Mapping[str, str], available: Collection[str], read: Callable[[str], np.ndarray],
    encoder: "BertEncoder", transposed: bool,
) -> dict[str, np.ndarray]:
    """What a checkpoint has of a language model for an encoder.

    One whose decoder is not the encoder's own word embeddings is none that we can go on with, and
    one that lacks a part, or has another shape, is none either.

    Args:
        names: our names -> theirs.
        available: all of theirs that are there.
        read: returns the value for one of theirs.
        encoder: filled from the same checkpoint.
        transposed: whether kernels are (output, input).

    Returns:
        Our names -> values in our layout; empty where there is no language model. Weights of pairs
        of sentences may be missing.
    """
    decoder = names.get(_DECODER)
    if decoder in available and not np.array_equal(read(decoder), encoder.embeddings.word.numpy()):
        return {}
    found = {
        ours: read(theirs)
        for ours, theirs in names.items() if ours != _DECODER and theirs in available
    }
    for name, value in found.items():
        # Google keeps the weights of pairs as (output, input), and no others.
        if name.endswith(".kernel") and (transposed or name.startswith(_OF_PAIRS)):
            found[name] = np.ascontiguousarray(value.T)
    shapes = _shapes(encoder)
    fitting = {name for name, value in found.items() if value.shape == shapes[name]}
    words = {name for name in shapes if not name.startswith(_OF_PAIRS)}
    pairs = shapes.keys() - words
    kept = (words | (pairs if pairs <= fitting else set())) if words <= fitting else set()
    return {name: found[name] for name in shapes if name in kept}


def _shapes(encoder: "BertEncoder") -> dict[str, tuple[int, ...]]:
    width = encoder.hidden_dim
    return {
        "transform.kernel": (width, width),
        "transform.bias": (width,),
        "layer_norm.gamma": (width,),
        "layer_norm.beta": (width,),
        "output.bias": (encoder.vocabulary_size,),
        "next_sentence.kernel": (width, 2),
        "next_sentence.bias": (2,),
    }
