"""Writes tasks out as files in the layout of their published download.

    python -m data_prep.download --task sst,mnli --output DIR

Afterwards `--data DIR` reads the same rows without tensorflow-datasets and without a network.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.data.examples import Examples, TextExamples
from tfglue.data.questions import Questions
from tfglue.data.sources import SAMPLE_FOLDER, Source, open_source
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tagged_text import tagged_text
from tfglue.data.task_folder import find_folder
from tfglue.errors import UserError
from tfglue.files import atomic_file, write_text
from tfglue.tasks.squad_question import SquadQuestion
from tfglue.tasks.squad_text import squad_text
from tfglue.tasks.task import AnyFile, SplitFile, Task

# What a row file without quoting cannot hold inside a field.
_BREAKS = re.compile(r"[\t\r\n\0]")


def write_split(examples: Examples, task: Task, file: AnyFile, path: Path) -> int:
    """Writes one split as `file` declares it.

    Tables with a header get an ``index`` column that keeps the ids, then the declared columns. In
    tables, tabs, line breaks and NULs inside a text become a space each.

    Returns:
        How many texts were changed so.
    """
    if isinstance(examples, Questions):
        write_text(path, squad_text(_asked(examples), task.folders[0], task.negatives))
        return 0
    if isinstance(examples, TaggedSentences):
        write_text(path, tagged_text(examples, [task.labels[tag] for tag in examples.tags], file))
        return 0
    return _write_table(examples, task, file, path)


def _asked(questions: Questions) -> Iterator[SquadQuestion]:
    for row, (question_id, text) in enumerate(zip(questions.ids, questions.texts, strict=True)):
        answers = questions.answers[row]
        yield SquadQuestion(question_id, text, questions.context(row), answers, not answers)


def _write_table(examples: TextExamples, task: Task, file: SplitFile, path: Path) -> int:
    changed = 0
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as out:
        if file.header:
            label = () if file.label is None else (file.label,)
            out.write("\t".join(("index", *file.text, *label)) + "\n")
        labels = _written_labels(examples, task)
        for row_id, label, *texts in zip(examples.ids, labels, *examples.texts, strict=True):
            cleaned = [_BREAKS.sub(" ", text) for text in texts]
            changed += sum(map(str.__ne__, texts, cleaned))
            out.write("\t".join(_fields(file, row_id, label, cleaned)) + "\n")
    return changed


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _download(argv))


def _download(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m data_prep.download", __doc__)
    parser.add_argument(
        "--task", required=True, help="name, comma list, group, or all (that the source holds)"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="root of the folders")
    parser.add_argument("--data", default="tfds", help="source of the rows (default: tfds)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    flags = parser.parse_args(argv)

    output = Path(flags.output)
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output}: this is a file, not a folder")
    # Training files are written whole, whatever part of them a run would hold out.
    chosen = [replace(task, held_out=0.0) for task in _tasks(flags.task, flags.data)]
    sources = [open_source(task, flags.data) for task in chosen]
    # Tasks may share a file; it is written once.
    planned: dict[Path, tuple[Source, str]] = {}
    for source in sources:
        for split in source.splits():
            path = output / source.task.folders[0] / source.task.files[split].name
            planned.setdefault(path, (source, split))
    existing = [path for path in planned if path.exists()]
    if existing and not flags.overwrite:
        raise UserError(f"{existing[0]}: exists already; pass --overwrite to replace it")
    quiet_tensorflow()
    for path, (source, split) in planned.items():
        _write(source, split, path)
    print(f"read them with --data {output}")


def _tasks(names: str, data: str) -> list[Task]:
    if names.strip().lower() != "all":
        return tasks.expand(names)
    declared = [tasks.get(name) for name in tasks.names()]
    held = [task for task in declared if _is_held(task, data)]
    for task in declared:
        if task not in held:
            where = "tensorflow-datasets" if data == "tfds" else data
            print(f"{task.name}: left out, it is not in {where}")
    return held


def _is_held(task: Task, data: str) -> bool:
    if data == "tfds":
        return task.tfds is not None
    root = SAMPLE_FOLDER if data == "sample" else Path(data)
    # What is no folder at all is told by `open_source`.
    return not root.is_dir() or find_folder(task, root) is not None


def _write(source: Source, split: str, path: Path) -> None:
    examples = source.read(split)
    file = source.task.files[split]
    changed = write_split(examples, source.task, file, path)
    print(f"{source.task.name} {split}: {len(examples):,} rows -> {path}")
    if examples.skipped:
        print(f"  {examples.skipped:,} rows without a label left out")
    if changed:
        print(f"  {changed:,} texts held tabs or line breaks, now spaces")
    numbers = [str(row) for row in range(len(examples))]
    if isinstance(file, SplitFile) and not file.header and examples.ids != numbers:
        print("  ids are not kept: this file has no column for them")


def _written_labels(examples: TextExamples, task: Task) -> Iterator[str]:
    if examples.labels is None:
        return iter([""] * len(examples))
    if task.labels:
        spellings = task.file_labels or task.labels
        return (spellings[label] for label in examples.labels)
    # str of a float32 is the shortest text that reads back as the same float32.
    return (str(score) for score in examples.labels)


def _fields(file: SplitFile, row_id: str, label: str, texts: list[str]) -> list[str]:
    if file.header:
        return [row_id, *texts] if file.label is None else [row_id, *texts, label]
    fields = [""] * file.columns
    for column, text in zip(file.text, texts, strict=True):
        fields[column] = text
    if file.label is not None:
        fields[file.label] = label
    return fields


if __name__ == "__main__":
    raise SystemExit(main())
