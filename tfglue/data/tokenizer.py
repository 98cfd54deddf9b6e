"""BERT's WordPiece tokenizer inside the TensorFlow graph (Devlin et al. 2019, section 3)."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from tfglue import files
from tfglue.data.normalization import clean, fold_case, split_words
from tfglue.errors import UserError

PAD, UNKNOWN, CLASSIFY, SEPARATOR = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
MASK = "[MASK]"
REQUIRED_TOKENS = (PAD, UNKNOWN, CLASSIFY, SEPARATOR)

# Part of the digest: ids of the same text may differ only between two of these.
_ALGORITHM = "bert.v1"

# A longer word is one [UNK], as in BERT; characters are counted after normalisation.
_MAX_WORD_CHARACTERS = 100
_MAX_WORD_BYTES = 4 * _MAX_WORD_CHARACTERS
_TOO_LONG = "x" * (_MAX_WORD_BYTES + 1)

# Texts that one call in the graph tokenizes; it bounds the memory that a corpus takes.
_CHUNK = 8192


class BertTokenizer:
    """Turns text into the token ids that BERT was trained on.

    The ids are those of the fast tokenizer in `transformers`, save that special tokens in the text
    are plain text: ``"[SEP]"`` becomes three words, never the separator's id.

    Args:
        vocabulary: tokens in the order of their ids.
        lower_case: whether the vocabulary is uncased: text is lower-cased and loses its accents.

    Raises:
        UserError: a token is empty or there twice, or a special token is missing.

    Example:
        tokenizer = BertTokenizer.from_file("vocab.txt")
        token_ids = tokenizer.tokenize(tf.constant(["Hello, world"]))  # (1, (tokens))
    """

    def __init__(self, vocabulary: Sequence[str], lower_case: bool):
        self.vocabulary = tuple(vocabulary)
        self.lower_case = bool(lower_case)
        _check_vocabulary(self.vocabulary, "vocabulary")
        self.pad_id, self.unk_id, self.cls_id, self.sep_id = map(
            self.vocabulary.index, REQUIRED_TOKENS
        )
        self._wordpiece = tf_text.FastWordpieceTokenizer(
            self.vocabulary,
            unknown_token=UNKNOWN,
            max_bytes_per_word=_MAX_WORD_BYTES,
            no_pretokenization=True,
            token_out_type=tf.int32,
        )

    @classmethod
    def from_file(cls, path: str | Path, lower_case: bool | None = None) -> "BertTokenizer":
        """Reads a ``vocab.txt`` with one token a line.

        Args:
            path: the file.
            lower_case: None takes ``do_lower_case`` of a ``tokenizer_config.json`` beside the file,
                and without one says yes if no token but the special ones holds a capital.

        Raises:
            UserError: the file is missing, empty, not UTF-8 or no BERT vocabulary, or the
                ``tokenizer_config.json`` asks for what this tokenizer does not do.
        """
        path = Path(path)
        # Only line feeds end a token: some tokens are themselves separators in Unicode's eyes.
        lines = [line.removesuffix("\r") for line in files.read_text(path).split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        if not lines:
            raise UserError(f"{path}: empty; expected a vocabulary with one token a line")
        _check_vocabulary(lines, str(path))
        config_path = path.with_name("tokenizer_config.json")
        config = _read_config(config_path) if config_path.exists() else {}
        if lower_case is None:
            lower_case = config.get("do_lower_case")
        if lower_case is None:
            lower_case = not any(map(_has_capital, lines))
        if config.get("strip_accents") not in (None, lower_case):
            raise UserError(
                f"{config_path}: strip_accents is not supported where it differs from "
                f"lower-casing (here {str(lower_case).lower()}); remove the key"
            )
        return cls(lines, lower_case)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes in the graph, without special tokens.

        Args:
            texts: UTF-8 strings of shape (texts,). A word with invalid bytes becomes ``[UNK]``.

        Returns:
            int32 token ids of shape (texts, (tokens)).
        """
        texts = clean(tf.convert_to_tensor(texts, tf.string))
        words = split_words(fold_case(texts) if self.lower_case else texts)
        too_long = tf.strings.length(words.values, unit="UTF8_CHAR") > _MAX_WORD_CHARACTERS
        words = words.with_values(tf.where(too_long, _TOO_LONG, words.values))
        return self._wordpiece.tokenize(words).merge_dims(1, 2)

    def tokenize_all(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokenizes a whole corpus, a part of it at a time.

        Returns:
            `(values, row_splits)`: the int32 ids of all texts in a row, and the int64 borders
            between texts, so that text i has the ids ``values[row_splits[i] : row_splits[i + 1]]``.
        """
        values, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for start in range(0, len(texts), _CHUNK):
            # Lone surrogates, which UTF-8 cannot hold, are characters that BERT deletes.
            chunk = [text.encode("utf-8", "ignore") for text in texts[start : start + _CHUNK]]
            token_ids = self._compiled(tf.constant(chunk))
            values.append(token_ids.values.numpy())
            lengths.append(token_ids.row_lengths().numpy())
        row_splits = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.concatenate(lengths), out=row_splits[1:])
        return np.concatenate(values), row_splits

    def ids_to_tokens(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens of the ids, for people. Raises IndexError for an id outside the vocabulary."""
        return [self.vocabulary[token_id] for token_id in token_ids]

    @property
    def mask_id(self) -> int:
        """Id of ``[MASK]``. Raises UserError if the vocabulary has none."""
        if MASK not in self.vocabulary:
            raise UserError(
                f"the vocabulary has no {MASK}, which masked language models put in the place of "
                "tokens; use an encoder with BERT's whole vocabulary"
            )
        return self.vocabulary.index(MASK)

    @cached_property
    def continues_word(self) -> np.ndarray:
        """bool (vocabulary,): whether a token goes on with the word of the token before it."""
        return np.array([token.startswith("##") for token in self.vocabulary])

    @cached_property
    def piece_lengths(self) -> np.ndarray:
        """int64 (vocabulary,): how many normalised characters of a word each token stands for.

        It says nothing of ``[UNK]``, which stands for words of any length.
        """
        return np.array([len(token.removeprefix("##")) for token in self.vocabulary], np.int64)

    def digest(self) -> str:
        """SHA-256 of all that the ids of a text depend on."""
        settings = f"{_ALGORITHM} lower_case={self.lower_case}"
        return files.digest_bytes(settings.encode(), "\n".join(self.vocabulary).encode())

    def save(self, folder: str | Path) -> None:
        """Writes ``vocab.txt`` and ``tokenizer_config.json``, which `from_file` reads."""
        folder = Path(folder)
        files.write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in self.vocabulary))
        files.write_json(folder / "tokenizer_config.json", {"do_lower_case": self.lower_case})

    @cached_property
    def _compiled(self) -> tf.types.experimental.ConcreteFunction:
        # Concrete, since TensorFlow warns of a method that is traced time and again, and takes
        # several tokenizers (one for each run that is opened) for one.
        signature = [tf.TensorSpec([None], tf.string)]
        return tf.function(self.tokenize, input_signature=signature).get_concrete_function()


def _check_vocabulary(vocabulary: Sequence[str], source: str) -> None:
    first_lines: dict[str, int] = {}
    for line, token in enumerate(vocabulary, start=1):
        if not token:
            raise UserError(f"{source}:{line}: empty; expected one token a line")
        if token in first_lines:
            raise UserError(
                f"{source}:{line}: token '{token}' is in line {first_lines[token]} already; "
                "every token needs an id of its own"
            )
        first_lines[token] = line
    missing = [token for token in REQUIRED_TOKENS if token not in first_lines]
    if missing:
        raise UserError(
            f"{source}: no {' and no '.join(missing)} in it; expected the vocabulary of a BERT"
        )


def _read_config(path: Path) -> dict[str, Any]:
    config = files.read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object")
    for key in ("do_lower_case", "strip_accents"):
        if not isinstance(config.get(key), bool | None):
            raise UserError(f"{path}: {key} must be true or false, not {config[key]!r}")
    if config.get("tokenize_chinese_chars") is False:
        raise UserError(
            f"{path}: tokenize_chinese_chars false is not supported; every Chinese character is "
            "a word of its own here"
        )
    return config


def _has_capital(token: str) -> bool:
    is_special = token.startswith("[") and token.endswith("]")
    return not is_special and token != token.lower()
