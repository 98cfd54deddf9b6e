"""Published BERTs by name, under the folder that the variable ``BERT_ALL_DIR`` names."""

import os
from pathlib import Path

VARIABLE = "BERT_ALL_DIR"

GOOGLE_FOLDERS = {
    "bert-base-uncased": "uncased_L-12_H-768_A-12",
    "bert-large-uncased": "uncased_L-24_H-1024_A-16",
    "bert-base-cased": "cased_L-12_H-768_A-12",
    "bert-large-cased": "cased_L-24_H-1024_A-16",
    "bert-large-uncased-whole-word-masking": "wwm_uncased_L-24_H-1024_A-16",
    "bert-large-cased-whole-word-masking": "wwm_cased_L-24_H-1024_A-16",
    "bert-base-multilingual-uncased": "multilingual_L-12_H-768_A-12",
    "bert-base-multilingual-cased": "multi_cased_L-12_H-768_A-12",
    "bert-base-chinese": "chinese_L-12_H-768_A-12",
}
"""The names that models are known by -> the folders in the archives that Google published."""


def find_published(name: str) -> Path | None:
    """``$BERT_ALL_DIR/<name>``, or else Google's folder of that model there, or None."""
    root = os.environ.get(VARIABLE)
    if not root or not name:
        return None
    folders = [name, GOOGLE_FOLDERS.get(name, name)]
    paths = (Path(root).expanduser() / folder for folder in folders)
    return next((path for path in paths if path.exists()), None)


def published_names() -> list[str]:
    """Every name that `find_published` might find: the known ones, and what is there."""
    root = os.environ.get(VARIABLE)
    there = Path(root).expanduser() if root else None
    found = sorted(path.name for path in there.iterdir()) if there and there.is_dir() else []
    return [*GOOGLE_FOLDERS, *found]


def where_to_put(name: str) -> str:
    """What to do where one of the names in `GOOGLE_FOLDERS` is not found."""
    root = os.environ.get(VARIABLE)
    wanted = f"holds {name} or {GOOGLE_FOLDERS[name]}"
    if root:
        return f"{VARIABLE} is {root}; make it a folder that {wanted}"
    return f"set {VARIABLE} to a folder that {wanted}"
