"""Compares our token ids with those of the `tokenizers` library on every sentence of real data.

The reference is the pipeline inside `transformers`' fast BERT tokenizer (its normaliser, its
pre-tokenizer, its WordPiece), without the step that turns "[SEP]" in a text into the separator.

Example:
    python -m benchmarks.tokenizer_parity --data ../shared/data \\
        --vocab ../shared/data/vocab/bert-base-uncased-vocab.txt \\
                ../shared/data/vocab/bert-base-cased-vocab.txt \\
        --output docs/results/tokenizer_parity.json
"""

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tfglue import files
from tfglue.data.tokenizer import BertTokenizer

TEXT_COLUMNS = {
    *("sentence", "sentence1", "sentence2", "question", "question1", "question2"),
    *("#1 String", "#2 String", "sentence1_parse", "sentence2_parse"),
    *("sentence1_binary_parse", "sentence2_binary_parse"),
}
# Text columns of files without a header, by the start of their path.
POSITIONS = {"glue/CoLA/train": (3,), "glue/CoLA/dev": (3,), "scitail/": (0, 1)}


def read_table(path: Path, name: str) -> list[str]:
    """Every text column of a tab-separated file."""
    rows = [line.split("\t") for line in files.read_text(path).rstrip("\n").split("\n")]
    positions = next((p for start, p in POSITIONS.items() if name.startswith(start)), None)
    if positions is None:
        header = rows.pop(0)
        positions = [index for index, column in enumerate(header) if column in TEXT_COLUMNS]
    return [row[index] for row in rows for index in positions if index < len(row)]


def read_squad(path: Path) -> list[str]:
    """Contexts, questions and answers of a SQuAD file."""
    texts = []
    for article in files.read_json(path)["data"]:
        for paragraph in article["paragraphs"]:
            texts.append(paragraph["context"])
            for question in paragraph["qas"]:
                texts.append(question["question"])
                texts.extend(answer["text"] for answer in question["answers"])
    return texts


def read_words(path: Path) -> list[str]:
    """Words of a CoNLL or CoNLL-U file, one by one and joined to sentences, and raw sentences."""
    column, separator = (1, "\t") if path.suffix == ".conllu" else (0, " ")
    texts, words = [], []
    for line in [*files.read_text(path).split("\n"), ""]:
        if line.startswith("# text = "):
            texts.append(line.removeprefix("# text = "))
        elif line.startswith("# "):
            continue
        elif line:
            words.append(line.split(separator)[column])
        elif words:
            texts += [*words, " ".join(words)]
            words = []
    return texts


def corpora(data: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields the name and the texts of every file under the folder that holds text."""
    readers = {
        "glue/*/*.tsv": read_table,
        "glue/MRPC/msr_paraphrase_*.txt": read_table,
        "snli/*.tsv": read_table,
        "scitail/*.tsv": read_table,
        "squad/*.json": lambda path, name: read_squad(path),
        "conll*/t*.txt": lambda path, name: read_words(path),
        "conll*/valid.txt": lambda path, name: read_words(path),
        "ud_ewt/*.conllu": lambda path, name: read_words(path),
    }
    for pattern, reader in readers.items():
        for path in sorted(data.glob(pattern)):
            name = path.relative_to(data).as_posix()
            texts = reader(path, name)
            if texts:
                yield name, texts


def reference_tokenizer(vocabulary: Iterable[str], lower_case: bool) -> Tokenizer:
    """The pipeline of `transformers`' fast BERT tokenizer, without its added tokens."""
    ids = {token: token_id for token_id, token in enumerate(vocabulary)}
    reference = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    reference.normalizer = BertNormalizer(lowercase=lower_case)
    reference.pre_tokenizer = BertPreTokenizer()
    return reference


def compare(tokenizer: BertTokenizer, reference: Tokenizer, texts: list[str]) -> dict:
    """Tokenizes the texts both ways: how many ids, which texts differ, seconds of each."""
    start = time.perf_counter()
    values, row_splits = tokenizer.tokenize_all(texts)
    middle = time.perf_counter()
    encodings = reference.encode_batch_fast(texts, add_special_tokens=False)
    end = time.perf_counter()
    ids, splits = values.tolist(), row_splits.tolist()
    mismatches = [
        text
        for row, text in enumerate(texts)
        if ids[splits[row] : splits[row + 1]] != encodings[row].ids
    ]
    return {
        "tokens": len(ids),
        "mismatches": mismatches,
        "seconds": middle - start,
        "reference_seconds": end - middle,
    }


def run(data: Path, vocab: Path) -> dict:
    """Compares on every corpus with one vocabulary."""
    tokenizer = BertTokenizer.from_file(vocab)
    reference = reference_tokenizer(tokenizer.vocabulary, tokenizer.lower_case)
    tokenizer.tokenize_all(["traces the function once, outside of the timing"])
    report: dict = {"lower_case": tokenizer.lower_case, "files": {}}
    total = {"texts": 0, "tokens": 0, "mismatches": 0, "seconds": 0.0, "reference_seconds": 0.0}
    for name, texts in corpora(data):
        result = compare(tokenizer, reference, texts)
        for text in result["mismatches"][:3]:
            print(f"  {name}: {text!a}")
        result["mismatches"] = len(result["mismatches"])
        print(f"{vocab.name} {name}: {len(texts)} texts, {result['mismatches']} mismatches")
        report["files"][name] = {"texts": len(texts), "mismatches": result["mismatches"]}
        total["texts"] += len(texts)
        for key, value in result.items():
            total[key] += value
    rate = total["texts"] / total.pop("seconds")
    reference_rate = total["texts"] / total.pop("reference_seconds")
    return {
        **total,
        "texts_per_second": round(rate),
        "reference_texts_per_second": round(reference_rate),
        "speed_ratio": round(rate / reference_rate, 2),
        **report,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of glue/, squad/, ...")
    parser.add_argument("--vocab", type=Path, required=True, nargs="+", help="vocab.txt files")
    parser.add_argument("--output", type=Path, help="JSON file for the counts")
    options = parser.parse_args()
    packages = ("tensorflow", "tensorflow-text", "tokenizers")
    report: dict = {"versions": {package: version(package) for package in packages}}
    report["vocabularies"] = {vocab.name: run(options.data, vocab) for vocab in options.vocab}
    for name, result in report["vocabularies"].items():
        print(name, json.dumps({k: v for k, v in result.items() if k != "files"}))
    if options.output:
        files.write_json(options.output, report)


if __name__ == "__main__":
    main()
