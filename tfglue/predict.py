"""``python -m tfglue.predict``: answers of a run for texts, files or splits."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.answering import Answering, answered_task, new_file, source_for
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError, suggestion
from tfglue.files import write_text
from tfglue.kept_predictions import KeptPredictions
from tfglue.serving.export_folder import find_export
from tfglue.typed_lines import typed_lines

if TYPE_CHECKING:
    from tfglue.predictions.predictions import Predictions
    from tfglue.run import Run

_FORMATS = ("tsv", "json")
# Files with a form of their own; in others a line is what a user would type.
_READ_AS_FILES = (".csv", ".jsonl", ".json", ".conll", ".conllu", ".iob", ".bio")

_DESCRIPTION = """Answers of a run, or of an export through its SavedModel alone.

  echo "a warm and funny film" | python -m tfglue.predict --run saved_models/sst --input -
  python -m tfglue.predict --run saved_models/rte --input pairs.txt --format json
      one text a line, or two separated by a tab
  python -m tfglue.predict --run saved_models/squad2 --input questions.txt
      a question and its passage, separated by a tab
  python -m tfglue.predict --run saved_models/rte --data GLUE_FOLDER --split test
      a split; goes to RUN/predictions/<task>/<split>.tsv, spans and tags to a folder <split>
  python -m tfglue.predict --run saved_models/serve/rte --input pairs.txt
      the newest version of an export; .../rte/3 for another one"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _predict(argv))


def _predict(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.predict", _DESCRIPTION)
    parser.add_argument("--run", required=True, help="run folder, RUN@epoch, or an export")
    parser.add_argument(
        "--input",
        help="file of texts, one or a tab-separated pair a line, - for standard input; a .csv or "
        ".jsonl is read by its text columns, .json as SQuAD's, .conll and .conllu by words",
    )
    parser.add_argument("--data", help="as in training, with --split")
    parser.add_argument("--split", help="split to predict, such as test")
    parser.add_argument("--task", help="task, where the run answers several")
    parser.add_argument("--format", default="tsv", help="tsv (tags: columns) or json lines [tsv]")
    parser.add_argument(
        "--output", help="file to write [standard output; for a split of a run, its folder]"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the --output file")
    flags = parser.parse_args(argv)
    if bool(flags.input) == bool(flags.split):
        raise UserError("give either --input FILE (- for standard input) or --split NAME")
    if flags.input and flags.data:
        raise UserError("--data goes with --split, not with --input")
    if flags.format not in _FORMATS:
        raise UserError(
            f"--format: unknown value '{flags.format}'{suggestion(flags.format, _FORMATS)} "
            f"(expected one of: {', '.join(_FORMATS)})"
        )
    export = find_export(flags.run)
    if export and flags.split and not flags.data:
        raise UserError(f"{export}: an export knows no data; name a folder with --data")
    output = new_file(flags.output, flags.overwrite)
    # Read before TensorFlow starts, so that a wrong file is answered at once.
    table = Path(flags.input or "").suffix in _READ_AS_FILES
    lines = typed_lines(flags.input) if flags.input and not table else None
    quiet_tensorflow()
    from tfglue.kinds import KINDS

    opened = _open(flags.run, export)
    task = answered_task(opened, flags.task)
    if lines is not None:
        name = "standard input" if flags.input == "-" else flags.input
        rows = _rows(lines, task.text_fields, name)
        examples = KINDS.get(task.kind).typed(task, rows, name)
    else:
        source = source_for(opened, task, flags.data, flags.input)
        examples = source.read(flags.split or "input", labelled=False)
    predictions = opened.answer(task, examples)
    text = predictions.json_lines() if flags.format == "json" else predictions.text()
    if output is not None:
        write_text(output, text)
        print(f"{len(examples)} examples written: {output}", file=sys.stderr)
    elif flags.split and not export:
        place = _keep(opened, predictions, flags)
        print(f"{len(examples)} examples written: {place}", file=sys.stderr)
    else:
        sys.stdout.write(text)


def _open(name: str, export: Path | None) -> Answering:
    if export is not None:
        from tfglue.serving.exported import Export

        return Export.open(export)
    from tfglue.run import Run

    return Run.open(name)


def _keep(opened: "Run", predictions: "Predictions", flags) -> str:
    """Writes a split's predictions beside the weights that gave them; returns where."""
    kept = KeptPredictions(opened.weights_folder)
    json_lines = flags.format == "json"
    others = kept.others(flags.split, predictions, json_lines)
    if others and not flags.overwrite:
        raise UserError(
            f"{others[0]} holds other predictions, or scores of them; add --overwrite to replace "
            "what is kept of this split, or name a file with --output"
        )
    written = kept.write(flags.split, predictions, json_lines)
    return str(written[0] if len(written) == 1 else written[0].parent)


def _rows(lines: Sequence[str], fields: Sequence[str], name: str) -> list[list[str]]:
    rows = []
    for number, line in enumerate(lines, start=1):
        row = line.split("\t")
        if len(row) != len(fields):
            expected = f"{' and '.join(fields)}{', separated by a tab' if len(fields) > 1 else ''}"
            raise UserError(
                f"{name}:{number}: expected {expected}, found {len(row)} "
                f"column{'s' * (len(row) != 1)}; .csv and .jsonl are read by the names of theirs"
            )
        if not any(part.strip() for part in row):
            raise UserError(f"{name}:{number}: the line is blank")
        rows.append(row)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
