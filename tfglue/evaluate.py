"""``python -m tfglue.evaluate``: metrics of a run on labelled data."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tfglue.answering import answered_task, new_file, source_for
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError
from tfglue.files import write_json
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.data.sources import Source
    from tfglue.run import Run

EVALUATION = "evaluation.json"
"""Where a run keeps its latest evaluation."""

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
    splits = [part.strip() for part in (flags.split or "").split(",") if part.strip()]
    found = evaluation(opened, flags.task, flags.data, flags.input, splits)
    output = output or opened.weights_folder / EVALUATION
    write_json(output, found)
    print(f"written: {output}")


def evaluation(
    opened: "Run",
    task: str | None = None,
    data: str | None = None,
    file: str | None = None,
    splits: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Content of ``evaluation.json``: metrics by task and split, main metrics, and the data.

    Args:
        opened: the run.
        task: the only one to answer; by default all of the run's.
        data, file: where rows come from, as `source_for` takes them.
        splits: which ones; by default every dev split.
        say: takes each line of what is found.

    Raises:
        UserError: there are no such task, data or splits.
    """
    found: dict[str, Any] = {"main": {}, "data": {}}
    every = task is None and file is None
    for one in opened.tasks.values() if every else [answered_task(opened, task)]:
        source = source_for(opened, one, data, file)
        own = list(splits) or [s for s in source.splits() if file or s.startswith("dev")]
        found[one.name], found["data"][one.name] = _evaluate_task(opened, one, source, own, say)
        found["main"][one.name] = one.main_metric
    return found


def _evaluate_task(
    opened: "Run", task: Task, source: "Source", splits: Sequence[str], say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics of each split, and what its rows are."""
    say(f"data: {source.description}")
    if not splits:
        raise UserError(f"{source.description}: no dev split; name one with --split, or --input")
    metrics, data = {}, {}
    for split in splits:
        examples = source.read(split)
        metrics[split] = opened.evaluate(task, examples)
        data[split] = {"rows": len(examples), "digest": examples.digest()}
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics[split].items())
        say(f"{task.name} {split} ({len(examples)} rows): {shown}")
    return metrics, data


if __name__ == "__main__":
    raise SystemExit(main())
