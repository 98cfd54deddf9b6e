"""What learning curves cost, said before it is spent."""

from collections.abc import Collection
from pathlib import Path

from tfglue.aligned_table import aligned_table
from tfglue.budget import disk_line
from tfglue.low_data.curve_plan import Cell, CurvePlan
from tfglue.low_data.planned_runs import PlannedCurve
from tfglue.low_data.sizes import Sizes
from tfglue.training.progress import clock


def budget_lines(
    plan: CurvePlan, planned: PlannedCurve, finished: Collection[Cell], output: Path
) -> list[str]:
    """Trainings, updates, time and disk.

    Args:
        plan: what is asked for.
        planned: what every training will be.
        finished: trainings that are done already.
        output: where it goes.

    Raises:
        UserError: there is not room for it.
    """
    cells, starts = plan.cells, ", ".join(map(str, plan.starts))
    lines = [
        f"learning curves of {planned.task.name} from {starts}; sizes: {len(plan.sizes.values)}, "
        f"seeds: {len(plan.seeds)}, trainings: {len(cells)}",
        *_table(plan, planned),
    ]
    updates = sum(planned.run(cell).updates for cell in cells)
    passes = sum(planned.run(cell).evaluations for cell in cells)
    lines.append(
        f"in all: {updates:,} updates, {passes:,} evaluations of {planned.dev_rows:,} dev rows "
        "(--evaluate_every says how often)"
    )
    left = [cell for cell in cells if cell not in finished]
    if finished:
        lines.append(f"finished already: {len(finished)} of {len(cells)} trainings")
    seconds = [planned.run(cell).seconds for cell in left]
    if left:
        lines.append(
            f"time: about {clock(sum(seconds))}, from a few updates of every size measured here"
        )
    return [*lines, _disk(plan, planned, output)]


def _table(plan: CurvePlan, planned: PlannedCurve) -> list[str]:
    """A line a size; a start that does not do the same as the first has a line of its own."""
    rows = [["size", "rows", "updates", "evaluations", "time each"]]
    for size in plan.sizes.values:
        first = planned.runs[plan.starts[0].name, size]
        for start in plan.starts:
            one = planned.runs[start.name, size]
            alike = (one.updates, one.evaluations) == (first.updates, first.evaluations)
            if one is not first and alike:
                continue
            name = Sizes.name(size) + ("" if one is first else f" {start.name}")
            rows.append([
                name, f"{one.examples:,}", f"{one.updates:,}", f"{one.evaluations:,}",
                clock(one.seconds),
            ])
    return [f"  {line}" for line in aligned_table(rows, [0])]


def _disk(plan: CurvePlan, planned: PlannedCurve, output: Path) -> str:
    averaged = planned.config.average_weights is not None
    sizes = [
        planned.budgets[cell.start.name].bytes_of_run(planned.kept_weights, averaged)
        for cell in plan.cells
    ]
    states = max(most - finished for finished, most in sizes)
    keeps = plan.config.keep_weights == "all"
    kept = sum(finished for finished, _ in sizes) if keeps else 0
    most = (kept or max(finished for finished, _ in sizes)) + states
    what = "weights of all are kept" if keeps else "results are kept, weights are not"
    return f"{disk_line(output, kept, most, 'all of it')}; {what}"
