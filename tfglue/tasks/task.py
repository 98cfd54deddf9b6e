"""What a task is: one frozen declaration that every other part reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Column = str | int
"""A column by its header name, or by 0-based position in files without a header."""


@dataclass(frozen=True)
class SplitFile:
    """One split as a tab-separated file of the published download.

    Args:
        name: file name inside the task's folder.
        text: one column for every text field of the task.
        label: the label's column; None where the file is unlabelled.
        header: whether the first line names the columns.
        columns: how many columns a row has in a file without a header.
        skip_broken_rows: rows with a wrong number of columns are counted and left out, not errors
            (the published QQP files hold a few).
        rows: how many usable rows the published file has; None if it is not known.
    """

    name: str
    text: tuple[Column, ...]
    label: Column | None = None
    header: bool = True
    columns: int | None = None
    skip_broken_rows: bool = False
    rows: int | None = None


    @property
    def labelled(self) -> bool:
        """Whether the file has the label."""
        return self.label is not None


@dataclass(frozen=True)
class SquadFile:
    """One split as SQuAD's JSON (Rajpurkar et al. 2016, 2018): articles, paragraphs, questions.

    Args:
        name: file name inside the task's folder.
        labelled: whether the questions have answers.
        rows: how many questions the published file has; None if it is not known.
    """

    name: str
    labelled: bool = True
    rows: int | None = None


@dataclass(frozen=True)
class ColumnFile:
    """One split with a word a line and a blank line after every sentence, as CoNLL's files are.

    Lines that begin with ``#`` are comments where the name ends in ``.conllu``, whose columns are
    separated by tabs; elsewhere any white space separates them.

    Args:
        name: file name inside the task's folder.
        word: position of the word's column.
        tag: position of the tag's column, from the end if negative; None where there is none.
        rows: how many sentences the published file has; None if it is not known.
    """

    name: str
    word: int = 0
    tag: int | None = -1
    rows: int | None = None

    @property
    def labelled(self) -> bool:
        """Whether the file has tags."""
        return self.tag is not None

    @property
    def conllu(self) -> bool:
        """Whether the file is in the format of Universal Dependencies."""
        return self.name.lower().endswith(".conllu")


AnyFile = SplitFile | SquadFile | ColumnFile


@dataclass(frozen=True)
class TfdsSource:
    """Where tensorflow-datasets holds the task.

    Args:
        name: the data set, with its configuration.
        splits: its split for each of ours.
        text: its features for the task's text fields, where they have other names.
        label: its feature for the label.
    """

    name: str
    splits: Mapping[str, str]
    text: tuple[str, ...] = ()
    label: str = "label"


@dataclass(frozen=True)
class Recipe:
    """Default settings of one task; `source` names the paper or table they come from."""

    max_length: int = 128
    batch_size: int = 32
    learning_rate: float = 2e-5
    epochs: float = 3.0
    source: str = ""


@dataclass(frozen=True)
class Submission:
    """One file of the GLUE leaderboard.

    How many rows it has and how it writes labels is what the task declares of the split's file and
    its `file_labels`: the leaderboard asks for answers in the words of the published files.

    Args:
        file: name in the zip.
        split: the split that it answers.
        majority: the label that may stand in for a run, as the file writes it; empty if none may.
    """

    file: str
    split: str = "test"
    majority: str = ""


@dataclass(frozen=True)
class Task:
    """A task, declared once.

    Args:
        name: the name in commands, files and metrics.
        kind: name of one of `tfglue.kinds`; it decides head, loss and the shape of predictions.
        text_fields: names of one or two text columns, as tensorflow-datasets calls them.
        metrics: names of registered metrics, the main one first.
        labels: class names in the order of their ids; empty for regression and spans, and for tags
            that are found in the data. Of kind rank the first is that of the right candidate.
        file_labels: the labels as the published files write them, where that differs.
        ignored_labels: labels that mark a row to leave out, as SNLI's ``-``.
        score_range: lowest and highest score of a regression task; predictions are clipped to it.
        negatives: whether questions of a span task may have no answer.
        paired_lines: of kind rank, whether two lines of one query that follow each other are a
            group of their own; else all lines of a query are one.
        partial_groups: of kind rank, whether queries without exactly one right candidate are
            counted and left out; else they are refused.
        held_out: share of the training data that serves as dev, for a download without a dev file.
        folders: names that the task's folder has in known downloads.
        files: split name -> file. ``train``, ``dev``, ``test``, and for MNLI the mismatched ones.
        tfds: the task in tensorflow-datasets; None where it is not there.
        recipe: default settings.
        aliases: further names.
        predicted_by: the task whose runs answer this one, for a task without training data.
        submissions: the task's files on the GLUE leaderboard, each a split of known length.
    """

    name: str
    kind: str
    text_fields: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...] = ()
    file_labels: tuple[str, ...] = ()
    ignored_labels: tuple[str, ...] = ()
    score_range: tuple[float, float] | None = None
    negatives: bool = False
    paired_lines: bool = False
    partial_groups: bool = False
    held_out: float = 0.0
    folders: tuple[str, ...] = ()
    files: Mapping[str, AnyFile] = field(default_factory=dict)
    tfds: TfdsSource | None = None
    recipe: Recipe = Recipe()
    aliases: tuple[str, ...] = ()
    predicted_by: str | None = None
    submissions: tuple[Submission, ...] = ()

    def __post_init__(self):
        if not 1 <= len(self.text_fields) <= 2:
            raise ValueError(f"task {self.name}: one or two text fields, not {self.text_fields}")
        if self.kind == "classify" and not self.labels:
            raise ValueError(f"task {self.name}: kind classify needs labels")
        if self.kind == "rank" and (len(self.labels), len(self.text_fields)) != (2, 2):
            raise ValueError(f"task {self.name}: kind rank needs two labels and two text fields")
        if self.kind in ("regress", "span") and self.labels:
            raise ValueError(f"task {self.name}: labels do not belong to kind {self.kind}")
        if self.file_labels and len(self.file_labels) != len(self.labels):
            raise ValueError(f"task {self.name}: file_labels and labels differ in number")
        for split_file in self.files.values():
            if isinstance(split_file, SplitFile) and len(split_file.text) != len(self.text_fields):
                raise ValueError(f"task {self.name}: {split_file.name} needs one column a field")
        for submission in self.submissions:
            if submission.split not in self.files or not self.files[submission.split].rows:
                raise ValueError(f"task {self.name}: {submission.file} needs a split with rows")

    @property
    def main_metric(self) -> str:
        """The metric that picks the best checkpoint."""
        return self.metrics[0]

    @property
    def label_dtype(self) -> str:
        """Type of the labels' array: class ids where there are classes, else scores."""
        return "int32" if self.labels else "float32"

    def label_id(self, text: str) -> int | None:
        """The id of a label as files or people write it, or None if there is no such label."""
        for spelling in (self.file_labels, self.labels):
            if text in spelling:
                return spelling.index(text)
        return None
