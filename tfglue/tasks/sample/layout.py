"""How rows of the sample become the published files: every column of the GLUE download."""

from collections.abc import Sequence

from tfglue.tasks.task import SplitFile, Task

_PARSES = ("sentence1_binary_parse", "sentence2_binary_parse", "sentence1_parse", "sentence2_parse")
_MNLI = ("index", "promptID", "pairID", "genre", *_PARSES, "sentence1", "sentence2")
_SNLI = ("index", "captionID", "pairID", *_PARSES, "sentence1", "sentence2")
_STSB = ("index", "genre", "filename", "year", "old_index", "source1", "source2")
_PAIR = ("index", "sentence1", "sentence2")
_ONE_VOTE = ("label1", "gold_label")
_FIVE_VOTES = (*(f"label{vote}" for vote in range(1, 6)), "gold_label")

# Column names of unlabelled files, and of labelled ones. For mnli and snli, `columns` adds votes.
_HEADERS = {
    "cola": ("index", "sentence"),
    "sst": ("index", "sentence"),
    "mrpc": ("index", "#1 ID", "#2 ID", "#1 String", "#2 String"),
    "qqp": ("id", "question1", "question2"),
    "stsb": (*_STSB, "sentence1", "sentence2"),
    "mnli": _MNLI,
    "snli": _SNLI,
    "qnli": ("index", "question", "sentence"),
    "rte": _PAIR,
    "wnli": _PAIR,
    "ax": _PAIR,
}
_LABELLED_HEADERS = {
    "sst": ("sentence", "label"),
    "mrpc": ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
    "qqp": ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
    "stsb": (*_HEADERS["stsb"], "score"),
    "qnli": (*_HEADERS["qnli"], "label"),
    "rte": (*_PAIR, "label"),
    "wnli": (*_PAIR, "label"),
}


def columns(task: Task, split: str) -> tuple[str | int, ...]:
    """The columns of a split's file: header names, or positions where it has no header."""
    split_file = task.files[split]
    if not split_file.header:
        return tuple(range(split_file.columns))
    if split_file.label is None:
        return _HEADERS[task.name]
    if task.name in ("mnli", "snli"):
        return _HEADERS[task.name] + (_ONE_VOTE if split == "train" else _FIVE_VOTES)
    return _LABELLED_HEADERS[task.name]


def file_text(task: Task, split: str, rows: Sequence[tuple[tuple[str, ...], str]]) -> str:
    """The text of a split's file.

    Args:
        task: the task.
        split: one of `task.files`.
        rows: texts and label of each row; the label is left out of an unlabelled file.
    """
    split_file = task.files[split]
    names = columns(task, split)
    lines = ["\t".join(names)] if split_file.header else []
    for index, (texts, label) in enumerate(rows):
        cells = _cells(task, split_file, index, texts, label)
        lines.append("\t".join(cells.get(name, _filler(name, index)) for name in names))
    return "\n".join(lines) + "\n"


def _cells(
    task: Task, split_file: SplitFile, index: int, texts: tuple[str, ...], label: str
) -> dict[str | int, str]:
    """The cells that hold data; the others get fillers."""
    if task.file_labels:
        label = task.file_labels[task.labels.index(label)]
    cells = dict(zip(split_file.text, texts, strict=True))
    if split_file.label is not None:
        cells[split_file.label] = label
    if split_file.label == "gold_label":
        cells["label1"] = label
    if task.name == "cola":
        cells |= {0: "tfglue", 2: "" if label == "1" else "*"} if not split_file.header else {}
    return cells


def _filler(name: str | int, index: int) -> str:
    """A running number where the published file holds one, ``n/a`` elsewhere."""
    numbers = {
        "index": index,
        "id": index,
        "#1 ID": 2 * index + 1,
        "#2 ID": 2 * index + 2,
        "qid1": 2 * index + 1,
        "qid2": 2 * index + 2,
    }
    return str(numbers.get(name, "n/a"))
