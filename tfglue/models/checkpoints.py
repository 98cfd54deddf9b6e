"""Encoders by name: the built-in one, presets, hubs, folders and files."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError, suggestion
from tfglue.models.bert_all_dir import (
    GOOGLE_FOLDERS,
    find_published,
    published_names,
    where_to_put,
)
from tfglue.models.bert_folder import find_config, read_config, read_tokenizer
from tfglue.models.encoder import BertEncoder
from tfglue.models.google_checkpoint import (
    checkpoint_prefix,
    holds_google_checkpoint,
    read_google_checkpoint,
    read_google_folder,
)
from tfglue.models.hugging_face import (
    FILE_SUFFIXES,
    holds_hugging_face,
    read_hugging_face,
    read_weights_file,
)
from tfglue.models.initialization import undrawn
from tfglue.models.keras_hub_preset import (
    holds_keras_hub_preset,
    preset_names,
    read_keras_hub_preset,
)
from tfglue.models.loaded_encoder import LoadedEncoder, random_report
from tfglue.models.pretrained_run import holds_pretrained_run, read_pretrained_run

TINY = "tiny"
HUB_PREFIX = "hf://"

_TINY_VOCABULARY = Path(__file__).parents[1] / "data" / "tiny_vocab.txt"
_HUB_FILES = ("*.json", "model*.safetensors", "model*.weights.h5", "vocab.txt", "assets/*")
_HUB_TORCH_FILES = ("pytorch_model*.bin",)
# What weights look like: with one of these, a folder is not just a configuration.
_OTHER_WEIGHTS = (*(f"*{suffix}" for suffix in FILE_SUFFIXES), "*.ckpt*", "*.h5", "*.msgpack")
_EXPECTED = (
    f"expected '{TINY}', a KerasHub preset, {HUB_PREFIX}organisation/model, a folder with "
    "config.json and model.safetensors or pytorch_model.bin, a file of weights with config.json "
    "beside it, or a folder with bert_config.json and bert_model.ckpt.*"
)


def load_encoder(name: str, seed: int = 0) -> LoadedEncoder:
    """Loads an encoder.

    Args:
        name: one of

            - ``tiny``: 2 layers of width 128 with random weights and the built-in vocabulary;
            - a folder in Hugging Face layout (``config.json`` with ``model.safetensors`` or
              ``pytorch_model.bin``), one written by KerasHub, one with Google's TF1 checkpoint
              (``bert_model.ckpt.*``), or one with a configuration alone, which means random
              weights;
            - a finished run of `tfglue.pretrain`;
            - a file of weights (safetensors, or PyTorch's ``.bin``, ``.pt``, ``.pth``, ``.p``), or
              the path that a TF1 checkpoint's files have in common, with configuration and
              vocabulary beside it;
            - a model under ``$BERT_ALL_DIR``, such as ``bert-base-uncased``;
            - a KerasHub preset, such as ``bert_base_en_uncased``;
            - ``hf://organisation/model``.

            The first of them that is there wins.
        seed: for weights that are drawn at random.

    Raises:
        UserError: nothing has this name (with the nearest one), a download failed, or the files
            are not those of a whole BERT.
    """
    if name == TINY:
        return _tiny(seed)
    if name.startswith(HUB_PREFIX):
        return _from_hub(name, seed)
    path = Path(name).expanduser()
    if path.exists() or checkpoint_prefix(path):
        return _from_path(path, seed)
    published = find_published(name)
    if published is not None:
        return _from_published(published, seed)
    presets = preset_names()
    if name in presets:
        return read_keras_hub_preset(name, seed)
    if name in GOOGLE_FOLDERS:
        raise UserError(
            f"encoder '{name}': no such folder; {where_to_put(name)}, or name a KerasHub preset "
            f"or {HUB_PREFIX}organisation/model"
        )
    raise UserError(
        f"encoder '{name}': no such folder and no such preset"
        f"{suggestion(name, [TINY, *presets, *published_names()])} ({_EXPECTED})"
    )


def _tiny(seed: int) -> LoadedEncoder:
    read = partial(BertTokenizer.from_file, _TINY_VOCABULARY)
    with undrawn():
        encoder = BertEncoder(
            vocabulary_size=len(read().vocabulary),
            num_layers=2,
            num_heads=2,
            hidden_dim=128,
            intermediate_dim=512,
        )
    return LoadedEncoder(encoder, random_report(encoder, seed), TINY, read)


def _from_path(path: Path, seed: int) -> LoadedEncoder:
    if path.is_dir():
        return _from_folder(path, seed)
    prefix = checkpoint_prefix(path)
    if prefix is not None:
        return read_google_checkpoint(prefix, seed)
    if path.suffix in FILE_SUFFIXES:
        return read_weights_file(path, seed)
    raise UserError(f"encoder '{path}' is a file, and no file of weights; {_EXPECTED}")


def _from_published(path: Path, seed: int) -> LoadedEncoder:
    # Who asks for a published model by name does not want random weights.
    if path.is_dir() and _holds_only_config(path):
        raise UserError(
            f"{path}: a configuration without weights; put bert_model.ckpt.*, model.safetensors "
            "or pytorch_model.bin there, or give this path as the encoder for random weights"
        )
    return _from_path(path, seed)


def _from_folder(folder: Path, seed: int) -> LoadedEncoder:
    for holds, read in _FOLDER_READERS:
        if holds(folder):
            return read(folder, seed)
    raise UserError(f"{folder}: {_what_it_holds(folder)}; {_EXPECTED}")


def _holds_only_config(folder: Path) -> bool:
    return find_config(folder) is not None and not _other_weights(folder)


def _read_only_config(folder: Path, seed: int) -> LoadedEncoder:
    with undrawn():
        encoder = BertEncoder(**read_config(folder))
    report = random_report(encoder, seed)
    return LoadedEncoder(encoder, report, str(folder), partial(read_tokenizer, folder))


# The first that knows what a folder holds reads it.
_FOLDER_READERS = (
    (holds_pretrained_run, read_pretrained_run),
    (holds_keras_hub_preset, read_keras_hub_preset),
    (holds_hugging_face, read_hugging_face),
    (holds_google_checkpoint, read_google_folder),
    (_holds_only_config, _read_only_config),
)


def _other_weights(folder: Path) -> list[str]:
    return sorted({path.name for pattern in _OTHER_WEIGHTS for path in folder.glob(pattern)})


def _what_it_holds(folder: Path) -> str:
    if (folder / "run.yaml").is_file():
        return f"a run, not an encoder; python -m tfglue.convert --run {folder} makes one of it"
    others = _other_weights(folder)
    named = [other for other in others if Path(other).suffix in FILE_SUFFIXES]
    if named:
        return f"no weights under a known name; to read {named[0]}, give {folder / named[0]}"
    if others:
        return f"{', '.join(others[:3])} cannot be read"
    return "no config.json and no bert_config.json in it"


def _from_hub(name: str, seed: int) -> LoadedEncoder:
    folder = _download(name, _HUB_FILES)
    if _holds_only_config(folder):
        # Most repositories hold the same weights twice; the old format is fetched if it is alone.
        folder = _download(name, (*_HUB_FILES, *_HUB_TORCH_FILES))
    if _holds_only_config(folder):
        raise UserError(
            f"{name} holds no model.safetensors and no pytorch_model.bin; expected weights in one "
            "of these formats"
        )
    loaded = _from_folder(folder, seed)
    # The snapshot's folder is named after the revision.
    source = f"{name} (revision {folder.name})"
    return replace(loaded, source=source)


def _download(name: str, patterns: Sequence[str]) -> Path:
    try:
        import huggingface_hub
    except ImportError:
        raise UserError(f"{name} needs huggingface_hub; pip install huggingface_hub") from None
    try:
        folder = huggingface_hub.snapshot_download(
            name.removeprefix(HUB_PREFIX), allow_patterns=list(patterns)
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} cannot be downloaded ({' '.join(str(error).split())[:200]}); without network, "
            "copy the model's folder here and give its path"
        ) from None
    return Path(folder)
