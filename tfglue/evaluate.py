"""``python -m tfglue.evaluate``: metrics of a run on labelled data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfglue.answering import answered_task, new_file, source_for
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError
from tfglue.files import write_json
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.run import Run

_DESCRIPTION = """Metrics of a run on labelled data, over whole splits.

  python -m tfglue.evaluate --run saved_models/rte
  python -m tfglue.evaluate --run saved_models/mnli --data GLUE_FOLDER --split dev_mismatched
  python -m tfglue.evaluate --run saved_models/mine --input more.csv

RUN/evaluation.json holds the latest evaluation; with RUN@2 it is that epoch's folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _evaluate(argv))


def _evaluate(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.evaluate", _DESCRIPTION)
    parser.add_argument("--run", required=True, help="run folder, or RUN@epoch")
    parser.add_argument("--data", help="as in training [the data the run was trained on]")
    parser.add_argument("--input", help="your own labelled .tsv, .csv or .jsonl instead")
    parser.add_argument("--split", help="splits, a,b [every dev split]")
    parser.add_argument("--task", help="one task, where the run answers several [all]")
    parser.add_argument("--output", help="JSON file of the metrics [RUN/evaluation.json]")
    parser.add_argument("--overwrite", action="store_true", help="replace the --output file")
    flags = parser.parse_args(argv)
    output = new_file(flags.output, flags.overwrite)
    quiet_tensorflow()
    from tfglue.run import Run

    opened = Run.open(flags.run)
    found: dict[str, Any] = {"main": {}, "data": {}}
    every = flags.task is None and flags.input is None
    for task in opened.tasks.values() if every else [answered_task(opened, flags.task)]:
        found[task.name], found["data"][task.name] = _evaluate_task(opened, task, flags)
        found["main"][task.name] = task.main_metric
    output = output or opened.weights_folder / "evaluation.json"
    write_json(output, found)
    print(f"written: {output}")


def _evaluate_task(opened: "Run", task: Task, flags) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics of each split, and what its rows are."""
    source = source_for(opened, task, flags.data, flags.input)
    print(f"data: {source.description}")
    splits = [part.strip() for part in (flags.split or "").split(",") if part.strip()]
    splits = splits or [s for s in source.splits() if flags.input or s.startswith("dev")]
    if not splits:
        raise UserError(f"{source.description}: no dev split; name one with --split, or --input")
    metrics, data = {}, {}
    for split in splits:
        examples = source.read(split)
        metrics[split] = opened.evaluate(task, examples)
        data[split] = {"rows": len(examples), "digest": examples.digest()}
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics[split].items())
        print(f"{task.name} {split} ({len(examples)} rows): {shown}")
    return metrics, data


if __name__ == "__main__":
    raise SystemExit(main())
