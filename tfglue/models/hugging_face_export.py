"""Encoders and models with a head as folders that `transformers` loads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import tfglue
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import atomic_folder, read_json, write_json, write_tensors
from tfglue.models.bert_folder import config_of
from tfglue.models.encoder import BertEncoder
from tfglue.models.heads import LinearHead
from tfglue.models.language_model_weights import hugging_face_language_model
from tfglue.models.masked_head import MaskedHead
from tfglue.models.weight_names import hugging_face_name
from tfglue.tasks.task import Task

FILES = ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt")
"""What an export consists of, and all that it may replace."""


class _Architecture(NamedTuple):
    """A class of `transformers`, what it calls its last layer, and its ``problem_type``."""

    name: str
    layer: str = "classifier"
    problem: str = ""


_CLASSIFIER = "BertForSequenceClassification"
_ARCHITECTURES = {
    "classify": _Architecture(_CLASSIFIER, problem="single_label_classification"),
    "answerable": _Architecture(_CLASSIFIER, problem="single_label_classification"),
    "regress": _Architecture(_CLASSIFIER, problem="regression"),
    "rank": _Architecture(_CLASSIFIER, problem="regression"),
    "tag": _Architecture("BertForTokenClassification"),
    "span": _Architecture("BertForQuestionAnswering", "qa_outputs"),
}

# In config.json; it tells our exports from the folders of others.
_MARK = "tfglue_version"


def export_encoder(
    folder: str | Path, encoder: BertEncoder, tokenizer: BertTokenizer, overwrite: bool = False
) -> None:
    """Writes a folder for ``transformers.AutoModel`` and ``AutoTokenizer``.

    Args:
        folder: where; it appears when all files in it are whole.
        encoder: what is written; hidden states there equal ours within 1e-5.
        tokenizer: of the encoder.
        overwrite: whether an earlier export may be replaced.

    Raises:
        UserError: the folder is taken or cannot be written.
    """
    config = config_of(encoder) | {"architectures": ["BertModel"]}
    _write(folder, config, _tensors(encoder), encoder, tokenizer, overwrite)


def export_with_head(
    folder: str | Path,
    encoder: BertEncoder,
    tokenizer: BertTokenizer,
    head: LinearHead,
    task: Task,
    overwrite: bool = False,
) -> str:
    """Writes a folder for the class of `transformers` that answers the task's kind.

    Args:
        folder: where; it appears when all files in it are whole.
        encoder: the fine-tuned encoder.
        tokenizer: of the encoder.
        head: the task's head; logits there equal ours within 1e-5.
        task: names the labels; where a score is given or ranked, ``score`` is the one label, spans
            have none.
        overwrite: whether an earlier export may be replaced.

    Returns:
        Name of the class.

    Raises:
        UserError: the folder is taken or cannot be written.
    """
    known = _ARCHITECTURES[task.kind]
    config = config_of(encoder) | {"architectures": [known.name]}
    if known.problem:
        config["problem_type"] = known.problem
    if known.layer == "classifier":
        labels = task.labels if head.num_outputs > 1 else ("score",)
        config |= {
            "id2label": {str(index): label for index, label in enumerate(labels)},
            "label2id": {label: index for index, label in enumerate(labels)},
            "classifier_dropout": head.dropout.rate,
        }
    # Classes that answer every token are made without the pooler.
    tensors = {
        f"bert.{name}": value
        for name, value in _tensors(encoder).items()
        if head.pooled_only or not name.startswith("pooler.")
    }
    tensors[f"{known.layer}.weight"] = _in_pytorch_layout("kernel", head.dense.kernel)
    tensors[f"{known.layer}.bias"] = _in_pytorch_layout("bias", head.dense.bias)
    _write(folder, config, tensors, encoder, tokenizer, overwrite)
    return known.name


def export_language_model(
    folder: str | Path,
    encoder: BertEncoder,
    tokenizer: BertTokenizer,
    head: MaskedHead,
    overwrite: bool = False,
) -> str:
    """Writes a folder for ``transformers.BertForMaskedLM``, or ``BertForPreTraining`` with pairs.

    Args:
        folder: where; it appears when all files in it are whole.
        encoder: whose word embeddings are the decoder.
        tokenizer: of the encoder.
        head: the language model; logits there equal ours within 1e-5.
        overwrite: whether an earlier export may be replaced.

    Returns:
        Name of the class.

    Raises:
        UserError: the folder is taken or cannot be written.
    """
    name = "BertForPreTraining" if head.next_sentence else "BertForMaskedLM"
    config = config_of(encoder) | {"architectures": [name], "tie_word_embeddings": True}
    tensors = {
        f"bert.{key}": value
        for key, value in _tensors(encoder).items()
        if head.next_sentence or not key.startswith("pooler.")
    }
    weights = {
        key: _in_pytorch_layout(key, weight) for key, weight in head.named_weights().items()
    }
    _write(
        folder, config, tensors | hugging_face_language_model(weights), encoder, tokenizer,
        overwrite,
    )
    return name


def check_export_folder(folder: str | Path, overwrite: bool) -> Path:
    """Returns the real path of a folder that an export may go to.

    Raises:
        UserError: there is something at that place, and it is not an earlier export that may be
            replaced.
    """
    path = Path(folder).expanduser().resolve()
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return path
    if not path.is_dir():
        raise UserError(f"{folder}: is a file; name a folder that is not there yet")
    if not _is_export(path):
        raise UserError(f"{folder}: exists and is not (only) an export; name another folder")
    if not overwrite:
        raise UserError(
            f"{folder}: holds an earlier export; overwrite it (--overwrite) or name another folder"
        )
    return path


def _is_export(folder: Path) -> bool:
    config = folder / "config.json"
    if not config.is_file() or any(entry.name not in FILES for entry in folder.iterdir()):
        return False
    content = read_json(config)
    return isinstance(content, dict) and _MARK in content


def _write(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    encoder: BertEncoder,
    tokenizer: BertTokenizer,
    overwrite: bool,
) -> None:
    path = check_export_folder(folder, overwrite)
    config = {**config, "dtype": "float32", "pad_token_id": tokenizer.pad_id}
    tokenizer_config = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.lower_case,
        "model_max_length": encoder.max_sequence_length,
    }
    with atomic_folder(path) as temporary:
        # `transformers` refuses files that do not say whose layout theirs is.
        write_tensors(temporary / "model.safetensors", tensors, {"format": "pt"})
        write_json(temporary / "config.json", {**config, _MARK: tfglue.__version__})
        tokenizer.save(temporary)
        write_json(temporary / "tokenizer_config.json", tokenizer_config)


def _tensors(encoder: BertEncoder) -> dict[str, np.ndarray]:
    return {
        hugging_face_name(name): _in_pytorch_layout(name, weight)
        for name, weight in encoder.named_weights().items()
    }


def _in_pytorch_layout(name: str, weight: keras.Variable) -> np.ndarray:
    value = keras.ops.convert_to_numpy(weight.value)
    # PyTorch keeps kernels as (output, input); safetensors writes memory as it lies.
    return np.ascontiguousarray(value.T if name.endswith("kernel") else value)
