"""Encoders by name: the built-in one, presets, hubs and folders."""

from functools import partial
from pathlib import Path

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError, suggestion
from tfglue.models.bert_folder import find_config, read_config, read_tokenizer
from tfglue.models.encoder import BertEncoder
from tfglue.models.hugging_face import holds_hugging_face, read_hugging_face
from tfglue.models.keras_hub_preset import (
    holds_keras_hub_preset,
    preset_names,
    read_keras_hub_preset,
)
from tfglue.models.loaded_encoder import LoadedEncoder, random_report

TINY = "tiny"
HUB_PREFIX = "hf://"

_TINY_VOCABULARY = Path(__file__).parents[1] / "data" / "tiny_vocab.txt"
_HUB_FILES = ("*.json", "model*.safetensors", "model*.weights.h5", "vocab.txt", "assets/*")
# What weights that are not read look like: with one of these, a folder is not just a configuration.
_OTHER_WEIGHTS = (
    "*.safetensors",
    "pytorch_model*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt*",
    "*.h5",
    "*.msgpack",
)
_EXPECTED = (
    f"expected '{TINY}', a KerasHub preset, {HUB_PREFIX}organisation/model, or a folder with "
    "config.json and model.safetensors"
)


def load_encoder(name: str, seed: int = 0) -> LoadedEncoder:
    """Loads an encoder.

    Args:
        name: one of

            - ``tiny``: 2 layers of width 128 with random weights and the built-in vocabulary;
            - a folder with ``config.json`` and ``model.safetensors`` (Hugging Face), one written by
              KerasHub, or one with a configuration alone, which means random weights;
            - a KerasHub preset, such as ``bert_base_en_uncased``;
            - ``hf://organisation/model``.

            A folder wins over a preset of the same name.
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
    if path.is_dir():
        return _from_folder(path, seed)
    if path.exists():
        raise UserError(f"encoder '{name}' is a file; {_EXPECTED}")
    presets = preset_names()
    if name in presets:
        return read_keras_hub_preset(name, seed)
    raise UserError(
        f"encoder '{name}': no such folder and no such preset"
        f"{suggestion(name, [TINY, *presets])} ({_EXPECTED})"
    )


def _tiny(seed: int) -> LoadedEncoder:
    read = partial(BertTokenizer.from_file, _TINY_VOCABULARY)
    encoder = BertEncoder(
        vocabulary_size=len(read().vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=128,
        intermediate_dim=512,
    )
    return LoadedEncoder(encoder, random_report(encoder, seed), TINY, read)


def _from_folder(folder: Path, seed: int) -> LoadedEncoder:
    for holds, read in _FOLDER_READERS:
        if holds(folder):
            return read(folder, seed)
    raise UserError(f"{folder}: {_what_it_holds(folder)}; {_EXPECTED}")


def _holds_only_config(folder: Path) -> bool:
    return find_config(folder) is not None and not _other_weights(folder)


def _read_only_config(folder: Path, seed: int) -> LoadedEncoder:
    encoder = BertEncoder(**read_config(folder))
    report = random_report(encoder, seed)
    return LoadedEncoder(encoder, report, str(folder), partial(read_tokenizer, folder))


# The first that knows what a folder holds reads it.
_FOLDER_READERS = (
    (holds_keras_hub_preset, read_keras_hub_preset),
    (holds_hugging_face, read_hugging_face),
    (_holds_only_config, _read_only_config),
)


def _other_weights(folder: Path) -> list[str]:
    return sorted({path.name for pattern in _OTHER_WEIGHTS for path in folder.glob(pattern)})


def _what_it_holds(folder: Path) -> str:
    others = _other_weights(folder)
    if others:
        return f"{', '.join(others[:3])} cannot be read"
    return "no config.json and no bert_config.json in it"


def _from_hub(name: str, seed: int) -> LoadedEncoder:
    try:
        import huggingface_hub
    except ImportError:
        raise UserError(f"{name} needs huggingface_hub; pip install huggingface_hub") from None
    try:
        folder = huggingface_hub.snapshot_download(
            name.removeprefix(HUB_PREFIX), allow_patterns=list(_HUB_FILES)
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} cannot be downloaded ({' '.join(str(error).split())[:200]}); without network, "
            "copy the model's folder here and give its path"
        ) from None
    loaded = _from_folder(Path(folder), seed)
    if loaded.report.random:
        raise UserError(f"{name} holds no model.safetensors; expected weights in that format")
    # The snapshot's folder is named after the revision.
    source = f"{name} (revision {Path(folder).name})"
    return LoadedEncoder(loaded.encoder, loaded.report, source, loaded.read_tokenizer)
