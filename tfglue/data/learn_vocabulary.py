"""Learns the vocabulary of the built-in `tiny` encoder from the sentences shipped with tfglue.

Run it again whenever those sentences change:

    python -m tfglue.data.learn_vocabulary
"""

import argparse
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tfglue import files, tasks
from tfglue.data.sources import open_source
from tfglue.tasks.task import SplitFile

TINY_VOCABULARY = Path(__file__).with_name("tiny_vocab.txt")

# With each of these both as a word and as a part inside one, no Latin word is unknown.
ALPHABET = string.ascii_lowercase + string.digits + string.punctuation

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def sample_texts() -> list[str]:
    """All training sentences of the sample's tables; dev and test words stay unseen.

    What else the sample holds is mostly written with these words.
    """
    texts: list[str] = []
    for task in map(tasks.get, tasks.names()):
        # What is ranked are the rows of another task.
        if isinstance(task.files.get("train"), SplitFile) and task.kind != "rank":
            train = open_source(task, "sample").read("train")
            texts.extend(text for column in train.texts for text in column)
    return texts


def learn_vocabulary(texts: Sequence[str], size: int) -> list[str]:
    """Learns an uncased WordPiece vocabulary with tensorflow-text's learner.

    Args:
        texts: the sentences.
        size: the most tokens it may hold; it holds fewer where the texts have fewer words.

    Returns:
        The special tokens, `ALPHABET` as words and as ``##`` parts, then the most frequent pieces.
        The same texts in the same order give the same vocabulary.
    """
    from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

    reserved = [*SPECIAL_TOKENS, *ALPHABET, *(f"##{character}" for character in ALPHABET)]
    return learner.learn(
        _count_words(texts), vocab_size=size, reserved_tokens=reserved, lower_thresh=1
    )


def _count_words(texts: Iterable[str]) -> Counter[str]:
    import tensorflow as tf

    from tfglue.data.normalization import clean, fold_case, split_words

    words = split_words(fold_case(clean(tf.constant(texts))))
    return Counter(word.decode() for word in words.values.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=2000, help="most tokens (default 2000)")
    parser.add_argument("--output", type=Path, default=TINY_VOCABULARY, help="file to write")
    options = parser.parse_args()
    vocabulary = learn_vocabulary(sample_texts(), options.size)
    files.write_text(options.output, "".join(f"{token}\n" for token in vocabulary))
    print(f"{options.output}: {len(vocabulary)} tokens")


if __name__ == "__main__":
    main()
