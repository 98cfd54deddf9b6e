"""``python -m tfglue.predict``: answers of a run for texts, files or splits."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfglue.answering import answered_task, source_for
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError
from tfglue.files import read_text, write_text

_DESCRIPTION = """Answers of a run.

  echo "a warm and funny film" | python -m tfglue.predict --run saved_models/sst --input -
  python -m tfglue.predict --run saved_models/rte --input pairs.txt --format json
      one text a line, or two separated by a tab
  python -m tfglue.predict --run saved_models/rte --data GLUE_FOLDER --split test
      a split; goes to RUN/predictions/<task>/<split>.tsv"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _predict(argv))


def _predict(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.predict", _DESCRIPTION)
    parser.add_argument("--run", required=True, help="run folder, or RUN@epoch")
    parser.add_argument(
        "--input", help="file of texts, one or a tab-separated pair a line; - is standard input"
    )
    parser.add_argument("--data", help="as in training, with --split")
    parser.add_argument("--split", help="split to predict, such as test")
    parser.add_argument("--task", help="task, where the run answers several")
    parser.add_argument("--format", choices=("tsv", "json"), default="tsv",
                        help="a table, or one JSON object a line [tsv]")
    parser.add_argument("--output", help="file to write [standard output; for a split, the run "
                        "folder]")
    flags = parser.parse_args(argv)
    if bool(flags.input) == bool(flags.split):
        raise UserError("give either --input FILE (- for standard input) or --split NAME")
    if flags.input and flags.data:
        raise UserError("--data goes with --split, not with --input")
    # Read before TensorFlow starts, so that a wrong file is answered at once.
    lines = _read_lines(flags.input) if flags.input else None
    quiet_tensorflow()
    from tfglue.data.examples import Examples
    from tfglue.run import Run

    opened = Run.open(flags.run)
    task = answered_task(opened, flags.task)
    if lines is not None:
        columns = _columns(lines, len(task.text_fields), flags.input)
        examples = Examples([str(i) for i in range(len(lines))], columns, None, flags.input)
    else:
        examples = source_for(opened, task, flags.data, None).read(flags.split, labelled=False)
    predictions = opened.answer(task, examples)
    text = _json_lines(predictions.records()) if flags.format == "json" else predictions.to_tsv()
    output = flags.output
    if output is None and flags.split:
        output = opened.folder.predictions(task.name, flags.split)
    if output is None:
        sys.stdout.write(text)
    else:
        write_text(Path(output), text)
        print(f"{len(examples)} rows written: {output}", file=sys.stderr)


def _read_lines(name: str) -> list[str]:
    if name == "-":
        try:
            text = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UserError("--input -: not UTF-8") from None
        name = "standard input"
    else:
        text = read_text(Path(name))
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise UserError(f"{name}: empty; expected one text or tab-separated pair a line")
    return [line.removesuffix("\r") for line in lines]


def _columns(lines: Sequence[str], width: int, name: str) -> tuple[list[str], ...]:
    name = "standard input" if name == "-" else name
    rows = []
    for number, line in enumerate(lines, start=1):
        row = line.split("\t")
        if len(row) != width:
            expected = "one text" if width == 1 else "two texts separated by a tab"
            raise UserError(f"{name}:{number}: expected {expected}, found {len(row)} columns")
        if not any(part.strip() for part in row):
            raise UserError(f"{name}:{number}: the line is blank")
        rows.append(row)
    return tuple([row[i] for row in rows] for i in range(width))


def _json_lines(records: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


if __name__ == "__main__":
    raise SystemExit(main())
