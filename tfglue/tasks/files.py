"""The user's own files as a task: what they hold is found out and told."""

import re
from collections import Counter
from collections.abc import Iterator

from tfglue.errors import UserError, suggestion
from tfglue.tasks.column_files import hold_tags, task_from_columns
from tfglue.tasks.question_files import hold_questions, task_from_questions
from tfglue.tasks.squad import QUESTION_METRICS
from tfglue.tasks.tables import Table, holds_tab_or_break, parse_number
from tfglue.tasks.task import Task

SINGLE_COLUMNS = ("text", "sentence")
PAIR_COLUMNS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("text_a", "text_b"),
    ("question1", "question2"),
)
LARGEST_NUMERIC_CLASS_COUNT = 20
LARGEST_CLASS_COUNT = 1000

_CLASSES_SHOWN = 20
# The first is that of the right candidate.
_RANK_LABELS = ("1", "0")
_METRICS = {
    "classify": ("accuracy", "macro_f1"),
    "regress": ("pearson_and_spearman", "pearson", "spearman"),
    "rank": ("accuracy",),
}


def task_from_files(
    name: str,
    train_file: str | None = None,
    dev_file: str | None = None,
    test_file: str | None = None,
    text_fields: tuple[str, ...] | None = None,
    label_field: str | None = None,
    kind: str | None = None,
    base: Task | None = None,
    labels: str | None = None,
) -> tuple[Task, list[str]]:
    """Makes a task of the user's own files: TSV, CSV, JSON lines, columns, or SQuAD's JSON.

    Args:
        name: the task's name, used in file names.
        train_file, dev_file, test_file: files with named columns, whose formats may differ, or all
            of them ``.json`` with questions on passages.
        text_fields: the text columns; found by `find_text_columns` if None.
        label_field: the label column; found by `find_label_column` if None.
        kind: ``classify``, ``regress`` or ``rank``; for questions ``span`` or ``answerable``;
            ``tag``. If None: questions are of kind ``span``, files of `TAG_SUFFIXES` hold tags;
            elsewhere numbers are scores, unless they are integers of at most 20 different values,
            and anything else is a class.
        base: a declared task whose text fields, labels and kind the files follow.
        labels: a file that lists the tags, for tags only; they are found in the files if None.

    Returns:
        The task (`base` itself where one with labels is given), and lines that tell what was found.

    Raises UserError for columns that are not there, classes that are too few or too many, labels
    that do not fit the kind (with file and line), and questions that are not as they should be.
    """
    files = {"train": train_file, "dev": dev_file, "test": test_file}
    paths = {split: path for split, path in files.items() if path}
    if not paths:
        raise UserError("no file is given; pass --train_file, --dev_file or --test_file")
    kinds = (*_METRICS, *QUESTION_METRICS, "tag")
    if kind is not None and kind not in kinds:
        raise UserError(f"--kind {kind}: unknown{suggestion(kind, kinds)} ({', '.join(kinds)})")
    if base is not None and kind not in (None, base.kind):
        raise UserError(f"--kind {kind}: task '{base.name}' is of kind {base.kind}")
    if base is None:
        _check_new(name, train_file)
    if hold_questions(paths, kind, base) or hold_tags(paths, kind, base):
        if text_fields or label_field:
            flag = "--text_fields" if text_fields else "--label_field"
            raise UserError(f"{flag} names columns; questions, words and tags have none")
        if hold_tags(paths, kind, base):
            return task_from_columns(name, paths, kind, base, labels)
        return task_from_questions(name, paths, kind, base)
    if labels:
        raise UserError(f"--labels {labels}: lists tags; it goes with --kind tag")
    tables = {split: Table(path) for split, path in paths.items()}
    if base is not None:
        return base, [_columns_line(tables, text_fields, label_field, base)]
    train = tables["train"]
    text = find_text_columns(train, text_fields)
    label = find_label_column(train, label_field)
    lines = [_columns_line(tables, text, label, None)]
    if kind == "rank" and len(text) != 2:
        raise UserError(
            f"{train.path}: --kind rank reads two columns, a query and a candidate; name them with "
            "--text_fields"
        )
    counts = Counter(value for _, value in _labels(train, label, _RANK_LABELS * (kind == "rank")))
    how = "as asked" if kind else "inferred"
    kind = kind or _inferred_kind(counts)
    lines.append(
        f"kind {kind} ({how}): "
        + (_range(train, label) if kind == "regress" else _classes_line(train, label, counts))
    )
    found = {"classify": _sorted_labels, "rank": lambda counts: _RANK_LABELS}
    task = Task(
        name=name,
        kind=kind,
        text_fields=text,
        metrics=_METRICS[kind],
        labels=found[kind](counts) if kind in found else (),
    )
    return task, lines


def find_text_columns(
    table: Table, text_fields: tuple[str, ...] | None = None, task: Task | None = None
) -> tuple[str, ...]:
    """The columns of a file that hold the text.

    They are `text_fields` if given; else the task's own text fields, or its columns in published
    files; without a task, the one set of usual names (`SINGLE_COLUMNS`, `PAIR_COLUMNS`) that is
    there. Raises UserError with the columns found and the flag that names them.
    """
    if text_fields:
        if task is not None and len(text_fields) != len(task.text_fields):
            raise UserError(
                f"--text_fields: task '{task.name}' has {len(task.text_fields)} "
                f"({', '.join(task.text_fields)}), not {len(text_fields)}"
            )
        if len(text_fields) > 2 or len(set(text_fields)) < len(text_fields):
            raise UserError("--text_fields: one column, or two different ones")
        for column in text_fields:
            table.require(column, "--text_fields")
        return tuple(text_fields)
    if task is not None:
        candidates = [task.text_fields, *(file.text for file in task.files.values())]
        found = [names for names in candidates if set(names) <= set(table.columns)][:1]
    else:
        pairs = [names for names in PAIR_COLUMNS if set(names) <= set(table.columns)]
        paired = {name for names in pairs for name in names}
        singles = [name for name in SINGLE_COLUMNS if name in table.columns and name not in paired]
        found = [*pairs, *((name,) for name in singles)]
    if len(found) != 1:
        problem = "more than one choice of" if found else "no"
        raise UserError(
            f"{table.path}: {problem} text columns among {', '.join(table.columns)}; name them "
            "with --text_fields (the first line of a TSV or CSV file must name the columns; a file "
            "with a word a line is for --kind tag)"
        )
    return tuple(found[0])


def find_label_column(
    table: Table,
    label_field: str | None = None,
    task: Task | None = None,
    optional: bool = False,
) -> str | None:
    """The column of a file that holds the label.

    It is `label_field` if given; else ``label``, or the task's column in published files. Raises
    UserError if it is not there, or returns None if it is `optional`.
    """
    if label_field:
        candidates = [label_field]
    else:
        files = task.files.values() if task is not None else ()
        candidates = ["label", *(file.label for file in files if isinstance(file.label, str))]
    for column in candidates:
        if column in table.columns:
            table.require(column)
            return column
    if not optional:
        table.require(candidates[0], "--label_field")
    return None


def _check_new(name: str, train_file: str | None) -> None:
    """Raises UserError where a task that nobody declared lacks what makes one."""
    if train_file is None:
        raise UserError("--train_file is needed to find out the labels; or name a task with --task")
    check_task_name(name, f"--task '{name}'")


def check_task_name(name: str, where: str) -> None:
    """Raises UserError for a name that cannot be a task's, which is also that of its files."""
    # metrics.json has a key of this name beside the tasks.
    if not re.fullmatch(r"\w[\w-]*", name) or name == "main":
        raise UserError(
            f"{where}: a task's name is made of letters, digits, '_' and '-', and is not "
            "'main'"
        )


def _columns_line(
    tables: dict[str, Table],
    text_fields: tuple[str, ...] | None,
    label_field: str | None,
    base: Task | None,
) -> str:
    """Checks the columns of every file before a long run meets them, and tells what they are."""
    found = {}
    for split, table in tables.items():
        text = find_text_columns(table, text_fields, base)
        label = find_label_column(table, label_field, base, optional=split == "test")
        found.setdefault((text, label), []).append(split)
    return "; ".join(
        f"{', '.join(splits)}: text from {' and '.join(text)}, "
        + (f"label from {label}" if label else "no label")
        for (text, label), splits in found.items()
    )


def _labels(
    table: Table, column: str, known: tuple[str, ...] = ()
) -> Iterator[tuple[int, str]]:
    for line, (label,) in table.rows((column,)):
        if not label.strip() or holds_tab_or_break(label):
            table.problem(line, f"label {label!r} is blank or holds a tab or line break")
        if known and label not in known:
            table.problem(
                line, f"label '{label}': of --kind rank it is 1 for the right candidate of a query "
                "and 0 for its others"
            )
        yield line, label


def _inferred_kind(counts: Counter[str]) -> str:
    if any(parse_number(label) is None for label in counts):
        return "classify"
    few = len(counts) <= LARGEST_NUMERIC_CLASS_COUNT
    return "classify" if few and all(map(_is_integer, counts)) else "regress"


def _is_integer(label: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,18}", label) is not None


def _sorted_labels(counts: Counter[str]) -> tuple[str, ...]:
    if all(map(_is_integer, counts)):
        return tuple(sorted(counts, key=lambda label: (int(label), label)))
    return tuple(sorted(counts))


def _classes_line(table: Table, column: str, counts: Counter[str]) -> str:
    if len(counts) > LARGEST_CLASS_COUNT:
        raise UserError(
            f"{table.path}: column '{column}' holds {len(counts):,} different labels, more than "
            f"{LARGEST_CLASS_COUNT:,}; pass --kind regress or another --label_field"
        )
    if len(counts) == 1:
        raise UserError(
            f"{table.path}: every row has label '{next(iter(counts))}'; two classes are needed"
        )
    labels = _sorted_labels(counts)
    shown = ", ".join(f"{label} ({counts[label]:,})" for label in labels[:_CLASSES_SHOWN])
    more = len(labels) - _CLASSES_SHOWN
    return f"{len(labels)} classes: {shown}{f' and {more} more' if more > 0 else ''}"


def _range(table: Table, column: str) -> str:
    scores = []
    for line, label in _labels(table, column):
        score = parse_number(label)
        if score is None:
            table.problem(line, f"score '{label}' is not a number")
        scores.append(score)
    return f"scores from {min(scores):g} to {max(scores):g} in {len(scores):,} rows"
