"""Experiments from their folders: runs, restarts, and restarts that are not finished yet."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.experiment_plan import ExperimentPlan
from tfglue.files import read_json
from tfglue.form import check_file
from tfglue.run_folder import RunFolder
from tfglue.scored_experiment import ScoredExperiment
from tfglue.scored_row import MEAN_OF_TASKS, scored_row

RESTARTS_FORMAT = "tfglue.restarts.v1"

_RESTARTS = {
    "task": str,
    "metric": str,
    "seeds": [
        {
            "seed": int,
            "run": str,
            "score": (float, None),
            "metrics": {str: {str: float}},
            "floor": (float, None),
            "degenerate": (bool, None),
            "seconds": (float, None),
            "updates?": int,
        }
    ],
}


def read_experiments(arguments: Sequence[str]) -> list[ScoredExperiment]:
    """Reads experiments, one for every task of every argument.

    Args:
        arguments: folders of runs or of restarts, each ``PATH`` or ``NAME=PATH``. What is not named
            is called by the last parts of its path, as many as tell it from the others.

    Raises:
        UserError: a folder is no run and no restarts, is not finished, is damaged, has no dev
            scores, or is given twice.
    """
    named = [_name_and_path(argument) for argument in arguments]
    places = [Path(os.path.abspath(path)) for _, path in named]
    for twice in _repeated(places):
        raise UserError(f"{twice}: given twice; name every experiment once")
    names = [name or _short(place, places) for (name, _), place in zip(named, places, strict=True)]
    for twice in _repeated(names):
        raise UserError(f"two experiments are called '{twice}'; give each a name with NAME=PATH")
    return [
        experiment
        for name, (_, path) in zip(names, named, strict=True)
        for experiment in _read(name, path)
    ]


def _name_and_path(argument: str) -> tuple[str | None, Path]:
    name, sign, path = argument.partition("=")
    if not sign or "/" in name or Path(argument).exists():
        return None, Path(argument)
    if not name.strip() or not path:
        raise UserError(f"'{argument}': expected PATH or NAME=PATH")
    return name.strip(), Path(path)


def _repeated(values: Sequence[Any]) -> Iterable[Any]:
    return (value for index, value in enumerate(values) if value in values[:index])


def _short(place: Path, places: Sequence[Path]) -> str:
    """The last parts of a path, as many as no other path ends with."""
    # The number of a seed or step alone would say nothing.
    depth = 3 if place.parent.name in ("seeds", "steps") else 1
    while sum(place.parts[-depth:] == other.parts[-depth:] for other in places) > 1:
        depth += 1
    return "/".join(place.parts[-depth:])


def _read(name: str, path: Path) -> list[ScoredExperiment]:
    if not path.is_dir():
        raise UserError(
            f"{path}: no such folder; expected a run or restarts made by python -m tfglue.train"
        )
    folder = RunFolder(path)
    if not folder.is_run() and (path / "restarts.json").is_file():
        return _of_report(name, path)
    if not folder.is_run() and ((path / "seeds").exists() or ExperimentPlan(path).exists):
        runs = [RunFolder(entry) for entry in sorted((path / "seeds").glob("*"), key=_by_number)]
        runs = [run for run in runs if run.path.is_dir()]
        finished = [run for run in runs if run.is_finished()]
        if not finished:
            raise UserError(
                f"{path}: no run of this experiment is finished; go on with "
                f"python -m tfglue.train --output {path} --resume"
            )
        return _of_runs(name, path, finished, max(_asked_seeds(path), len(runs)))
    return _of_runs(name, path, [folder], 1)


def _by_number(path: Path) -> tuple[int, str]:
    return (int(path.name) if path.name.isdecimal() else -1, path.name)


def _asked_seeds(path: Path) -> int:
    """How many restarts one command asked for; 0 where it was no such command."""
    plan = ExperimentPlan(path)
    return plan.read().get("seeds", 0) if plan.exists else 0


def _of_runs(
    name: str, path: Path, runs: Sequence[RunFolder], expected: int
) -> list[ScoredExperiment]:
    first = runs[0].finished_manifest()
    # Tasks may have been added to one run of a series, or removed from one.
    mains = [run.metrics()["main"] for run in runs]
    main = {
        task: metric for task, metric in mains[0].items() if all(task in other for other in mains)
    }
    if not main or any(other[task] != main[task] for other in mains for task in main):
        raise UserError(f"{path}: its runs are not of one task and metric; give them one by one")
    return [
        ScoredExperiment(
            name,
            path,
            task,
            metric,
            tuple(
                _scored(scored_row(run, path, task, metric), run.path / "metrics.json")
                for run in runs
            ),
            expected,
            _through(first, task),
            _dev(first, task),
        )
        for task, metric in main.items()
    ]


def _of_report(name: str, path: Path) -> list[ScoredExperiment]:
    """Restarts, by what ``restarts.json`` says; it holds even where runs are deleted by now.

    Of several tasks the report has the mean; every task for itself is read off the runs.
    """
    file = path / "restarts.json"
    report = read_json(file)
    check_file(report, RESTARTS_FORMAT, _RESTARTS, file)
    if not report["seeds"]:
        raise UserError(f"{file}: no run of these restarts is finished")
    runs = [RunFolder(path / row["run"]) for row in report["seeds"]]
    manifests = [run.manifest() if run.is_run() else {} for run in runs]
    rows = [
        # Once reports did not have the updates.
        {"updates": manifest.get("result", {}).get("updates")} | _scored(row, file)
        for row, manifest in zip(report["seeds"], manifests, strict=True)
    ]
    known = next(filter(None, manifests), {})
    expected = max(_asked_seeds(path), len(rows))
    task = report["task"]
    whole = ScoredExperiment(
        name, path, task, report["metric"], tuple(rows), expected, _through(known, task),
        _dev(known, task),
    )
    if report["metric"] != MEAN_OF_TASKS or not all(run.is_run() for run in runs):
        return [whole]
    return [whole, *_of_runs(name, path, runs, expected)]


def _scored(row: dict[str, Any], file: Path) -> dict[str, Any]:
    if row["score"] is None:
        raise UserError(
            f"{file}: no dev scores; a run is compared by its dev rows, so train it with them"
        )
    return row


def _through(manifest: Mapping[str, Any], task: str) -> tuple[str, ...]:
    added = manifest.get("added", {}).get(task)
    # The last of these is the run that trained the task itself.
    parents = added["lineage"][:-1] if added else manifest.get("parents", ())
    return tuple("+".join(parent["tasks"]) for parent in parents)


def _dev(manifest: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    return manifest.get("data", {}).get(task, {}).get("dev", {})
